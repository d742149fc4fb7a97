// Operators over pictures: no state, so what holds is the formula, for any shape.
#include <gtest/gtest.h>

#include "operators/conv2d.h"
#include "operators/short_conv2d.h"
#include "tests/operators/contract.h"
#include "tests/support/allocations.h"

namespace rill::testing {
namespace {

using reference::Row;

// A picture, zero outside.
struct Picture {
  size_t height, width;
  std::vector<Row> pixels;

  double at(ptrdiff_t row, ptrdiff_t column, size_t channel) const {
    if (row < 0 || column < 0 || row >= static_cast<ptrdiff_t>(height) ||
        column >= static_cast<ptrdiff_t>(width))
      return 0;
    return pixels[static_cast<size_t>(row) * width + static_cast<size_t>(column)][channel];
  }
};

std::vector<Row> ReferenceConv2d(const reference::Tensors& tensors, const Conv2d::Shape& s,
                                 const Picture& x) {
  const std::vector<float>& w = tensors.at("op.weight");
  const auto stride = static_cast<ptrdiff_t>(s.stride), kernel = static_cast<ptrdiff_t>(s.kernel);
  std::vector<Row> y;
  for (ptrdiff_t r = 0; r * stride < static_cast<ptrdiff_t>(s.height); ++r)
    for (ptrdiff_t c = 0; c * stride < static_cast<ptrdiff_t>(s.width); ++c) {
      Row row;
      size_t at = 0;
      for (size_t o = 0; o < s.channels_out; ++o) {
        double sum = static_cast<double>(tensors.at("op.bias")[o]);
        for (ptrdiff_t i = 0; i < kernel; ++i)
          for (ptrdiff_t j = 0; j < kernel; ++j)
            for (size_t k = 0; k < s.channels_in; ++k)
              sum += static_cast<double>(w[at++]) *
                     x.at(stride * r + i - (kernel - 1) / 2, stride * c + j - (kernel - 1) / 2, k);
        row.push_back(sum);
      }
      y.push_back(row);
    }
  return y;
}

std::vector<Row> ReferenceShortConv2d(const reference::Tensors& tensors,
                                      const ShortConv2d::Shape& s, const std::vector<Row>& u) {
  const auto kernel = static_cast<ptrdiff_t>(s.kernel);
  std::vector<Row> bcx;
  Picture v{s.height, s.width, {}};
  for (const Row& x : u) {
    bcx.push_back(reference::Linear(tensors.at("op.in_proj.weight"), x));
    Row product(s.channels);
    for (size_t c = 0; c < s.channels; ++c)
      product[c] = bcx.back()[c] * bcx.back()[2 * s.channels + c];
    v.pixels.push_back(product);
  }
  std::vector<Row> y;
  for (ptrdiff_t r = 0; r < static_cast<ptrdiff_t>(s.height); ++r)
    for (ptrdiff_t c = 0; c < static_cast<ptrdiff_t>(s.width); ++c) {
      const Row& gates = bcx[y.size()];
      Row out(s.channels);
      for (size_t k = 0; k < s.channels; ++k) {
        size_t at = k * s.kernel * s.kernel;
        for (ptrdiff_t i = 0; i < kernel; ++i)
          for (ptrdiff_t j = 0; j < kernel; ++j)
            out[k] += static_cast<double>(tensors.at("op.conv.weight")[at++]) *
                      v.at(r + i - (kernel - 1) / 2, c + j - (kernel - 1) / 2, k);
        out[k] *= gates[s.channels + k];
      }
      y.push_back(reference::Linear(tensors.at("op.out_proj.weight"), out));
    }
  return y;
}

void ExpectNear(View<const float> got, const std::vector<Row>& want) {
  ASSERT_EQ(got.rows, want.size());
  for (size_t p = 0; p < got.rows; ++p)
    for (size_t c = 0; c < got.columns; ++c)
      ASSERT_NEAR(got[p][c], want[p][c], kTolerance) << "pixel " << p << ", channel " << c;
}

TEST(Conv2d, AgreesWithTheReference) {
  for (const Conv2d::Shape s : {Conv2d::Shape{1, 1, 1, 1, 1, 1}, Conv2d::Shape{1, 1, 3, 5, 3, 2},
                                Conv2d::Shape{5, 9, 3, 17, 3, 1}, Conv2d::Shape{9, 6, 4, 7, 3, 2},
                                Conv2d::Shape{20, 31, 2, 16, 5, 3}}) {
    Random random(s.height * 7 + s.width);
    TensorSet tensors;
    const size_t inputs = s.kernel * s.kernel * s.channels_in;
    tensors.Add("op.weight", {s.channels_out, inputs}, 1 / std::sqrt(static_cast<double>(inputs)),
                random);
    tensors.Add("op.bias", {s.channels_out}, 1, random);
    const Conv2d op = *Conv2d::Load(*tensors.Load(), "op", s);
    const Block x(s.height * s.width, s.channels_in, 1);
    std::vector<float> y(op.rows_out() * op.columns_out() * s.channels_out);
    Scratch scratch(op.ScratchFloats());
    const size_t before = Allocations();
    op.Run(x.view(), scratch, {y.data(), op.rows_out() * op.columns_out(), s.channels_out});
    EXPECT_EQ(Allocations(), before);
    ExpectNear({y.data(), op.rows_out() * op.columns_out(), s.channels_out},
               ReferenceConv2d(tensors.values(), s, {s.height, s.width, x.Doubles()}));
  }
}

TEST(Conv2d, RefusesKernelsThatDoNotFit) {
  const auto bytes = GgufBuilder().Bytes();
  const auto weights = *Weights::Parse(bytes, "m.gguf");
  EXPECT_EQ(Conv2d::Load(*weights, "op", {8, 8, 1, 1, 3, 4}).error().message,
            "m.gguf: op: a kernel of 3 and a stride of 4: the kernel must be odd and no smaller "
            "than the stride");
}

TEST(ShortConv2d, AgreesWithTheReference) {
  for (const ShortConv2d::Shape s :
       {ShortConv2d::Shape{1, 1, 1, 1}, ShortConv2d::Shape{1, 7, 16, 3},
        ShortConv2d::Shape{6, 5, 33, 3}, ShortConv2d::Shape{4, 4, 8, 7}}) {
    Random random(s.height * 7 + s.channels);
    TensorSet tensors;
    const double bound = 1 / std::sqrt(static_cast<double>(s.channels));
    tensors.Add("op.in_proj.weight", {3 * s.channels, s.channels}, bound, random);
    tensors.Add("op.conv.weight", {s.channels, s.kernel * s.kernel}, 0.5, random);
    tensors.Add("op.out_proj.weight", {s.channels, s.channels}, bound, random);
    const ShortConv2d op = *ShortConv2d::Load(*tensors.Load(), "op", s);
    const Block x(s.height * s.width, s.channels, 1);
    std::vector<float> y(x.rows * s.channels);
    Scratch scratch(op.ScratchFloats());
    const size_t before = Allocations();
    op.Run(x.view(), scratch, {y.data(), x.rows, s.channels});
    EXPECT_EQ(Allocations(), before);
    ExpectNear({y.data(), x.rows, s.channels},
               ReferenceShortConv2d(tensors.values(), s, x.Doubles()));
  }
}

TEST(ShortConv2d, RefusesKernelsThatAreTooLarge) {
  const auto bytes = GgufBuilder().Bytes();
  const auto weights = *Weights::Parse(bytes, "m.gguf");
  EXPECT_EQ(ShortConv2d::Load(*weights, "op", {8, 8, 1, 9}).error().message,
            "m.gguf: op: a kernel of 9: it must be odd and at most 7");
}

}  // namespace
}  // namespace rill::testing

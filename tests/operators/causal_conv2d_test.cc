// The contract of operators (house rule 5) for one that makes fewer frames than it takes.
#include "operators/causal_conv2d.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "tests/operators/contract.h"
#include "tests/support/allocations.h"

namespace rill::testing {
namespace {

using Shape = CausalConv2d::Shape;

struct ConvCase : Shape {
  TensorType type = TensorType::kF32;  // of the matrix
};

// The formula of the header over a whole recording.
std::vector<reference::Row> Reference(const reference::Tensors& tensors, const Shape& s,
                                      const std::vector<reference::Row>& x) {
  const std::vector<float>& w = tensors.at("op.weight");
  const ptrdiff_t kernel = static_cast<ptrdiff_t>(s.kernel), bins = static_cast<ptrdiff_t>(s.bins);
  std::vector<reference::Row> y;
  for (ptrdiff_t t = 0; (t + 1) * static_cast<ptrdiff_t>(s.stride) <= std::ssize(x); ++t) {
    reference::Row row;
    for (ptrdiff_t f = 0; f < bins / static_cast<ptrdiff_t>(s.stride); ++f)
      for (size_t o = 0; o < s.channels_out; ++o) {
        double sum = static_cast<double>(tensors.at("op.bias")[o]);
        size_t at = o * s.kernel * s.kernel * s.channels_in;
        for (ptrdiff_t i = 0; i < kernel; ++i)
          for (ptrdiff_t j = 0; j < kernel; ++j)
            for (size_t c = 0; c < s.channels_in; ++c, ++at) {
              const ptrdiff_t time = static_cast<ptrdiff_t>(s.stride) * (t + 1) - kernel + i;
              const ptrdiff_t bin = static_cast<ptrdiff_t>(s.stride) * f - (kernel - 1) / 2 + j;
              if (time < 0 || bin < 0 || bin >= bins) continue;
              sum += static_cast<double>(w[at]) *
                     x[static_cast<size_t>(time)][static_cast<size_t>(bin) * s.channels_in + c];
            }
        row.push_back(sum);
      }
    y.push_back(std::move(row));
  }
  return y;
}

class CausalConv2dContract : public ::testing::TestWithParam<ConvCase> {
 protected:
  CausalConv2dContract() : tensors_(GetParam().type), op_(Make()), scratch_(op_.ScratchFloats()) {}

  CausalConv2d Make() {
    const Shape& s = GetParam();
    Random random(s.bins * 7 + s.channels_in);
    const size_t inputs = s.kernel * s.kernel * s.channels_in;
    tensors_.Add("op.weight", {s.channels_out, inputs}, 1 / std::sqrt(static_cast<double>(inputs)),
                 random);
    tensors_.Add("op.bias", {s.channels_out}, 1, random);
    return *CausalConv2d::Load(*tensors_.Load(), "op", s, layout_);
  }
  std::vector<float> Steps(View<const float> x, Lane lane) {
    std::vector<float> all, y(op_.outputs());
    for (size_t t = 0; t < x.rows; ++t)
      if (op_.Step(x[t], lane, scratch_, y)) all.insert(all.end(), y.begin(), y.end());
    return all;
  }
  std::vector<float> Runs(View<const float> x, Lane lane) {
    const size_t count = op_.Count(x.rows, lane);
    std::vector<float> y(count * op_.outputs());
    op_.Run(x, lane, scratch_, {y.data(), count, op_.outputs()});
    return y;
  }

  TensorSet tensors_;
  StateLayout layout_;
  CausalConv2d op_;
  Scratch scratch_;
};

TEST_P(CausalConv2dContract, AnyChunkingEqualsStepsBitForBit) {
  const Block block(97, op_.inputs(), 1);
  constexpr size_t kWarm = 5;
  State stepped(layout_);
  Steps(block.view().Rows(0, kWarm), stepped.lane(0));
  const State warm = stepped;
  const std::vector<float> want =
      Steps(block.view().Rows(kWarm, block.rows - kWarm), stepped.lane(0));
  for (const size_t chunk : {1, 2, 3, 7, 16, 33, 92}) {
    State chunked = warm;
    std::vector<float> got;
    for (size_t t = kWarm; t < block.rows; t += chunk) {
      const auto part =
          Runs(block.view().Rows(t, std::min(chunk, block.rows - t)), chunked.lane(0));
      got.insert(got.end(), part.begin(), part.end());
    }
    ASSERT_EQ(got, want) << "chunk " << chunk;
    ASSERT_EQ(chunked, stepped) << "chunk " << chunk;
  }
}

TEST_P(CausalConv2dContract, AForkGoesOnLikeTheOriginal) {
  const Block block(40, op_.inputs(), 2);
  State state(layout_);
  Runs(block.view().Rows(0, 13), state.lane(0));
  State fork = state;
  EXPECT_EQ(Runs(block.view().Rows(13, 27), fork.lane(0)),
            Steps(block.view().Rows(13, 27), state.lane(0)));
  EXPECT_EQ(fork, state);
  EXPECT_TRUE(op_.IsSound(state.lane(0)));
}

TEST_P(CausalConv2dContract, AllocatesNothing) {
  const Block block(20, op_.inputs(), 3);
  State state(layout_);
  std::vector<float> y(op_.Count(block.rows, state.lane(0)) * op_.outputs());
  const size_t before = Allocations();
  op_.Run(block.view(), state.lane(0), scratch_,
          {y.data(), op_.Count(block.rows, state.lane(0)), op_.outputs()});
  op_.Step(block.view()[0], state.lane(0), scratch_, std::span(y).first(op_.outputs()));
  EXPECT_EQ(Allocations(), before);
}

TEST_P(CausalConv2dContract, AgreesWithTheReference) {
  const Block block(41, op_.inputs(), 4);
  State state(layout_);
  const std::vector<float> got = Runs(block.view(), state.lane(0));
  const auto want = Reference(tensors_.values(), GetParam(), block.Doubles());
  ASSERT_EQ(got.size(), want.size() * op_.outputs());
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_NEAR(got[i], want[i / op_.outputs()][i % op_.outputs()], kTolerance);
}

std::string NameOf(const ::testing::TestParamInfo<ConvCase>& info) {
  const ConvCase& s = info.param;
  return "F" + std::to_string(s.bins) + "_I" + std::to_string(s.channels_in) + "_O" +
         std::to_string(s.channels_out) + "_K" + std::to_string(s.kernel) + "_S" +
         std::to_string(s.stride) + (s.type == TensorType::kQ8_0 ? "_Q8_0" : "");
}

INSTANTIATE_TEST_SUITE_P(Shapes, CausalConv2dContract,
                         ::testing::Values(ConvCase{{1, 1, 1, 1, 1}}, ConvCase{{8, 1, 7, 3, 2}},
                                           ConvCase{{6, 5, 16, 3, 1}}, ConvCase{{9, 3, 4, 5, 3}},
                                           ConvCase{{20, 7, 17, 3, 2}},
                                           ConvCase{{10, 32, 17, 3, 2}, TensorType::kQ8_0}),
                         NameOf);

TEST(CausalConv2d, RefusesShapesThatDoNotFit) {
  GgufBuilder builder;
  const auto bytes = builder.Bytes();
  const auto weights = *Weights::Parse(bytes, "m.gguf");
  StateLayout layout;
  const std::string rest =
      ": the kernel must be odd and no smaller than the stride, which must divide the bins";
  EXPECT_EQ(CausalConv2d::Load(*weights, "op", {8, 1, 1, 4, 2}, layout).error().message,
            "m.gguf: op: a kernel of 4, a stride of 2 and 8 bins" + rest);
  EXPECT_EQ(CausalConv2d::Load(*weights, "op", {9, 1, 1, 3, 2}, layout).error().message,
            "m.gguf: op: a kernel of 3, a stride of 2 and 9 bins" + rest);
}

}  // namespace
}  // namespace rill::testing

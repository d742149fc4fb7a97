// The product of weights that stay 8-bit in memory, and that Linear takes it for Q8_0.
#include "operators/core/packed_q8.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "operators/linear.h"
#include "tests/operators/contract.h"

namespace rill::testing {
namespace {

constexpr size_t kBlockBytes = 34;

// [outputs, inputs] in the file's form: all of int8, scales of both signs, some zero or subnormal.
std::vector<std::byte> Blocks(size_t outputs, size_t inputs, Random& random) {
  std::vector<std::byte> file(outputs * inputs / 32 * kBlockBytes);
  for (size_t at = 0; at < file.size(); at += kBlockBytes) {
    const double bound = 1 / 128.0 / std::sqrt(static_cast<double>(inputs));
    uint16_t scale = FloatToHalf(static_cast<float>(random.Uniform(-bound, bound)));
    if (random.Below(8) == 0) scale = static_cast<uint16_t>(random.Below(1024));
    std::memcpy(file.data() + at, &scale, sizeof scale);
    for (size_t i = 2; i < kBlockBytes; ++i) file[at + i] = static_cast<std::byte>(random.Bits());
  }
  return file;
}

std::vector<float> Product(const PackedQ8& w, const std::vector<float>& x,
                           std::span<const float> bias) {
  const size_t rows = x.size() / w.inputs();
  std::vector<float> y(rows * w.outputs(), -77);
  Multiply(w, {x.data(), rows, w.inputs()}, bias, {y.data(), rows, w.outputs()});
  return y;
}

TEST(PackedQ8, AgreesWithTheReferenceForEveryShapeAndRowsDoNotMatter) {
  Random random(1);
  for (const size_t outputs : {1, 7, 16, 17, 65, 130})
    for (const size_t inputs : {32, 64, 288})
      for (const bool biased : {false, true}) {
        const std::vector<std::byte> file = Blocks(outputs, inputs, random);
        const PackedQ8 packed(file, outputs, inputs);
        std::vector<float> w(outputs * inputs), b = random.Floats(outputs);
        ToFloat(TensorType::kQ8_0, file, w);
        if (!biased) std::ranges::fill(b, 0.0f);
        const std::span<const float> bias = std::span<const float>(b).first(biased ? outputs : 0);
        for (size_t rows = 1; rows <= 13; ++rows) {
          const std::vector<float> x = random.Floats(rows * inputs);
          const std::vector<float> y = Product(packed, x, bias);
          for (size_t r = 0; r < rows; ++r) {
            const auto begin = x.begin() + static_cast<ptrdiff_t>(r * inputs);
            const std::vector<float> row(begin, begin + static_cast<ptrdiff_t>(inputs));
            const auto want = reference::Linear(w, {row.begin(), row.end()}, &b);
            const std::vector<float> one = Product(packed, row, bias);
            for (size_t o = 0; o < outputs; ++o) {
              ASSERT_NEAR(y[r * outputs + o], want[o], kTolerance) << outputs << " " << inputs;
              ASSERT_EQ(y[r * outputs + o], one[o]) << "rows must not matter: " << rows;
            }
          }
        }
      }
}

TEST(PackedQ8, WhatIsNotFiniteShowsInItsRowAndNoOther) {
  Random random(2);
  constexpr size_t kOutputs = 37, kInputs = 64, kRows = 9, kBad = 4;
  const PackedQ8 packed(Blocks(kOutputs, kInputs, random), kOutputs, kInputs);
  const std::vector<float> x = random.Floats(kRows * kInputs);
  const std::vector<float> y = Product(packed, x, {});
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity()})
    for (size_t k = 0; k < kInputs; ++k) {
      std::vector<float> other = x;
      other[kBad * kInputs + k] = bad;
      const std::vector<float> got = Product(packed, other, {});
      for (size_t i = 0; i < got.size(); ++i) {
        if (i / kOutputs == kBad) {
          ASSERT_FALSE(std::isfinite(got[i])) << k << " " << i;
        } else {
          ASSERT_EQ(got[i], y[i]) << k << " " << i;
        }
      }
    }
}

TEST(PackedQ8, IsWhatLinearComputesWithForQ8) {
  Random random(3);
  constexpr size_t kOutputs = 19, kInputs = 96, kRows = 5;
  TensorSet tensors(TensorType::kQ8_0);
  tensors.Add("op.weight", {kOutputs, kInputs}, 1, random);
  tensors.Add("op.bias", {kOutputs}, 1, random);
  const auto weights = tensors.Load();
  const auto linear = Linear::Load(*weights, "op", kOutputs, kInputs, Bias::kPresent);
  ASSERT_TRUE(linear) << linear.error().message;
  EXPECT_EQ(linear->inputs(), kInputs);
  EXPECT_EQ(linear->outputs(), kOutputs);
  const std::vector<float> x = random.Floats(kRows * kInputs);
  std::vector<float> y(kRows * kOutputs), step(kOutputs);
  linear->Run({x.data(), kRows, kInputs}, {y.data(), kRows, kOutputs});
  const PackedQ8 packed(weights->tensors().at("op.weight").bytes, kOutputs, kInputs);
  EXPECT_EQ(y, Product(packed, x, tensors.values().at("op.bias")));
  linear->Step(std::span(x).first(kInputs), step);
  EXPECT_TRUE(std::equal(step.begin(), step.end(), y.begin()));
}

}  // namespace
}  // namespace rill::testing

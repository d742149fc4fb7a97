#include "operators/core/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/random.h"

namespace rill::testing {
namespace {

constexpr TensorType kAll[] = {TensorType::kF32,  TensorType::kF16,  TensorType::kBF16,
                               TensorType::kQ8_0, TensorType::kQ4_0, TensorType::kQ4_K,
                               TensorType::kQ5_K, TensorType::kQ6_K};

std::vector<float> ThereAndBack(TensorType type, const std::vector<float>& values) {
  const TensorTypeInfo info = *InfoOf(static_cast<uint32_t>(type));
  std::vector<std::byte> bytes(values.size() / info.block_elements * info.block_bytes);
  FromFloat(type, values, bytes);
  std::vector<float> back(values.size());
  ToFloat(type, bytes, back);
  return back;
}

std::vector<float> Normal(size_t count, uint64_t seed) {
  Random random(seed);
  std::vector<float> values(count);
  for (float& value : values) {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += random.Uniform();
    value = static_cast<float>(sum);
  }
  return values;
}

// Root of the squared error over that of the numbers.
double RelativeError(TensorType type, const std::vector<float>& values) {
  const std::vector<float> back = ThereAndBack(type, values);
  double error = 0, whole = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    error += std::pow(static_cast<double>(back[i] - values[i]), 2);
    whole += std::pow(static_cast<double>(values[i]), 2);
  }
  return std::sqrt(error / whole);
}

TEST(Quantize, LosesAsLittleAsTheTypeAllows) {
  const std::vector<float> values = Normal(256 * 64, 1);
  EXPECT_EQ(RelativeError(TensorType::kF32, values), 0);
  EXPECT_LT(RelativeError(TensorType::kF16, values), 3e-4);
  EXPECT_LT(RelativeError(TensorType::kBF16, values), 2e-3);
  EXPECT_LT(RelativeError(TensorType::kQ8_0, values), 0.007);
  EXPECT_LT(RelativeError(TensorType::kQ6_K, values), 0.02);
  EXPECT_LT(RelativeError(TensorType::kQ5_K, values), 0.042);
  EXPECT_LT(RelativeError(TensorType::kQ4_K, values), 0.085);
  EXPECT_LT(RelativeError(TensorType::kQ4_0, values), 0.105);
}

TEST(Quantize, NumbersOfABlockOfTheTypeStayAsTheyAre) {
  // Codes of every kind, the extremes among them, in steps that float16 holds.
  std::vector<float> eight(256), four(256);
  for (size_t i = 0; i < 256; ++i) {
    eight[i] = 0.25f * static_cast<float>(static_cast<int>(i * 37 % 255) - 127);
    four[i] = 0.5f * static_cast<float>(static_cast<int>(i * 7 % 16) - 8);
  }
  for (size_t i = 0; i < 256; i += 32) eight[i] = -0.25f * 127;
  EXPECT_EQ(ThereAndBack(TensorType::kQ8_0, eight), eight);
  EXPECT_EQ(ThereAndBack(TensorType::kQ4_0, four), four);
}

TEST(Quantize, KeepsSignsScalesAndZeros) {
  for (const TensorType type : kAll) {
    SCOPED_TRACE(InfoOf(static_cast<uint32_t>(type))->name);
    EXPECT_EQ(ThereAndBack(type, std::vector<float>(256)), std::vector<float>(256));
    for (const float scale : {0.02f, 1.0f, 100.0f}) {
      std::vector<float> ramp(256), positive(256, scale), negative(256, -scale);
      for (size_t i = 0; i < 256; ++i) ramp[i] = scale * (static_cast<float>(i) / 128 - 1);
      EXPECT_LT(RelativeError(type, ramp), 0.08) << scale;
      EXPECT_LT(RelativeError(type, positive), 0.02) << scale;
      EXPECT_LT(RelativeError(type, negative), 0.02) << scale;
    }
  }
}

TEST(Quantize, AnOutlierDoesNotSpoilOtherParts) {
  std::vector<float> values = Normal(256, 2);
  values[7] = 50;
  for (const TensorType type : {TensorType::kQ4_K, TensorType::kQ5_K, TensorType::kQ6_K}) {
    const std::vector<float> back = ThereAndBack(type, values);
    EXPECT_NEAR(back[7], 50, 2);
    double error = 0;
    for (size_t i = 32; i < 256; ++i)
      error += std::pow(static_cast<double>(back[i] - values[i]), 2) / 224;
    EXPECT_LT(std::sqrt(error), 0.6);
  }
}

}  // namespace
}  // namespace rill::testing

// The GGUF reader: what it reads, and that no file, however hostile, does more than fail with a
// sentence.
#include "operators/core/weights.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <limits>

#include "tests/fuzz/gguf_fuzz.h"
#include "tests/support/gguf_builder.h"
#include "tests/support/random.h"

namespace rill::testing {
namespace {

std::vector<std::byte> Example() {
  GgufBuilder builder;
  builder.Key("general.architecture", "rill");
  builder.Key("a.count", uint32_t{7});
  builder.Key("a.rate", 0.25f);
  builder.Key("a.levels", std::vector<float>{0.1f, 0.9f});
  builder.Key("a.names", std::vector<std::string>{"x", "y"});
  Random random(1);
  builder.Tensor("matrix", {3, 64}, random.Floats(192), TensorType::kQ8_0);
  builder.Tensor("vector", {5}, {1, 2, 3, 4, 5});
  return builder.Bytes();
}

std::string ErrorOf(std::span<const std::byte> bytes) {
  const auto weights = Weights::Parse(bytes, "m.gguf");
  return weights ? "" : weights.error().message;
}

TEST(Weights, ArraysTogetherHaveALimit) {
  GgufBuilder builder;
  builder.Key("general.architecture", "rill");
  builder.Key("first", std::vector<bool>(3'000'000));
  builder.Key("second", std::vector<bool>(3'000'000));
  EXPECT_NE(ErrorOf(builder.Bytes()).find("key 2 of 3"), std::string::npos);
}

TEST(Weights, ReadsKeysAndTensors) {
  const auto bytes = Example();
  const auto weights = Weights::Parse(bytes, "m.gguf");
  ASSERT_TRUE(weights) << weights.error().message;
  const Weights& w = **weights;
  EXPECT_EQ(*w.Integer("a.count", 0, 10), 7);
  EXPECT_EQ(*w.Number("a.rate", 0, 1), 0.25);
  EXPECT_EQ(w.Numbers("a.levels")->size(), 2u);
  EXPECT_EQ((*w.Texts("a.names"))[1], "y");
  EXPECT_EQ((*w.Vector("vector", 5))[4], 5);
  EXPECT_EQ(w.Matrix("matrix", 3, 64)->size(), 192u);
}

TEST(Weights, SaysWhatIsMissingOrWrongWithTheNumbers) {
  const auto bytes = Example();
  const auto weights = *Weights::Parse(bytes, "m.gguf");
  EXPECT_EQ(weights->Integer("b", 0, 1).error().message, "m.gguf: key b is missing");
  EXPECT_EQ(weights->Integer("a.rate", 0, 1).error().message,
            "m.gguf: key a.rate is not an integer");
  EXPECT_EQ(weights->Integer("a.count", 0, 5).error().message,
            "m.gguf: key a.count is 7, it must be from 0 to 5");
  EXPECT_EQ(weights->Vector("vector", 6).error().message,
            "m.gguf: tensor vector has shape [5], [6] is wanted");
  EXPECT_EQ(weights->Matrix("matrix", 64, 3).error().message,
            "m.gguf: tensor matrix has shape [3, 64], [64, 3] is wanted");
  EXPECT_EQ(weights->Matrix("other", 2, 3).error().message,
            "m.gguf: tensor other is missing, shape [2, 3] is wanted");
}

TEST(Weights, ConvertsEveryComputableType) {
  Random random(2);
  const std::vector<float> values = random.Floats(64, -3, 3);
  const std::pair<TensorType, float> types[] = {{TensorType::kF32, 0},
                                                {TensorType::kF16, 2e-3f},
                                                {TensorType::kBF16, 1.3e-2f},
                                                {TensorType::kQ8_0, 1.3e-2f}};
  for (const auto& [type, tolerance] : types) {
    GgufBuilder builder;
    builder.Tensor("t", {2, 32}, values, type);
    const auto bytes = builder.Bytes();
    const auto read = (*Weights::Parse(bytes, "m.gguf"))->Matrix("t", 2, 32);
    ASSERT_TRUE(read) << read.error().message;
    for (size_t i = 0; i < values.size(); ++i) EXPECT_NEAR((*read)[i], values[i], tolerance);
  }
}

TEST(Weights, GivesBlocksOfQ8AsTheyLieInTheFile) {
  auto bytes = Example();
  const auto weights = *Weights::Parse(bytes, "m.gguf");
  const auto blocks = weights->Q8Matrix("matrix", 3, 64);
  ASSERT_TRUE(blocks && *blocks) << blocks.error().message;
  EXPECT_EQ((*blocks)->size(), 6 * 34u);
  EXPECT_FALSE(*weights->Q8Matrix("vector", 1, 5)) << "it is of another type";
  EXPECT_EQ(weights->Q8Matrix("matrix", 64, 3).error().message,
            "m.gguf: tensor matrix has shape [3, 64], [64, 3] is wanted");
  const size_t begin = static_cast<size_t>((*blocks)->data() - bytes.data());
  for (const uint16_t scale : {0x7c00, 0xfc00, 0x7e00}) {  // ±infinity, not a number
    std::memcpy(bytes.data() + begin + 5 * 34, &scale, sizeof scale);
    const std::string want =
        "m.gguf: tensor matrix holds a value that is not finite at element 160";
    EXPECT_EQ(weights->Q8Matrix("matrix", 3, 64).error().message, want);
    EXPECT_EQ(weights->Matrix("matrix", 3, 64).error().message, want);
  }
}

TEST(Weights, RefusesTypesItCannotComputeAndValuesThatAreNotFinite) {
  GgufBuilder builder;
  builder.Tensor("nan", {2}, {1, std::numeric_limits<float>::quiet_NaN()});
  const auto bytes = builder.Bytes();
  EXPECT_EQ((*Weights::Parse(bytes, "m.gguf"))->Vector("nan", 2).error().message,
            "m.gguf: tensor nan holds a value that is not finite at element 1");
}

TEST(Weights, RefusesWhatIsNoGguf) {
  EXPECT_EQ(ErrorOf({}), "m.gguf: not a GGUF file: it does not start with \"GGUF\"");
  auto bytes = Example();
  bytes[4] = std::byte{2};
  EXPECT_EQ(ErrorOf(bytes), "m.gguf: GGUF version 2, only version 3 is read");
  EXPECT_EQ(Weights::Open("/nonexistent.gguf").error().message,
            "/nonexistent.gguf: cannot open the model file: No such file or directory");
  EXPECT_EQ(Weights::Open("/dev").error().message, "/dev: not a model file: it is no regular file");
}

TEST(Weights, RefusesAnAlignmentThatNumbersDoNotHave) {
  const auto aligned = [](uint32_t bytes) {
    GgufBuilder builder;
    builder.Key("general.alignment", bytes);
    return ErrorOf(builder.Bytes());
  };
  EXPECT_EQ(aligned(32), "");
  EXPECT_NE(aligned(4).find("general.alignment"), std::string::npos) << aligned(4);
  EXPECT_EQ(aligned(24), "m.gguf: general.alignment is 24, no power of two");
}

TEST(Weights, RefusesArraysOfMillions) {
  for (const bool refused : {false, true}) {
    GgufBuilder builder;
    builder.Key("levels", std::vector<float>((1 << 22) + (refused ? 1 : 0)));
    EXPECT_EQ(ErrorOf(builder.Bytes()),
              refused ? "m.gguf: key 0 of 1, at byte 24, is malformed or cut off" : "");
  }
}

TEST(Weights, RefusesEveryTruncation) {
  const auto bytes = Example();
  for (size_t count = 0; count + 32 < bytes.size(); ++count) {
    const std::vector<std::byte> part(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(count));
    ASSERT_NE(ErrorOf(part), "") << count;
  }
}

TEST(Weights, SurvivesEveryByteSetToExtremes) {
  const auto bytes = Example();
  for (size_t at = 0; at < bytes.size(); ++at)
    for (const unsigned value : {0u, 1u, 0x7fu, 0x80u, 0xffu}) {
      auto mutated = bytes;
      mutated[at] = static_cast<std::byte>(value);
      FuzzGguf(mutated);
    }
}

TEST(Weights, SurvivesEveryHeaderWordSetToExtremes) {
  const auto bytes = Example();
  for (size_t at = 0; at + 8 <= bytes.size(); ++at)
    for (const uint64_t value : {uint64_t{0}, ~uint64_t{0}, uint64_t{1} << 63, uint64_t{1} << 32,
                                 uint64_t{1} << 62, uint64_t{0x7fffffffffffffff}}) {
      auto mutated = bytes;
      std::memcpy(mutated.data() + at, &value, sizeof value);
      FuzzGguf(mutated);
    }
}

TEST(Weights, SurvivesRandomBytes) {
  Random random(3);
  for (int i = 0; i < 2000; ++i) {
    auto mutated = Example();
    for (size_t n = random.Below(8) + 1; n > 0; --n)
      mutated[random.Below(mutated.size())] = static_cast<std::byte>(random.Bits());
    FuzzGguf(mutated);
  }
}

TEST(Weights, FingerprintSeesKeysAndWeights) {
  const auto bytes = Example();
  const uint64_t fingerprint = (*Weights::Parse(bytes, "a"))->fingerprint();
  EXPECT_EQ((*Weights::Parse(bytes, "b"))->fingerprint(), fingerprint);
  auto other = bytes;
  other[other.size() - 32] ^= std::byte{1};  // a value of the last tensor
  EXPECT_NE((*Weights::Parse(other, "a"))->fingerprint(), fingerprint);
}

}  // namespace
}  // namespace rill::testing

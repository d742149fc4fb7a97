// Products with weights that stay in the file: every type, every kernel.
#include "operators/core/mapped_matrix.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "operators/core/int8_kernels.h"
#include "operators/core/kernels.h"
#include "operators/core/workers.h"
#include "operators/moe.h"
#include "tests/operators/contract.h"
#include "tests/support/random_blocks.h"

namespace rill::testing {
namespace {

constexpr TensorType kTypes[] = {TensorType::kF32,  TensorType::kF16,  TensorType::kBF16,
                                 TensorType::kQ4_0, TensorType::kQ8_0, TensorType::kQ4_K,
                                 TensorType::kQ5_K, TensorType::kQ6_K};

// Of an output, in units of |w| |x| / sqrt(inputs), which a rounding error of x of one step would
// be if all errors had the same sign: what rounding x may cost.
double Bound(TensorType type) {
  if (IsQuantised(type)) return 1.0 / 127;
  return type == TensorType::kBF16 ? 1.0 / 256 : 1e-5;
}

class MappedMatrixTest : public ::testing::TestWithParam<TensorType> {
 protected:
  // Numbers of inputs that the type can have: vectors, parts of such, and blocks.
  static std::vector<size_t> Inputs() {
    switch (InfoOf(static_cast<uint32_t>(GetParam()))->block_elements) {
      case 1: return {1, 3, 7, 17, 33, 65, 100, 256, 2100};
      case 32: return {32, 96, 288, 512};
      default: return {256, 768};
    }
  }
  std::vector<float> Alone(const MappedMatrix& w, const std::vector<float>& x,
                           Workers* workers = nullptr) {
    const size_t rows = x.size() / w.inputs();
    Scratch scratch(w.ScratchFloats(rows, workers == nullptr ? 1 : workers->threads()), workers);
    std::vector<float> y(rows * w.outputs(), -77);
    Multiply(w, {x.data(), rows, w.inputs()}, scratch, {y.data(), rows, w.outputs()});
    return y;
  }
};

TEST_P(MappedMatrixTest, AgreesWithDoublesWhateverTheRowsAndThreads) {
  Random random(1);
  Workers workers(3);
  for (const size_t outputs : {1, 15, 16, 33, 70})
    for (const size_t inputs : Inputs()) {
      const auto bytes = RandomBlocks(GetParam(), outputs * inputs, 1, random);
      const MappedMatrix w(GetParam(), bytes, outputs, inputs);
      for (const size_t rows : {1, 2, 5, 13}) {
        const std::vector<float> x = random.Floats(rows * inputs);
        const std::vector<float> y = Alone(w, x);
        ASSERT_EQ(y, Alone(w, x, &workers)) << "threads must not matter";
        std::vector<float> weights(inputs);
        for (size_t r = 0; r < rows; ++r) {
          const auto begin = x.begin() + static_cast<ptrdiff_t>(r * inputs);
          const std::vector<float> row(begin, begin + static_cast<ptrdiff_t>(inputs));
          const std::vector<float> alone = Alone(w, row);
          for (size_t o = 0; o < outputs; ++o) {
            ASSERT_EQ(y[r * outputs + o], alone[o]) << "rows must not matter: " << rows;
            w.Read(o, weights);
            double want = 0, w2 = 0, x2 = 0;
            for (size_t i = 0; i < inputs; ++i) {
              want += double{weights[i]} * row[i];
              w2 += double{weights[i]} * weights[i];
              x2 += double{row[i]} * row[i];
            }
            ASSERT_NEAR(y[r * outputs + o], want, Bound(GetParam()) * std::sqrt(w2 * x2))
                << outputs << " " << inputs;
          }
        }
      }
    }
}

TEST_P(MappedMatrixTest, ProductsTogetherAreThoseAlone) {
  Random random(6);
  Workers workers(3);
  constexpr size_t kInputs = 256, kMatrices = 19;
  std::vector<std::vector<std::byte>> bytes;
  std::vector<MappedMatrix> matrices;
  std::vector<std::vector<float>> xs, ys;
  std::vector<Product> products;
  size_t floats = 0;
  for (size_t i = 0; i < kMatrices; ++i) {
    // One of another type, which must not get what the one before it was rounded to.
    const TensorType type = i == 9 ? TensorType::kQ8_0 : GetParam();
    const size_t outputs = 1 + 23 * i, rows = 1 + i / 3 % 3;
    bytes.push_back(RandomBlocks(type, outputs * kInputs, 1, random));
    matrices.emplace_back(type, bytes.back(), outputs, kInputs);
    if (i % 3 == 0) xs.push_back(random.Floats(rows * kInputs));
    ys.emplace_back(rows * outputs);
    floats += matrices.back().ScratchFloats(rows, workers.threads());
  }
  for (size_t i = 0; i < kMatrices; ++i) {
    const size_t rows = 1 + i / 3 % 3;
    products.push_back({&matrices[i],
                        {xs[i / 3].data(), rows, kInputs},
                        {ys[i].data(), rows, matrices[i].outputs()}});
  }
  Scratch scratch(floats, &workers);
  MultiplyEach(products, scratch);
  for (size_t i = 0; i < kMatrices; ++i) EXPECT_EQ(ys[i], Alone(matrices[i], xs[i / 3])) << i;
}

TEST_P(MappedMatrixTest, WhatIsNotFiniteShowsInItsRowAndNoOther) {
  Random random(2);
  constexpr size_t kOutputs = 18, kInputs = 256, kRows = 4, kBad = 2;
  const auto bytes = RandomBlocks(GetParam(), kOutputs * kInputs, 1, random);
  const MappedMatrix w(GetParam(), bytes, kOutputs, kInputs);
  const std::vector<float> x = random.Floats(kRows * kInputs), y = Alone(w, x);
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::vector<float> other = x;
    other[kBad * kInputs + 77] = bad;
    const std::vector<float> got = Alone(w, other);
    for (size_t i = 0; i < got.size(); ++i) {
      if (i / kOutputs == kBad) {
        EXPECT_FALSE(std::isfinite(got[i])) << i;
      } else {
        EXPECT_EQ(got[i], y[i]) << i;
      }
    }
  }
}

// The kernels for a CPU's instructions give what the plain loops give, but for the fused adds.
TEST_P(MappedMatrixTest, KernelsAgreeWithPlainLoops) {
  if (!IsQuantised(GetParam())) GTEST_SKIP() << "not a quantised type";
  Random random(3);
  constexpr size_t kOutputs = 50, kInputs = 768;
  const auto bytes = RandomBlocks(GetParam(), kOutputs * kInputs, 1, random);
  const MappedMatrix w(GetParam(), bytes, kOutputs, kInputs);
  for (const size_t rows : {1, 3, 9}) {
    const std::vector<float> x = random.Floats(rows * kInputs);
    std::vector<int8_t> values(rows * kInputs);
    std::vector<float> scales(rows * kInputs / 32), offsets(scales.size());
    std::vector<int32_t> starts(2 * scales.size());
    Int8Rows rounded{rows, values.data(), scales.data(), starts.data(), offsets.data()};
    RoundRows({x.data(), rows, kInputs}, FormOf(GetParam()), 0, kInputs / 32, rounded);
    std::vector<float> totals(TotalsFloats(rows));
    const auto product = [&](Int8Kernel kernel) {
      std::vector<float> y(rows * kOutputs);
      kernel(w, rounded, 0, 4, {y.data(), rows, kOutputs}, totals.data());
      return y;
    };
    const std::vector<float> want = product(PortableInt8Kernel());
    size_t compared = 0;
    for (const Int8Kernel kernel : {Avx2Int8Kernel(), VnniInt8Kernel()}) {
      if (kernel == nullptr) continue;  // no such CPU, or RILL_TARGET rules it out
      ++compared;
      const std::vector<float> got = product(kernel);
      for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], 2e-5) << i;
    }
    if (compared == 0) GTEST_SKIP() << "no such CPU or RILL_TARGET";
  }
}

// With infinities and what is no number, in whole vectors and in the rest.
TEST(MappedMatrix, HalvesAreExactEverywhere) {
  std::vector<uint16_t> halves;
  for (uint32_t half = 0; half < 0x10000; half += 37) halves.push_back(static_cast<uint16_t>(half));
  for (const uint16_t special : {0x7c00, 0xfc00, 0x7e00, 0x0001, 0x83ff, 0x8000}) {
    halves.insert(halves.begin(), special);
    halves.push_back(special);
  }
  std::vector<float> floats(halves.size());
  HalvesToFloats(halves, floats);
  for (size_t i = 0; i < halves.size(); ++i) {
    const float want = HalfToFloat(halves[i]);
    EXPECT_TRUE(std::isnan(want) ? std::isnan(floats[i]) : floats[i] == want) << i;
  }
  for (const size_t count : {1, 5, 16, 33, 100}) {
    const auto b = std::span(halves).subspan(20, count);
    const auto a = Random(1).Floats(count);
    EXPECT_EQ(DotHalves(a, b), Dot(a, std::span(floats).subspan(20, count))) << count;
  }
}

TEST(MappedMatrix, BFloatsAreExactInWholeVectorsAndInTheRest) {
  for (const size_t count : {1, 5, 16, 33, 100}) {
    const auto a = Random(1).Floats(count), values = Random(2).Floats(count);
    std::vector<uint16_t> halves(count);
    std::vector<float> floats(count);
    for (size_t i = 0; i < count; ++i) {
      halves[i] = FloatToBFloat16(values[i]);
      floats[i] = std::bit_cast<float>(static_cast<uint32_t>(halves[i]) << 16);
    }
    EXPECT_EQ(DotBFloats(a, halves), Dot(a, floats)) << count;
  }
}

INSTANTIATE_TEST_SUITE_P(Types, MappedMatrixTest, ::testing::ValuesIn(kTypes),
                         [](const auto& info) {
                           return std::string(InfoOf(static_cast<uint32_t>(info.param))->name);
                         });

TEST(Moe, AgreesWithTheReferenceWhateverTheRows) {
  constexpr size_t kChannels = 12, kInner = 20, kExperts = 20, kUsed = 3, kRows = 9;
  Random random(4);
  TensorSet tensors;
  tensors.Add("op.gate_inp.weight", {kExperts, kChannels}, 1, random);
  tensors.Add("op.bias", {kExperts}, 0.3, random);
  tensors.Add("op.gate_exps.weight", {kExperts, kInner, kChannels}, 0.5, random);
  tensors.Add("op.up_exps.weight", {kExperts, kInner, kChannels}, 0.5, random);
  tensors.Add("op.down_exps.weight", {kExperts, kChannels, kInner}, 0.5, random);
  const auto weights = tensors.Load();
  const auto moe = Moe::Load(*weights, "op.", "op.bias", kChannels,
                             {.experts = kExperts, .used = kUsed, .inner = kInner});
  ASSERT_TRUE(moe) << moe.error().message;
  Scratch scratch(moe->ScratchFloats(kRows));
  const Block block(kRows, kChannels, 5);
  std::vector<float> y(kRows * kChannels), step(kChannels);
  moe->Run(block.view(), scratch, {y.data(), kRows, kChannels});
  for (size_t r = 0; r < kRows; ++r) {
    moe->Step(block.view()[r], scratch, step);
    const auto want = reference::Moe(tensors.values(), kUsed, block.Doubles()[r]);
    for (size_t c = 0; c < kChannels; ++c) {
      ASSERT_EQ(y[r * kChannels + c], step[c]) << "rows must not matter";
      ASSERT_NEAR(step[c], want[c], kTolerance);
    }
  }
}

TEST(Moe, ARowThatIsNoNumberStaysNone) {
  constexpr size_t kChannels = 4, kInner = 3, kExperts = 9, kRows = 5, kBad = 2;
  Random random(8);
  TensorSet tensors;
  tensors.Add("op.gate_inp.weight", {kExperts, kChannels}, 1, random);
  tensors.Add("op.gate_exps.weight", {kExperts, kInner, kChannels}, 0.5, random);
  tensors.Add("op.up_exps.weight", {kExperts, kInner, kChannels}, 0.5, random);
  tensors.Add("op.down_exps.weight", {kExperts, kChannels, kInner}, 0.5, random);
  const auto weights = tensors.Load();
  const auto moe =
      Moe::Load(*weights, "op.", "none", kChannels, {.experts = kExperts, .used = 2, .inner = 3});
  ASSERT_TRUE(moe) << moe.error().message;
  Scratch scratch(moe->ScratchFloats(kRows));
  std::vector<float> x = random.Floats(kRows * kChannels), want(x.size()), got(x.size());
  moe->Run({x.data(), kRows, kChannels}, scratch, {want.data(), kRows, kChannels});
  x[kBad * kChannels] = std::numeric_limits<float>::quiet_NaN();
  moe->Run({x.data(), kRows, kChannels}, scratch, {got.data(), kRows, kChannels});
  for (size_t i = 0; i < got.size(); ++i) {
    if (i / kChannels == kBad) {
      EXPECT_TRUE(std::isnan(got[i])) << i;
    } else {
      EXPECT_EQ(got[i], want[i]) << i;
    }
  }
}

TEST(Moe, OfEqualScoresTheLowerExpertIsChosen) {
  TensorSet tensors;
  Random random(6);
  tensors.Add("op.gate_inp.weight", {3, 2}, 0, random);  // all scores are 1/2
  tensors.Add("op.gate_exps.weight", {3, 2, 2}, 1, random);
  tensors.Add("op.up_exps.weight", {3, 2, 2}, 1, random);
  tensors.Add("op.down_exps.weight", {3, 2, 2}, 1, random);
  const auto weights = tensors.Load();
  const auto moe = Moe::Load(*weights, "op.", "none", 2, {.experts = 3, .used = 1, .inner = 2});
  ASSERT_TRUE(moe) << moe.error().message;
  Scratch scratch(moe->ScratchFloats(1));
  const std::vector<float> x = {0.7f, -0.4f};
  std::vector<float> y(2);
  moe->Step(x, scratch, y);
  reference::Tensors values = tensors.values();
  values["op.bias"] = {1, 0, 0};  // the reference then has to take the first
  const auto want = reference::Moe(values, 1, {x[0], x[1]});
  for (size_t c = 0; c < 2; ++c) EXPECT_NEAR(y[c], want[c], kTolerance);
}

}  // namespace
}  // namespace rill::testing

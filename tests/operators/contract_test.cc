#include "tests/operators/contract.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

#include "operators/attention.h"
#include "operators/cfc.h"
#include "operators/liquid_scan.h"
#include "operators/short_conv.h"
#include "tests/support/allocations.h"

namespace rill::testing {
namespace {

double Fan(size_t inputs) { return 1.5 / std::sqrt(static_cast<double>(inputs)); }

Case ShortConvCase(size_t channels, size_t taps, MatrixForm form = MatrixForm::kPacked) {
  return {"ShortConv_C" + std::to_string(channels) + "_K" + std::to_string(taps), channels,
          [=](TensorSet& tensors) {
            Random random(channels * 31 + taps);
            tensors.Add("op.in_proj.weight", {3 * channels, channels}, Fan(channels), random);
            tensors.Add("op.conv.weight", {channels, taps}, 1, random);
            tensors.Add("op.out_proj.weight", {channels, channels}, Fan(channels), random);
            StateLayout layout;
            auto op = ShortConv::Load(*tensors.Load(), "op", channels, taps, layout, form);
            return Wrap(std::move(*op), layout);
          },
          [=](const auto& tensors, const auto&, const auto& x) {
            return reference::ShortConv(tensors, taps, x);
          }};
}

Case LiquidScanCase(size_t channels, size_t width) {
  return {"LiquidScan_C" + std::to_string(channels) + "_E" + std::to_string(width), channels,
          [=](TensorSet& tensors) {
            Random random(channels * 37 + width);
            tensors.Add("op.in_proj.weight", {4 * width, channels}, Fan(channels), random);
            tensors.Add("op.in_proj.bias", {4 * width}, 1, random);
            tensors.Add("op.decay", {width}, 4, random);
            tensors.Add("op.out_proj.weight", {channels, width}, Fan(width), random);
            StateLayout layout;
            auto op = LiquidScan::Load(*tensors.Load(), "op", channels, width, layout);
            return Wrap(std::move(*op), layout);
          },
          [](const auto& tensors, const auto& dt, const auto& x) {
            return reference::LiquidScan(tensors, dt, x);
          }};
}

Case CfcCase(size_t channels, size_t units, size_t hidden) {
  return {"Cfc_C" + std::to_string(channels) + "_N" + std::to_string(units), channels,
          [=](TensorSet& tensors) {
            Random random(channels * 41 + units);
            const auto layer = [&](const std::string& name, size_t outputs, size_t inputs) {
              tensors.Add("op." + name + ".weight", {outputs, inputs}, Fan(inputs), random);
              tensors.Add("op." + name + ".bias", {outputs}, 0.5, random);
            };
            layer("backbone", hidden, channels + units);
            for (const char* name : {"ff1", "ff2", "time_a", "time_b"}) layer(name, units, hidden);
            tensors.Add("op.out_proj.weight", {channels, units}, Fan(units), random);
            StateLayout layout;
            auto op = Cfc::Load(*tensors.Load(), "op", channels, units, hidden, layout);
            return Wrap(std::move(*op), layout);
          },
          [](const auto& tensors, const auto& dt, const auto& x) {
            return reference::Cfc(tensors, dt, x);
          }};
}

Case AttentionCase(size_t channels, reference::AttentionShape shape,
                   MatrixForm form = MatrixForm::kPacked) {
  const std::string kind =
      shape.window == 0 ? "Full"
                        : "W" + std::to_string(shape.window) + "S" + std::to_string(shape.sinks);
  return {"Attention_C" + std::to_string(channels) + "_A" + std::to_string(shape.heads) + "G" +
              std::to_string(shape.kv_heads) + "_" + kind,
          channels,
          [=](TensorSet& tensors) {
            Random random(channels * 43 + shape.window);
            const size_t q = shape.heads * shape.head_width, kv = shape.kv_heads * shape.head_width;
            tensors.Add("op.q_proj.weight", {q, channels}, Fan(channels), random);
            tensors.Add("op.k_proj.weight", {kv, channels}, Fan(channels), random);
            tensors.Add("op.v_proj.weight", {kv, channels}, Fan(channels), random);
            tensors.Add("op.out_proj.weight", {channels, q}, Fan(q), random);
            tensors.Add("op.q_norm.weight", {shape.head_width}, 1.5, random);
            tensors.Add("op.k_norm.weight", {shape.head_width}, 1.5, random);
            AttentionConfig config;
            config.heads = shape.heads;
            config.kv_heads = shape.kv_heads;
            config.head_width = shape.head_width;
            config.window = shape.window;
            config.sinks = shape.sinks;
            config.capacity = 2 * kLongestBlock;
            config.rope_base = shape.rope_base;
            config.norm_epsilon = static_cast<float>(shape.epsilon);
            config.precision = CachePrecision::kFloat32;
            config.form = form;
            config.rope_pairs = shape.rope_pairs;
            AttentionNames names = AttentionNames::Under("op");
            if (shape.gates > 0) {
              tensors.Add("op.gate.weight", {shape.gates, channels}, Fan(channels), random);
              names.gate = "op.gate";
            }
            StateLayout layout;
            auto op = Attention::Load(*tensors.Load(), "op", names, channels, config, layout);
            return Wrap(std::move(*op), layout);
          },
          [=](const auto& tensors, const auto&, const auto& x) {
            return reference::Attention(tensors, shape, x);
          }};
}

// The same with matrices that stay in the file.
Case Mapped(Case of, TensorType type, float tolerance) {
  of.name += "_Mapped_" + std::string(InfoOf(static_cast<uint32_t>(type))->name);
  of.type = type;
  of.tolerance = tolerance;
  return of;
}

// The same with matrices that stay 8-bit in memory: all widths are whole blocks of 32.
Case Q8(Case of) {
  of.name += "_Q8_0";
  of.type = TensorType::kQ8_0;
  return of;
}

const Case kCases[] = {
    ShortConvCase(1, 2),
    ShortConvCase(7, 3),
    ShortConvCase(16, 4),
    ShortConvCase(65, 7),
    LiquidScanCase(1, 1),
    LiquidScanCase(7, 3),
    LiquidScanCase(16, 16),
    LiquidScanCase(33, 65),
    CfcCase(1, 1, 1),
    CfcCase(7, 5, 3),
    CfcCase(16, 33, 17),
    AttentionCase(7, {2, 1, 4, 0, 0, 100, 1e-5}),
    AttentionCase(16, {4, 2, 6, 9, 0, 1e4, 1e-5}),
    AttentionCase(16, {4, 4, 8, 5, 3, 1e4, 1e-5}),
    AttentionCase(33, {3, 1, 16, 16, 4, 1e6, 1e-5}),
    AttentionCase(16, {4, 2, 8, 0, 0, 1e4, 1e-5, 2, 4}),
    AttentionCase(16, {4, 2, 8, 5, 0, 1e4, 1e-5, 4, 32}),
    Mapped(ShortConvCase(7, 3, MatrixForm::kMapped), TensorType::kF32, kTolerance),
    Mapped(ShortConvCase(32, 3, MatrixForm::kMapped), TensorType::kBF16, 0.05f),
    Mapped(ShortConvCase(64, 3, MatrixForm::kMapped), TensorType::kQ8_0, 0.05f),
    Mapped(AttentionCase(32, {4, 2, 16, 9, 3, 1e4, 1e-5}, MatrixForm::kMapped), TensorType::kQ8_0,
           0.05f),
    Q8(ShortConvCase(32, 3)),
    Q8(LiquidScanCase(64, 96)),
    Q8(CfcCase(32, 64, 32)),
    Q8(AttentionCase(64, {4, 2, 16, 9, 3, 1e4, 1e-5})),
};

class Contract : public ::testing::TestWithParam<Case> {
 protected:
  Contract()
      : tensors_(GetParam().type), op_(GetParam().make(tensors_)), scratch_(op_.scratch_floats) {}

  std::vector<float> Steps(const Block& block, Lane lane, size_t first, size_t count) {
    std::vector<float> y(count * block.channels);
    for (size_t t = 0; t < count; ++t)
      op_.step(block.view()[first + t], block.dt[first + t], lane, scratch_,
               std::span(y).subspan(t * block.channels, block.channels));
    return y;
  }
  std::vector<float> Runs(const Block& block, Lane lane, size_t first, size_t count) {
    std::vector<float> y(count * block.channels);
    const Sequence sequence{lane, count};
    op_.run({block.view().Rows(first, count),
             std::span(block.dt).subspan(first, count),
             {&sequence, 1}},
            scratch_, {y.data(), count, block.channels});
    return y;
  }

  TensorSet tensors_;
  AnyOperator op_;
  Scratch scratch_;
};

TEST_P(Contract, AnyChunkingEqualsStepsBitForBit) {
  const Block block(130, GetParam().channels, 1);
  constexpr size_t kWarm = 11;  // starts every comparison from a state that is not zero
  State stepped(op_.layout);
  Steps(block, stepped.lane(0), 0, kWarm);
  const State warm = stepped;
  const std::vector<float> want = Steps(block, stepped.lane(0), kWarm, block.rows - kWarm);
  for (const size_t chunk : {1, 2, 3, 7, 16, 33, 64, 119}) {
    State chunked = warm;
    std::vector<float> got;
    for (size_t t = kWarm; t < block.rows; t += chunk) {
      const auto part = Runs(block, chunked.lane(0), t, std::min(chunk, block.rows - t));
      got.insert(got.end(), part.begin(), part.end());
    }
    ASSERT_EQ(got, want) << "chunk " << chunk;
    ASSERT_EQ(chunked, stepped) << "chunk " << chunk;
  }
}

TEST_P(Contract, ABatchEqualsEachStreamAlone) {
  const size_t channels = GetParam().channels;
  const size_t rows[] = {5, 1, 0, 13, 2, 1, 1, 30};  // 53 in all
  const Block block(53, channels, 2), past(40, channels, 3);
  State together(op_.layout, std::size(rows)), alone(op_.layout, std::size(rows));
  std::vector<Sequence> batch;
  std::vector<float> want;
  size_t first = 0;
  for (size_t i = 0; i < std::size(rows); ++i) {
    Steps(past, together.lane(i), 0, 4 * i);
    Steps(past, alone.lane(i), 0, 4 * i);
    batch.push_back({together.lane(i), rows[i]});
    const auto part = Runs(block, alone.lane(i), first, rows[i]);
    want.insert(want.end(), part.begin(), part.end());
    first += rows[i];
  }
  std::vector<float> got(want.size());
  op_.run({block.view(), block.dt, batch}, scratch_, {got.data(), block.rows, channels});
  EXPECT_EQ(got, want);
  EXPECT_EQ(together, alone);
}

TEST_P(Contract, AForkGoesOnLikeTheOriginal) {
  const Block block(60, GetParam().channels, 4);
  State state(op_.layout);
  Runs(block, state.lane(0), 0, 23);
  State fork = state;
  Runs(block, fork.lane(0), 30, 7);  // what a fork does must not show in the original
  fork = state;
  EXPECT_EQ(Runs(block, fork.lane(0), 23, 37), Runs(block, state.lane(0), 23, 37));
  EXPECT_EQ(fork, state);
}

TEST_P(Contract, RunsInPlace) {
  const Block block(37, GetParam().channels, 5);
  State state(op_.layout), other(op_.layout);
  const std::vector<float> want = Runs(block, state.lane(0), 0, block.rows);
  std::vector<float> inout = block.x;
  const Sequence sequence{other.lane(0), block.rows};
  const View<float> view{inout.data(), block.rows, block.channels};
  op_.run({view, block.dt, {&sequence, 1}}, scratch_, view);
  EXPECT_EQ(inout, want);
  EXPECT_EQ(state, other);
}

TEST_P(Contract, AllocatesNothing) {
  const Block block(20, GetParam().channels, 6);
  State state(op_.layout);
  std::vector<float> y(block.x.size());
  const Sequence sequence{state.lane(0), block.rows};
  const size_t before = Allocations();
  op_.run({block.view(), block.dt, {&sequence, 1}}, scratch_,
          {y.data(), block.rows, block.channels});
  op_.step(block.view()[0], 1.0f, state.lane(0), scratch_, std::span(y).first(block.channels));
  EXPECT_EQ(Allocations(), before);
}

TEST_P(Contract, AgreesWithTheReference) {
  const Block block(100, GetParam().channels, 7);
  State state(op_.layout);
  const std::vector<float> got = Runs(block, state.lane(0), 0, block.rows);
  const auto want = GetParam().expect(tensors_.values(), block.dt, block.Doubles());
  for (size_t t = 0; t < block.rows; ++t)
    for (size_t c = 0; c < block.channels; ++c)
      ASSERT_NEAR(got[t * block.channels + c], want[t][c], GetParam().tolerance)
          << "frame " << t << " channel " << c;
}

INSTANTIATE_TEST_SUITE_P(Operators, Contract, ::testing::ValuesIn(kCases),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace rill::testing

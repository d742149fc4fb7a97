// Every operator at the sizes of the shipped sensor model: a step, and a block of many rows.
#include <cmath>

#include <benchmark/benchmark.h>

#include "operators/attention.h"
#include "operators/cfc.h"
#include "operators/liquid_scan.h"
#include "operators/short_conv.h"
#include "tests/operators/contract.h"
#include "tests/support/allocations.h"

namespace rill::testing {
namespace {

constexpr size_t kWidth = 128, kTaps = 3, kUnits = 64, kHeads = 4, kKeyHeads = 1, kHeadWidth = 32,
                 kWindow = 32;

using Shape = std::vector<uint64_t>;

void AddTensors(TensorSet& tensors, std::initializer_list<std::pair<const char*, Shape>> list) {
  Random random(1);
  for (const auto& [name, shape] : list)
    tensors.Add(std::string("op.") + name, shape,
                shape.size() > 1 ? 1.5 / std::sqrt(static_cast<double>(shape[1])) : 1, random);
}

AnyOperator MakeShortConv() {
  TensorSet tensors;
  AddTensors(tensors, {{"in_proj.weight", {3 * kWidth, kWidth}},
                       {"conv.weight", {kWidth, kTaps}},
                       {"out_proj.weight", {kWidth, kWidth}}});
  StateLayout layout;
  return Wrap(*ShortConv::Load(*tensors.Load(), "op", kWidth, kTaps, layout), layout);
}

AnyOperator MakeLiquidScan() {
  TensorSet tensors;
  AddTensors(tensors, {{"in_proj.weight", {4 * kWidth, kWidth}},
                       {"in_proj.bias", {4 * kWidth}},
                       {"decay", {kWidth}},
                       {"out_proj.weight", {kWidth, kWidth}}});
  StateLayout layout;
  return Wrap(*LiquidScan::Load(*tensors.Load(), "op", kWidth, kWidth, layout), layout);
}

AnyOperator MakeCfc() {
  TensorSet tensors;
  AddTensors(tensors, {{"backbone.weight", {kWidth, kWidth + kUnits}},
                       {"backbone.bias", {kWidth}},
                       {"out_proj.weight", {kWidth, kUnits}}});
  for (const char* name : {"ff1", "ff2", "time_a", "time_b"}) {
    const std::string weight = std::string(name) + ".weight", bias = std::string(name) + ".bias";
    AddTensors(tensors, {{weight.c_str(), {kUnits, kWidth}}, {bias.c_str(), {kUnits}}});
  }
  StateLayout layout;
  return Wrap(*Cfc::Load(*tensors.Load(), "op", kWidth, kUnits, kWidth, layout), layout);
}

AnyOperator MakeAttention() {
  TensorSet tensors;
  AddTensors(tensors, {{"q_proj.weight", {kHeads * kHeadWidth, kWidth}},
                       {"k_proj.weight", {kKeyHeads * kHeadWidth, kWidth}},
                       {"v_proj.weight", {kKeyHeads * kHeadWidth, kWidth}},
                       {"out_proj.weight", {kWidth, kHeads * kHeadWidth}},
                       {"q_norm.weight", {kHeadWidth}},
                       {"k_norm.weight", {kHeadWidth}}});
  AttentionConfig config;
  config.heads = kHeads;
  config.kv_heads = kKeyHeads;
  config.head_width = kHeadWidth;
  config.window = kWindow;
  StateLayout layout;
  return Wrap(*Attention::Load(*tensors.Load(), "op", kWidth, config, layout), layout);
}

void Report(benchmark::State& state, const AnyOperator& op, size_t allocations, size_t rows) {
  state.counters["allocations"] =
      static_cast<double>(allocations) / static_cast<double>(state.iterations());
  state.counters["state_bytes"] = static_cast<double>(op.layout.bytes());
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(rows));  // frames
}

void Step(benchmark::State& state, AnyOperator (*make)()) {
  const AnyOperator op = make();
  State lanes(op.layout);
  Scratch scratch(op.scratch_floats);
  const Block block(1, kWidth, 2);
  std::vector<float> y(kWidth);
  const size_t before = Allocations();
  for (auto _ : state) {
    op.step(block.x, block.dt[0], lanes.lane(0), scratch, y);
    benchmark::DoNotOptimize(y.data());
  }
  Report(state, op, Allocations() - before, 1);
}

void Run(benchmark::State& state, AnyOperator (*make)()) {
  const AnyOperator op = make();
  const size_t rows = static_cast<size_t>(state.range(0));
  State lanes(op.layout);
  Scratch scratch(op.scratch_floats);
  const Block block(rows, kWidth, 3);
  std::vector<float> y(rows * kWidth);
  const std::vector<Sequence> batch = {{lanes.lane(0), rows}};
  const size_t before = Allocations();
  for (auto _ : state) {
    op.run({block.view(), block.dt, batch}, scratch, {y.data(), rows, kWidth});
    benchmark::DoNotOptimize(y.data());
  }
  Report(state, op, Allocations() - before, rows);
}

BENCHMARK_CAPTURE(Step, short_conv, MakeShortConv);
BENCHMARK_CAPTURE(Step, liquid_scan, MakeLiquidScan);
BENCHMARK_CAPTURE(Step, cfc, MakeCfc);
BENCHMARK_CAPTURE(Step, attention, MakeAttention);
BENCHMARK_CAPTURE(Run, short_conv, MakeShortConv)->Arg(16)->Arg(128);
BENCHMARK_CAPTURE(Run, liquid_scan, MakeLiquidScan)->Arg(16)->Arg(128);
BENCHMARK_CAPTURE(Run, cfc, MakeCfc)->Arg(16)->Arg(128);
BENCHMARK_CAPTURE(Run, attention, MakeAttention)->Arg(16)->Arg(128);

}  // namespace
}  // namespace rill::testing

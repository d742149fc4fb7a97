// Every operator at the sizes of the shipped sensor model: a step, and a block of many rows; and
// the matrix products of a speech model, whose weights are too many for a core's caches.
#include <cmath>

#include <benchmark/benchmark.h>

#include "operators/attention.h"
#include "operators/cfc.h"
#include "operators/core/mapped_matrix.h"
#include "operators/core/quantize.h"
#include "operators/linear.h"
#include "operators/liquid_scan.h"
#include "operators/short_conv.h"
#include "tests/operators/contract.h"
#include "tests/support/allocations.h"

namespace rill::testing {
namespace {

constexpr size_t kWidth = 128, kTaps = 3, kUnits = 64, kHeads = 4, kKeyHeads = 1, kHeadWidth = 32,
                 kWindow = 32;

double Fan(size_t inputs) { return 1.5 / std::sqrt(static_cast<double>(inputs)); }

using Shape = std::vector<uint64_t>;

void AddTensors(TensorSet& tensors, std::initializer_list<std::pair<const char*, Shape>> list) {
  Random random(1);
  for (const auto& [name, shape] : list)
    tensors.Add(std::string("op.") + name, shape, shape.size() > 1 ? Fan(shape[1]) : 1, random);
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
  return Wrap(
      *Attention::Load(*tensors.Load(), "op", AttentionNames::Under("op"), kWidth, config, layout),
      layout);
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

// Products of [704, 256] and [256, 704] in turn, 20 of each: as many weights as a model of 7 M
// parameters, 29 MB in float32 and 8 MB in Q8_0, so that none stays in the first two caches.
void Product(benchmark::State& state, TensorType type) {
  constexpr size_t kPairs = 20, kNarrow = 256, kWide = 704;
  const size_t rows = static_cast<size_t>(state.range(0));
  std::vector<Linear> up, down;
  Random random(4);
  for (size_t i = 0; i < kPairs; ++i) {
    TensorSet tensors(type);
    tensors.Add("up.weight", {kWide, kNarrow}, Fan(kNarrow), random);
    tensors.Add("down.weight", {kNarrow, kWide}, Fan(kWide), random);
    const auto weights = tensors.Load();
    up.push_back(*Linear::Load(*weights, "up", kWide, kNarrow));
    down.push_back(*Linear::Load(*weights, "down", kNarrow, kWide));
  }
  std::vector<float> narrow = random.Floats(rows * kNarrow), wide(rows * kWide);
  for (auto _ : state) {
    for (size_t i = 0; i < kPairs; ++i) {
      up[i].Run({narrow.data(), rows, kNarrow}, {wide.data(), rows, kWide});
      down[i].Run({wide.data(), rows, kWide}, {narrow.data(), rows, kNarrow});
      benchmark::DoNotOptimize(narrow.data());
      std::fill(narrow.begin(), narrow.end(), 0.25f);  // keeps the values from growing
    }
  }
  const double products = static_cast<double>(state.iterations()) * 2 * kPairs;
  const double weight_bytes = type == TensorType::kQ8_0 ? 1.125 : 4;
  using benchmark::Counter;
  state.counters["products"] = Counter(products, Counter::kIsRate);
  state.counters["s/product"] = Counter(products, Counter::kIsRate | Counter::kInvert);
  state.counters["weight_bytes"] =
      Counter(products * kNarrow * kWide * weight_bytes, Counter::kIsRate);
}

// Products of matrices [8192, 2048] that stay in their file's form, six in turn, so that in Q4_0 57
// MB of weights come by, on one thread: operations, two a weight and a row, a second.
void MappedProduct(benchmark::State& state, TensorType type) {
  constexpr size_t kMatrices = 6, kInputs = 2048, kOutputs = 8192, kTile = 64;
  const size_t rows = static_cast<size_t>(state.range(0));
  Random random(5);
  const TensorTypeInfo info = *InfoOf(static_cast<uint32_t>(type));
  std::vector<std::byte> tile(kTile * kInputs / info.block_elements * info.block_bytes);
  FromFloat(type, random.Floats(kTile * kInputs), tile);
  std::vector<std::byte> file;
  for (size_t i = 0; i < kMatrices * kOutputs / kTile; ++i)
    file.insert(file.end(), tile.begin(), tile.end());
  const size_t bytes = file.size() / kMatrices;
  std::vector<MappedMatrix> matrices;
  for (size_t i = 0; i < kMatrices; ++i)
    matrices.emplace_back(type, std::span(file).subspan(i * bytes, bytes), kOutputs, kInputs);
  const std::vector<float> x = random.Floats(rows * kInputs);
  std::vector<float> y(rows * kOutputs);
  Scratch scratch(matrices[0].ScratchFloats(rows, 1));
  for (auto _ : state)
    for (const MappedMatrix& w : matrices) {
      Multiply(w, {x.data(), rows, kInputs}, scratch, {y.data(), rows, kOutputs});
      benchmark::DoNotOptimize(y.data());
    }
  state.counters["operations"] = benchmark::Counter(
      2.0 * static_cast<double>(state.iterations() * kMatrices * rows) * kInputs * kOutputs,
      benchmark::Counter::kIsRate);
}

BENCHMARK_CAPTURE(Product, f32, TensorType::kF32)->Arg(1)->Arg(4)->Arg(32);
BENCHMARK_CAPTURE(Product, q8_0, TensorType::kQ8_0)->Arg(1)->Arg(4)->Arg(32);
BENCHMARK_CAPTURE(MappedProduct, q4_0, TensorType::kQ4_0)->Arg(1)->Arg(4)->Arg(16)->Arg(256);
BENCHMARK_CAPTURE(MappedProduct, q8_0, TensorType::kQ8_0)->Arg(1)->Arg(4)->Arg(16)->Arg(256);
BENCHMARK_CAPTURE(MappedProduct, q4_k, TensorType::kQ4_K)->Arg(1)->Arg(4)->Arg(16)->Arg(256);
BENCHMARK_CAPTURE(MappedProduct, q6_k, TensorType::kQ6_K)->Arg(1)->Arg(4)->Arg(16)->Arg(256);
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

// A stream over a model file: the backbone alone, a session row by row, a forecast.
//
//   RILL_BENCH_MODEL=sensor-forecast bin/rill_bench --benchmark_repetitions=5
#include <cstdlib>
#include <random>

#include <benchmark/benchmark.h>

#include "pipeline/session.h"
#include "tests/support/allocations.h"

namespace rill {
namespace {

constexpr int64_t kHourNs = 3'600'000'000'000;

std::shared_ptr<const Model> BenchedModel() {
  const char* given = std::getenv("RILL_BENCH_MODEL");
  const Result<std::string> path =
      FindModel(given != nullptr ? given : RILL_SOURCE_DIR "/tests/goldens/sensor_model.gguf");
  if (!path) return nullptr;
  const Result<std::shared_ptr<const Model>> model = Model::Shared(*path);
  return model ? *model : nullptr;
}

std::vector<double> RandomRow(size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> row(count);
  for (double& value : row) value = normal(random);
  return row;
}

// One frame of as many lanes as the argument says, through every block.
void BackboneStep(benchmark::State& state) {
  const std::shared_ptr<const Model> model = BenchedModel();
  if (model == nullptr) return state.SkipWithError("the model cannot be loaded");
  const size_t lanes = static_cast<size_t>(state.range(0));
  BackboneStage stage(model, lanes);
  FrameBlock block(lanes, model->backbone().width());
  const std::vector<double> values = RandomRow(block.values.size(), 1);
  const size_t before = testing::Allocations();
  for (auto _ : state) {
    block.values.assign(values.begin(), values.end());
    if (!stage.Run(block)) return state.SkipWithError("the backbone refused a frame");
    benchmark::DoNotOptimize(block.values.data());
  }
  state.counters["allocations"] = static_cast<double>(testing::Allocations() - before) /
                                  static_cast<double>(state.iterations());
  state.counters["state_bytes_a_lane"] = static_cast<double>(model->backbone().layout().bytes());
  state.SetItemsProcessed(state.iterations() * state.range(0));  // frames
}
BENCHMARK(BackboneStep)->Arg(1)->Arg(8)->Arg(64)->Arg(1024)->Unit(benchmark::kMicrosecond);

// One row of as many channels as the argument says, frames included as they become due.
void SessionPush(benchmark::State& state) {
  const std::shared_ptr<const Model> model = BenchedModel();
  if (model == nullptr) return state.SkipWithError("the model cannot be loaded");
  const size_t channels = static_cast<size_t>(state.range(0));
  Result<Session> session = Session::Open(model, {.channels = channels});
  if (!session) return state.SkipWithError(session.error().message.c_str());
  const std::vector<double> row = RandomRow(2 * channels, 2);
  int64_t t = 0;
  const size_t before = testing::Allocations();
  for (auto _ : state) {
    const auto values = std::span(row).subspan(t % 2 == 0 ? 0 : channels, channels);
    if (!session->Push(t++ * kHourNs, values)) return state.SkipWithError("a row was refused");
  }
  state.counters["allocations"] = static_cast<double>(testing::Allocations() - before) /
                                  static_cast<double>(state.iterations());
  state.counters["state_bytes"] = static_cast<double>(session->state_bytes());
  state.SetItemsProcessed(state.iterations() * state.range(0));  // samples
}
BENCHMARK(SessionPush)->Arg(1)->Arg(8)->Arg(64)->Arg(1024);

// A forecast asked for in the middle of a frame.
void SessionForecast(benchmark::State& state) {
  const std::shared_ptr<const Model> model = BenchedModel();
  if (model == nullptr) return state.SkipWithError("the model cannot be loaded");
  Result<Session> session = Session::Open(model, {.channels = 1});
  if (!session) return state.SkipWithError(session.error().message.c_str());
  const std::vector<double> values = RandomRow(101, 3);
  for (size_t t = 0; t < values.size(); ++t)
    if (!session->Push(static_cast<int64_t>(t) * kHourNs, {&values[t], 1}))
      return state.SkipWithError("a row was refused");
  for (auto _ : state) {
    const Result<Forecast> forecast = session->Peek(model->forecast()->horizon());
    benchmark::DoNotOptimize(forecast);
  }
}
BENCHMARK(SessionForecast)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace rill

BENCHMARK_MAIN();

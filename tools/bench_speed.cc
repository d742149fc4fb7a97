// What a stream costs: time a sample, bytes of state, memory and allocations over a long stream.
//
// All on one thread, in its CPU time. A sample is one value of one channel. Samples are a daily
// wave with noise, one an hour. Costs are the median of kRounds rounds, and the fastest.
#include <algorithm>
#include <cmath>
#include <ctime>
#include <fstream>
#include <numbers>
#include <random>

#include <malloc.h>
#include <unistd.h>

#include "pipeline/clock.h"
#include "pipeline/session.h"
#include "tools/bench.h"

namespace rill {
namespace {

constexpr int64_t kHourNs = 3600 * kNanosecondsPerSecond;
constexpr size_t kRounds = 5;
constexpr size_t kManyChannels = 1024;

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

uint64_t HeapBytes() { return mallinfo2().uordblks; }

// Rows that repeat after a prime number of hours, made beforehand so that only the stream is timed.
class Rows {
 public:
  explicit Rows(size_t channels) : channels_(channels), values_(kCycle * channels) {
    std::mt19937_64 random(1);
    for (size_t i = 0; i < values_.size(); ++i) {
      const double hour = static_cast<double>(i / channels);
      const double noise = static_cast<double>(random() >> 11) * 0x1p-53;
      values_[i] = 20 + 5 * std::sin(2 * std::numbers::pi * hour / 24) + noise;
    }
  }
  std::span<const double> at(size_t t) const {
    return std::span(values_).subspan(t % kCycle * channels_, channels_);
  }

 private:
  static constexpr size_t kCycle = 509;
  size_t channels_;
  std::vector<double> values_;
};

struct Cost {
  double median_ns = 0, fastest_ns = 0;  // a sample
  size_t rows = 0;                       // of a round
};

// Pushes `rows` rows a round, going on with the same stream.
Result<Cost> TimeStream(Session& session, const Rows& rows, size_t channels, size_t count,
                        size_t& t) {
  std::vector<double> rounds;
  for (size_t round = 0; round < kRounds; ++round) {
    const double start = Seconds();
    for (size_t i = 0; i < count; ++i, ++t)
      if (Result<void> ok = session.Push(static_cast<int64_t>(t) * kHourNs, rows.at(t)); !ok)
        return ok.error();
    rounds.push_back((Seconds() - start) * 1e9 / static_cast<double>(count * channels));
  }
  std::sort(rounds.begin(), rounds.end());
  return Cost{rounds[kRounds / 2], rounds[0], count};
}

// Nanoseconds of a forecast asked for at any time.
Result<double> TimeForecast(Session& session, size_t horizon) {
  constexpr size_t kForecasts = 200;
  const double start = Seconds();
  for (size_t i = 0; i < kForecasts; ++i) {
    const Result<Forecast> forecast = session.Peek(horizon);
    if (!forecast) return forecast.error();
  }
  return (Seconds() - start) * 1e9 / static_cast<double>(kForecasts);
}

}  // namespace

uint64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t pages = 0, resident = 0;
  statm >> pages >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

Result<BenchReport> BenchSpeed(const BenchOptions& options) {
  const Result<std::shared_ptr<const Model>> model = BenchModel(options, 1);
  if (!model) return model.error();
  const size_t patch = (*model)->sensor()->config().patch;

  Result<Session> one = Session::Open(*model, {.channels = 1});
  if (!one) return one.error();
  Result<Session> two = Session::Open(*model, {.channels = 2});
  if (!two) return two.error();
  const Rows single(1);
  size_t t = 0;
  const Result<Cost> alone = TimeStream(*one, single, 1, 500 * patch, t);
  if (!alone) return alone.error();
  const Result<double> forecast_ns = TimeForecast(*one, (*model)->forecast()->horizon());
  if (!forecast_ns) return forecast_ns.error();

  // A long stream: neither memory nor time may grow.
  const uint64_t resident = ResidentBytes(), heap = HeapBytes();
  const double start = Seconds();
  double first_tenth = 0;
  size_t done = 0;
  Progress progress("streaming", options.samples);
  for (; done < options.samples && !Interrupted(); ++done, ++t) {
    if (Result<void> ok = one->Push(static_cast<int64_t>(t) * kHourNs, single.at(t)); !ok)
      return ok.error();
    if (done == options.samples / 10) first_tenth = Seconds() - start;
    if (done % 4096 == 0) progress.Update(done);
  }
  const double seconds = Seconds() - start;
  const int64_t resident_growth = static_cast<int64_t>(ResidentBytes() - resident);
  const int64_t heap_growth = static_cast<int64_t>(HeapBytes() - heap);

  Result<Session> many = Session::Open(*model, {.channels = kManyChannels});
  if (!many) return many.error();
  const Rows wide(kManyChannels);
  size_t wide_t = 0;
  const Result<Cost> together = TimeStream(*many, wide, kManyChannels, 2 * patch, wide_t);
  if (!together) return together.error();

  const size_t channel_bytes = two->state_bytes() - one->state_bytes();
  const double samples_per_s = 1e9 / together->median_ns;
  BenchReport report{{}, TextTable({"", "value"}), true};
  report.json = {
      {"task", "speed"},
      {"model", (*model)->name()},
      {"fingerprint", (*model)->space()},
      {"parameters", (*model)->parameters()},
      {"vector_target", VectorTarget()},
      {"threads", 1},
      {"one_channel", {{"ns_per_sample", alone->median_ns}, {"fastest_ns", alone->fastest_ns}}},
      {"forecast_ns", *forecast_ns},
      {"channels_together",
       {{"channels", kManyChannels},
        {"ns_per_sample", together->median_ns},
        {"fastest_ns", together->fastest_ns},
        {"samples_per_second", samples_per_s}}},
      {"state_bytes_per_channel", channel_bytes},
      {"long_stream",
       {{"samples", done},
        {"seconds", seconds},
        {"first_tenth_seconds", first_tenth},
        {"resident_bytes_before", resident},
        {"resident_bytes_growth", resident_growth},
        {"heap_bytes_growth", heap_growth}}}};
  report.table.Add({"one channel, ns a sample", Fixed(alone->median_ns, 0)});
  report.table.Add({"a forecast of one channel, us", Fixed(*forecast_ns / 1e3, 1)});
  report.table.Add({"1,024 channels together, ns a sample", Fixed(together->median_ns, 0)});
  report.table.Add({"  samples a second", Grouped(static_cast<uint64_t>(samples_per_s))});
  report.table.Add({"state a channel, bytes", Grouped(channel_bytes)});
  report.table.Add({"samples of the long stream", Grouped(done)});
  report.table.Add({"  growth of resident memory, bytes", std::to_string(resident_growth)});
  report.table.Add({"  growth of the heap, bytes", std::to_string(heap_growth)});
  return report;
}

}  // namespace rill

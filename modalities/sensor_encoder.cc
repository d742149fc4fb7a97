#include "modalities/sensor_encoder.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstdio>
#include <limits>

namespace rill {
namespace {

// Slots in which NaN is a missing value.
constexpr std::string_view kValuesName = "sensor.values", kPendingName = "sensor.pending";

Error BeyondBounds(size_t channel, double value) {
  const std::string subject = "channel " + std::to_string(channel) + " is ";
  if (std::isinf(value)) return Error{subject + "infinite"};
  char numbers[96];
  std::snprintf(numbers, sizeof numbers, "%g, beyond the %g that a float32 forecast can follow",
                value, SensorEncoder::kMostMagnitude);
  return Error{subject + numbers};
}

Result<void> CheckInterval(int64_t last_ns, int64_t time_ns) {
  int64_t interval_ns = 0;
  const bool overflow = __builtin_sub_overflow(time_ns, last_ns, &interval_ns);
  if (overflow || interval_ns == std::numeric_limits<int64_t>::min())
    return Error{"a row's time is more than 292 years " +
                 std::string(time_ns > last_ns ? "after" : "before") +
                 " that of the row before it"};
  if (interval_ns <= 0)
    return Error{"a row's time is " + std::to_string(-interval_ns) +
                 " ns before or at that of the row before it"};
  return {};
}

}  // namespace

Result<SensorEncoder> SensorEncoder::Load(const Weights& weights, size_t width) {
  SeriesConfig config;
  const Result<int64_t> patch = weights.Integer("rill.sensor.patch", 1, kMostPatch);
  if (!patch) return patch.error();
  config.patch = static_cast<size_t>(*patch);
  const std::pair<const char*, double*> numbers[] = {{"rill.sensor.memory", &config.memory},
                                                     {"rill.sensor.clip", &config.clip},
                                                     {"rill.sensor.outlier", &config.outlier}};
  for (const auto& [key, to] : numbers) {
    const Result<double> number = weights.Number(key, 1e-3, 1e9);
    if (!number) return number.error();
    *to = *number;
  }
  Result<Linear> embed =
      Linear::Load(weights, "sensor.embed", width, SeriesFeatures(config.patch), Bias::kPresent);
  if (!embed) return embed.error();
  return SensorEncoder(config, std::move(*embed));
}

SensorEncoder::Stream::Stream(const SensorEncoder& encoder, size_t channels, StateLayout& layout)
    : encoder_(&encoder),
      sampling_(layout),
      values_(layout.Add(kValuesName, encoder.config_.patch * channels, ElementType::kFloat64)),
      pending_(layout.Add(kPendingName, channels, ElementType::kFloat64)),
      scales_(layout.Add("sensor.scales", 3 * channels, ElementType::kFloat64)),
      counters_(layout.Add("sensor.counters", 3, ElementType::kInt64)),
      times_(layout.Add("sensor.times", 2, ElementType::kFloat64)) {}

Result<void> SensorEncoder::Stream::Push(int64_t time_ns, std::span<const double> values,
                                         Lane lane) const {
  const std::span<int64_t> counters = lane.Integers(counters_);
  assert(counters[kPending] == 0);
  if (values.size() != channels())
    return Error{"a row has " + std::to_string(values.size()) + " values, the stream has " +
                 std::to_string(channels()) + " channels"};
  if (rows(lane) > 0)
    if (Result<void> ok = CheckInterval(last_ns(lane), time_ns); !ok) return ok;
  for (size_t c = 0; c < values.size(); ++c)
    if (std::fabs(values[c]) > kMostMagnitude) return BeyondBounds(c, values[c]);

  const Sampling::Step step = sampling_.Advance(time_ns, lane);
  const int64_t patch = static_cast<int64_t>(encoder_->config_.patch);
  const int64_t most = static_cast<int64_t>(kMostGapFrames) * patch;
  counters[kMissing] = std::min(step.missing, most);
  lane.Doubles(times_)[kInterval] =
      step.interval * static_cast<double>(step.missing + 1) /
      static_cast<double>(counters[kMissing] + 1);  // the same time over fewer slots
  std::copy(values.begin(), values.end(), lane.Doubles(pending_).begin());
  counters[kPending] = 1;
  return {};
}

bool SensorEncoder::Stream::Next(Lane lane, Scratch& scratch, SensorFrame& frame,
                                 View<float> embedding, std::span<SensorScale> scales) const {
  const std::span<int64_t> counters = lane.Integers(counters_);
  const size_t patch = encoder_->config_.patch;
  while (counters[kPending] != 0) {
    const size_t elapsed = static_cast<size_t>(counters[kElapsed]++);
    const std::span<double> slot = lane.Doubles(values_).subspan(elapsed * channels(), channels());
    lane.Doubles(times_)[kPatchTime] += lane.Doubles(times_)[kInterval];
    if (counters[kMissing] > 0) {
      --counters[kMissing];
      std::fill(slot.begin(), slot.end(), std::numeric_limits<double>::quiet_NaN());
    } else {
      const std::span<const double> row = lane.Doubles(pending_);
      std::copy(row.begin(), row.end(), slot.begin());
      counters[kPending] = 0;
    }
    if (elapsed + 1 == patch) {
      frame = Encode(lane, scratch, Keep::kYes, embedding, scales);
      counters[kElapsed] = 0;
      lane.Doubles(times_)[kPatchTime] = 0;
      return true;
    }
  }
  return false;
}

bool SensorEncoder::Stream::Peek(Lane lane, Scratch& scratch, SensorFrame& frame,
                                 View<float> embedding, std::span<SensorScale> scales) const {
  if (lane.Integers(counters_)[kElapsed] == 0) return false;
  frame = Encode(lane, scratch, Keep::kNo, embedding, scales);
  return true;
}

SensorFrame SensorEncoder::Stream::Encode(Lane lane, Scratch& scratch, Keep keep,
                                          View<float> embedding,
                                          std::span<SensorScale> scales) const {
  const SeriesConfig& config = encoder_->config_;
  const size_t elapsed = static_cast<size_t>(lane.Integers(counters_)[kElapsed]);
  const double time = lane.Doubles(times_)[kPatchTime];
  const std::span<const double> values = lane.Doubles(values_);
  const std::span<double> stored = lane.Doubles(scales_);
  Scratch::Frame work(scratch);
  const View<float> features = work.Take(channels(), SeriesFeatures(config.patch));
  std::array<double, kMostPatch> column;
  for (size_t c = 0; c < channels(); ++c) {
    for (size_t k = 0; k < elapsed; ++k) column[k] = values[k * channels() + c];
    const SeriesScale before{stored[3 * c], stored[3 * c + 1], stored[3 * c + 2]};
    const SeriesScale after = NormalisePatch(config, before, std::span(column).first(elapsed),
                                             time / static_cast<double>(elapsed), features[c]);
    scales[c] = {after.location, after.scale()};
    if (keep == Keep::kNo) continue;
    stored[3 * c] = after.weight;
    stored[3 * c + 1] = after.location;
    stored[3 * c + 2] = after.deviation;
  }
  encoder_->embed_.Run(features, embedding);
  return {elapsed, static_cast<float>(time / static_cast<double>(config.patch)), last_ns(lane),
          sampling_.usual_ns(lane)};
}

Result<void> SensorEncoder::Stream::Check(const StateLayout& layout, Lane lane) const {
  constexpr std::string_view kMayMiss[] = {kValuesName, kPendingName};
  const std::string slot = FindNonFinite(layout, lane, kMayMiss);
  if (!slot.empty()) return Error{"the state " + slot + " is not finite"};
  const std::span<const int64_t> counters = lane.Integers(counters_);
  if (counters[kElapsed] < 0 || counters[kElapsed] >= static_cast<int64_t>(encoder_->config_.patch))
    return Error{"the unfinished frame has " + std::to_string(counters[kElapsed]) + " slots of " +
                 std::to_string(encoder_->config_.patch)};
  if (counters[kMissing] != 0 || counters[kPending] != 0)
    return Error{"it was taken in the middle of a row"};
  if (!sampling_.IsSound(lane)) return Error{"a counter of the sampling is out of range"};
  const auto is_within = [](double x) { return !(std::fabs(x) > kMostMagnitude); };
  const auto is_duration = [](double x) { return x >= 0 && x < 1e18; };
  bool in_range = std::ranges::all_of(lane.Doubles(values_), is_within) &&
                  std::ranges::all_of(lane.Doubles(times_), is_duration);
  const std::span<const double> scales = lane.Doubles(scales_);
  for (size_t i = 0; i < scales.size(); i += 3)  // weight, location, deviation
    in_range = in_range && scales[i] >= 0 && is_within(scales[i + 1]) && scales[i + 2] >= 0;
  if (!in_range) return Error{"a number of the sensor encoder is out of range"};
  return {};
}

void SensorEncoder::Stream::Scales(Lane lane, std::span<SensorScale> scales) const {
  const std::span<const double> stored = lane.Doubles(scales_);
  for (size_t c = 0; c < channels(); ++c) {
    const SeriesScale scale{stored[3 * c], stored[3 * c + 1], stored[3 * c + 2]};
    scales[c] = {scale.location, scale.scale()};
  }
}

}  // namespace rill

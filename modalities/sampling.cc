#include "modalities/sampling.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>

namespace rill {
namespace {

constexpr double kNanoseconds = 1e9;
constexpr double kAlike = 0.05;  // relative difference below which two medians are the same rate

}  // namespace

int64_t Sampling::Median(Lane lane) const {
  const std::span<const float> ring = lane.Floats(intervals_);
  const size_t count = std::min(static_cast<size_t>(rows(lane) - 1), kIntervals);
  std::array<float, kIntervals> values;
  std::copy_n(ring.begin(), count, values.begin());
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>((count - 1) / 2);
  std::nth_element(values.begin(), middle, values.begin() + static_cast<std::ptrdiff_t>(count));
  constexpr double kMostNs = 4e18;  // below 2^62, 127 years
  const double ns = std::clamp(static_cast<double>(*middle) * kNanoseconds, 1.0, kMostNs);
  return std::llround(ns);
}

bool Sampling::IsSound(Lane lane) const {
  constexpr int64_t kMost = int64_t{1} << 62;  // of rows, and of nanoseconds that a median can be
  const std::span<const int64_t> counters = lane.Integers(counters_);
  for (const Counter counter : {kRows, kUsual, kCandidate, kAgreed})
    if (counters[counter] < 0 || counters[counter] > kMost) return false;
  return counters[kRows] < 2 || counters[kUsual] > 0;
}

Sampling::Step Sampling::Advance(int64_t time_ns, Lane lane) const {
  const std::span<int64_t> counters = lane.Integers(counters_);
  const int64_t row = counters[kRows]++;
  const int64_t interval_ns = time_ns - counters[kLast];
  counters[kLast] = time_ns;
  if (row == 0) return {};
  assert(interval_ns > 0);
  const size_t at = static_cast<size_t>(row - 1) % kIntervals;
  lane.Floats(intervals_)[at] = static_cast<float>(static_cast<double>(interval_ns) / kNanoseconds);

  const auto alike = [](int64_t a, int64_t b) {
    return std::fabs(static_cast<double>(a - b)) <= kAlike * static_cast<double>(std::max(a, b));
  };
  int64_t& usual = counters[kUsual];
  if (row <= static_cast<int64_t>(kIntervals)) {
    usual = Median(lane);
  } else if (row % 16 == 0) {  // the median moves slowly; looking at it now and then is enough
    const int64_t median = Median(lane);
    const bool steady = alike(median, counters[kCandidate]);
    counters[kAgreed] = steady ? counters[kAgreed] + 16 : 0;
    counters[kCandidate] = median;
    if (alike(median, usual) || counters[kAgreed] >= kAgreement) usual = median;
  }

  double& residual = lane.Doubles(residual_)[0];
  const double ratio = static_cast<double>(interval_ns) / static_cast<double>(usual);
  const double slots = std::clamp(std::round(ratio + residual), 1.0, 1e15);
  residual = std::clamp(ratio + residual - slots, -0.5, 0.5);
  return {static_cast<int64_t>(slots) - 1, ratio / slots};
}

}  // namespace rill

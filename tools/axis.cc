#include "tools/axis.h"

#include <array>
#include <cmath>
#include <ctime>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "pipeline/clock.h"

namespace rill {
namespace {

constexpr int64_t kMinute = 60, kHour = 3600, kDay = 86'400;
constexpr std::array<int64_t, 24> kSteps = {
    1,        2,           5,           10,           15,           30,
    kMinute,  2 * kMinute, 5 * kMinute, 10 * kMinute, 15 * kMinute, 30 * kMinute,
    kHour,    2 * kHour,   3 * kHour,   6 * kHour,    12 * kHour,   kDay,
    2 * kDay, 7 * kDay,    14 * kDay,   28 * kDay,    91 * kDay,    364 * kDay};

}  // namespace

std::vector<Tick> NumberTicks(double low, double high, size_t count) {
  if (!(high > low) || count == 0) return {{low, fmt::format("{:.6g}", low)}};
  const double rough = (high - low) / static_cast<double>(count);
  const double power = std::pow(10, std::floor(std::log10(rough)));
  const double lead = rough / power;
  const double step = power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
  const int decimals = std::max(0, static_cast<int>(-std::floor(std::log10(step) + 1e-9)));
  const bool wide = std::fmax(std::fabs(low), std::fabs(high)) >= 1e7 || decimals > 6;
  std::vector<Tick> ticks;
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; ++i) {
    const double value = i == 0 ? 0 : i * step;
    ticks.push_back(
        {value, wide ? fmt::format("{:.4g}", value) : fmt::format("{:.{}f}", value, decimals)});
  }
  return ticks;
}

std::vector<Tick> TimeTicks(int64_t first_ns, int64_t last_ns, size_t count) {
  const double seconds = static_cast<double>(last_ns - first_ns) / kNanosecondsPerSecond;
  int64_t step = kSteps.back();
  for (auto known = kSteps.rbegin(); known != kSteps.rend(); ++known)
    if (seconds / static_cast<double>(*known) <= static_cast<double>(count)) step = *known;
  const int64_t step_ns = step * kNanosecondsPerSecond;
  int64_t at_ns = first_ns / step_ns * step_ns;
  while (at_ns < first_ns) at_ns += step_ns;
  std::vector<Tick> ticks;
  for (; at_ns <= last_ns; at_ns += step_ns) {
    const std::time_t unix = static_cast<std::time_t>(at_ns / kNanosecondsPerSecond);
    const std::tm utc = fmt::gmtime(unix);
    const bool midnight = unix % kDay == 0;
    ticks.push_back({static_cast<double>(at_ns - first_ns),
                     step >= 91 * kDay ? fmt::format("{:%Y-%m-%d}", utc)
                     : midnight        ? fmt::format("{:%b} {}", utc, utc.tm_mday)
                     : step >= kMinute ? fmt::format("{:%H:%M}", utc)
                                       : fmt::format("{:%H:%M:%S}", utc)});
  }
  return ticks;
}

}  // namespace rill

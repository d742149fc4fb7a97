// The baseline of the public benchmarks: the last season again, with normal quantiles around it.
//
//   f[T + h] = y[T - m + (h mod m)],   h = 0 … H - 1
//   quantile q = f + z_q sigma sqrt(floor(h / m) + 1)
//
// y is the history with missing values filled forward; sigma the root mean square of
// y[t] - y[t - m] over its last kContext rows, as the published rows have it.
//
// Source: Hyndman & Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., 5.5.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace rill {

inline constexpr size_t kNaiveContext = 1000;  // rows; reproduces the published SQL of fev-bench

// The history must be longer than a season. Returns [horizon, levels].
std::vector<double> SeasonalNaive(std::span<const double> history, size_t season, size_t horizon,
                                  std::span<const float> levels);

// The inverse of the standard normal distribution function, for 0 < p < 1.
double NormalQuantile(double p);

}  // namespace rill

// Scores of quantile forecasts, as the public benchmarks define them.
//
//   seasonal error   e = mean |y[t] - y[t - m]| over the history before the cutoff
//   pinball loss     p_q(y, f) = max(q (y - f), (q - 1) (y - f))
//   SQL              mean over levels and steps of 2 p_q / e
//   MASE             mean over steps of |y - f_0.5| / e
//   WQL              mean over levels of  sum 2 p_q / sum |y|
//   coverage         share of steps whose value lies in [f_0.1, f_0.9]
//
// Missing values are left out of every mean. Scores are averaged over the steps of a target, then
// over targets, then over windows.
//
// Source: Shchur et al. 2025, fev-bench (SQL, MASE, WQL); Hyndman & Koehler 2006 (MASE).
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "pipeline/forecast.h"

namespace rill {

// NaN where no pair of values one season apart is there.
double SeasonalError(std::span<const double> history, size_t season);

struct Score {
  double sql = 0;
  double mase = 0;
  double wql = 0;
  double coverage = 0;  // of the central 80 %
};

// One target in one window; quantiles [steps, levels], ascending levels with 0.5 among them.
// Nothing where no value of `truth` is there or the seasonal error is not positive.
std::optional<Score> ScoreTarget(std::span<const double> truth, View<const double> quantiles,
                                 std::span<const float> levels, double seasonal_error);

// A level as it was meant: 0.1, not the float nearest to it.
double DecimalLevel(float level);

// The mean of each member; of none: NaN.
Score MeanScore(std::span<const Score> scores);

}  // namespace rill

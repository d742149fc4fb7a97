#include "tools/seasonal_naive.h"

#include <cassert>
#include <cmath>
#include <numbers>

#include "tools/metrics.h"

namespace rill {

double NormalQuantile(double p) {
  // Newton's method on the distribution function: it is concave above 0 and convex below, so that
  // from 0 every step stays on the near side of the root.
  double z = 0;
  for (int i = 0; i < 100; ++i) {
    const double miss = 0.5 * std::erfc(-z * std::numbers::sqrt2 / 2) - p;
    const double slope = std::exp(-z * z / 2) * std::numbers::inv_sqrtpi / std::numbers::sqrt2;
    const double step = miss / slope;
    z -= step;
    if (std::fabs(step) < 1e-15) break;
  }
  return z;
}

std::vector<double> SeasonalNaive(std::span<const double> history, size_t season, size_t horizon,
                                  std::span<const float> levels) {
  assert(history.size() > season);
  std::vector<double> filled(history.begin(), history.end());
  for (size_t t = 1; t < filled.size(); ++t)
    if (std::isnan(filled[t])) filled[t] = filled[t - 1];

  const size_t first = filled.size() > kNaiveContext ? filled.size() - kNaiveContext : 0;
  double squares = 0, count = 0;
  for (size_t t = first + season; t < filled.size(); ++t) {
    const double difference = filled[t] - filled[t - season];
    if (std::isnan(difference)) continue;
    squares += difference * difference;
    ++count;
  }
  const double sigma = count > 0 ? std::sqrt(squares / count) : 0;

  std::vector<double> quantiles;
  quantiles.reserve(horizon * levels.size());
  for (size_t h = 0; h < horizon; ++h) {
    const double middle = filled[filled.size() - season + h % season];
    const double spread = sigma * std::sqrt(static_cast<double>(h / season + 1));
    for (const float level : levels)
      quantiles.push_back(middle + spread * NormalQuantile(DecimalLevel(level)));
  }
  return quantiles;
}

}  // namespace rill

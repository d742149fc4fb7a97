#include "tools/metrics.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

namespace rill {
namespace {

constexpr float kSameLevel = 1e-4f;

size_t LevelIndex(std::span<const float> levels, float level) {
  const auto found = std::find_if(levels.begin(), levels.end(), [level](float known) {
    return std::fabs(known - level) < kSameLevel;
  });
  assert(found != levels.end());
  return static_cast<size_t>(found - levels.begin());
}

}  // namespace

double DecimalLevel(float level) { return std::round(static_cast<double>(level) * 1e4) / 1e4; }

double SeasonalError(std::span<const double> history, size_t season) {
  double sum = 0;
  size_t count = 0;
  for (size_t t = season; t < history.size(); ++t) {
    const double difference = std::fabs(history[t] - history[t - season]);
    if (std::isnan(difference)) continue;
    sum += difference;
    ++count;
  }
  return count > 0 ? sum / static_cast<double>(count) : std::numeric_limits<double>::quiet_NaN();
}

std::optional<Score> ScoreTarget(std::span<const double> truth, View<const double> quantiles,
                                 std::span<const float> levels, double seasonal_error) {
  assert(quantiles.rows == truth.size() && quantiles.columns == levels.size());
  const size_t low = LevelIndex(levels, 0.1f), median = LevelIndex(levels, 0.5f),
               high = LevelIndex(levels, 0.9f);
  double pinball = 0, error = 0, size = 0, inside = 0, count = 0;
  for (size_t h = 0; h < truth.size(); ++h) {
    const double y = truth[h];
    if (std::isnan(y)) continue;
    const std::span<const double> step = quantiles[h];
    for (size_t q = 0; q < levels.size(); ++q) {
      const double miss = y - step[q], level = DecimalLevel(levels[q]);
      pinball += 2 * std::max(level * miss, (level - 1) * miss);
    }
    error += std::fabs(y - step[median]);
    size += std::fabs(y);
    inside += y >= step[low] && y <= step[high] ? 1 : 0;
    ++count;
  }
  if (count == 0 || !(seasonal_error > 0)) return std::nullopt;
  pinball /= static_cast<double>(levels.size());
  return Score{pinball / count / seasonal_error, error / count / seasonal_error, pinball / size,
               inside / count};
}

Score MeanScore(std::span<const Score> scores) {
  Score mean;
  for (const Score& score : scores) {
    mean.sql += score.sql;
    mean.mase += score.mase;
    mean.wql += score.wql;
    mean.coverage += score.coverage;
  }
  const double count = static_cast<double>(scores.size());
  return {mean.sql / count, mean.mase / count, mean.wql / count, mean.coverage / count};
}

}  // namespace rill

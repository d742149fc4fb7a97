#include "modalities/series_norm.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>

namespace rill {
namespace {

// sorted[(n - 1) / 2]; reorders the values.
double LowerMedian(std::span<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

constexpr double kMostChange = 4;  // bound of the three features that speak of change

}  // namespace

double SeriesScale::scale() const {
  const double mean = weight > 0 ? deviation / weight : 0;
  return std::max({mean, 1e-9 * std::fabs(location), 1e-30});  // a constant channel has a scale too
}

SeriesScale NormalisePatch(const SeriesConfig& config, const SeriesScale& before,
                           std::span<const double> elapsed, double interval,
                           std::span<float> features) {
  assert(elapsed.size() <= config.patch && config.patch <= kMostPatch);
  assert(features.size() == SeriesFeatures(config.patch));
  std::array<double, kMostPatch> present, distances;
  size_t count = 0;
  for (const double value : elapsed)
    if (!std::isnan(value)) present[count++] = value;

  SeriesScale after = before;
  const double forget = std::exp(-static_cast<double>(elapsed.size()) / config.memory);
  after.weight = forget * before.weight + static_cast<double>(count);
  after.deviation = forget * before.deviation;
  if (count > 0) {
    const std::span<double> values = std::span(present).first(count);
    std::copy(values.begin(), values.end(), distances.begin());
    const std::span<double> work = std::span(distances).first(count);
    const double base = before.weight > 0 ? before.location : LowerMedian(work);
    for (size_t i = 0; i < count; ++i) work[i] = std::fabs(values[i] - base);
    const double scale = before.weight > 0 ? before.deviation / before.weight : 0;
    const double bound = config.outlier * std::max(scale, LowerMedian(work));
    if (bound > 0)
      for (double& value : values) value = std::clamp(value, base - bound, base + bound);
    double moved = 0;
    for (const double value : values) moved += value - before.location;
    after.location = before.location + moved / after.weight;
    for (const double value : values) after.deviation += std::fabs(value - after.location);
  }

  const double scale = after.scale();
  std::fill(features.begin(), features.end(), 0.0f);
  const size_t patch = config.patch;
  for (size_t k = 0; k < elapsed.size(); ++k) {
    features[2 * patch + k] = 1.0f;
    if (std::isnan(elapsed[k])) continue;
    const double z = (elapsed[k] - after.location) / scale;
    features[k] = static_cast<float>(std::clamp(z, -config.clip, config.clip));
    features[patch + k] = 1.0f;
  }
  const std::span<float> change = features.subspan(3 * patch, 4);
  const auto bounded = [](double x) {
    return static_cast<float>(std::clamp(x, -kMostChange, kMostChange));
  };
  change[0] = static_cast<float>(std::min(1.0, after.weight / config.memory));
  change[1] = bounded(std::log(interval));
  if (before.weight > 0) {
    change[2] = bounded((after.location - before.location) / scale);
    change[3] = bounded(std::log(scale / before.scale()));
  }
  return after;
}

}  // namespace rill

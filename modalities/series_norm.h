// Running location and scale of one sensor channel, and the features of a patch normalised with
// them.
//
// The scale is a mean absolute deviation with exponential forgetting; a value further than
// `outlier` scales from the location is pulled in before it counts, unless most of its patch lies
// as far: a spike does not blind the channel, a level shift is followed at once. Missing values
// count nowhere. Formulas: docs/model-format.md, encoder `sensor`.
#pragma once

#include <cstddef>
#include <span>

namespace rill {

struct SeriesConfig {
  size_t patch = 24;    // P, slots a frame; at most kMostPatch
  double memory = 672;  // tau, slots
  double clip = 20;     // Z
  double outlier = 6;   // c
};

constexpr size_t kMostPatch = 256;

// Zero before the first patch.
struct SeriesScale {
  double weight = 0;     // W, samples seen, forgetting
  double location = 0;   // M, unit of the channel
  double deviation = 0;  // A, W times the mean absolute deviation

  // s', never zero: what one unit of a normalised value is worth.
  double scale() const;
};

// Features of a patch: 3 P + 4 floats.
constexpr size_t SeriesFeatures(size_t patch) { return 3 * patch + 4; }

// Takes in the elapsed slots of a patch (NaN: missing; finite otherwise) and writes its features.
// `interval` is the mean slot interval over the usual one.
SeriesScale NormalisePatch(const SeriesConfig& config, const SeriesScale& before,
                           std::span<const double> elapsed, double interval,
                           std::span<float> features);

}  // namespace rill

// Hidden frames to quantile forecasts.
//
//   hidden     [channels, width]             float32, of a frame with `elapsed` slots
//   quantiles  [channels, horizon, levels]   float32, unit of the channel
//
// The head speaks of slots counted from the frame's first one: with e slots elapsed, step h of a
// forecast (h = 1 …) is slot e + h - 1. Levels never cross: a step's values are sorted, which makes
// no quantile loss worse.
//
// Source: Koenker & Bassett 1978 (quantile loss); Chernozhukov, Fernandez-Val & Galichon 2010
// (sorting).
#pragma once

#include <span>
#include <vector>

#include "modalities/sensor_encoder.h"
#include "operators/core/scratch.h"
#include "operators/linear.h"

namespace rill {

// Immutable after loading; any number of streams and threads may share one.
class ForecastHead {
 public:
  static Result<ForecastHead> Load(const Weights& weights, size_t width, size_t patch);

  size_t horizon() const { return horizon_; }                // steps at most
  std::span<const float> levels() const { return levels_; }  // ascending, in (0, 1)
  size_t ScratchFloats() const { return out_.outputs(); }

  // Forecasts the first quantiles.size() / (channels * levels) steps; no more than horizon().
  void Run(View<const float> hidden, size_t elapsed, std::span<const SensorScale> scales,
           Scratch& scratch, std::span<float> quantiles) const;

 private:
  ForecastHead(size_t horizon, std::vector<float> levels, Linear out)
      : horizon_(horizon), levels_(std::move(levels)), out_(std::move(out)) {}

  size_t horizon_;
  std::vector<float> levels_;
  Linear out_;
};

}  // namespace rill

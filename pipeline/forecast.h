// Forecasts as values, and the last stage of a sensor stream, which makes them from hidden frames.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "pipeline/stages.h"

namespace rill {

// Quantiles of the next steps of every channel.
struct Forecast {
  int64_t last_ns = 0;   // time of the last row seen, on the clock of the rows
  int64_t step_ns = 0;   // step h is for last_ns + h step_ns, h = 1 … horizon
  int64_t position = 0;  // rows seen
  size_t channels = 0;
  size_t horizon = 0;
  std::span<const float> levels;  // ascending; lives as long as the model
  std::vector<float> values;      // [channels, horizon, levels], unit of the channel

  // Quantiles of step h, 0 being the first.
  std::span<const float> at(size_t channel, size_t h) const {
    return std::span(values).subspan((channel * horizon + h) * levels.size(), levels.size());
  }
};

// Keeps the last complete frame, so that a forecast can be asked for when no slot has elapsed
// since.
class ForecastStage {
 public:
  // The model must have the head `forecast`.
  static Result<ForecastStage> Open(std::shared_ptr<const Model> model, size_t channels);

  size_t horizon() const { return model_->forecast()->horizon(); }
  // Remembers a complete frame.
  void Keep(const FrameBlock& block);
  // Forecasts `horizon` steps from a frame, complete or peeked; 1 to horizon().
  Result<Forecast> Run(const FrameBlock& block, size_t horizon);
  // The same from the frame kept; an error before the first.
  Result<Forecast> RunKept(size_t horizon);
  void Reset() { state_.Reset(); }
  size_t state_bytes() const { return state_.bytes().size(); }

  Snapshot::Part Save() const;
  Result<void> Restore(const Snapshot& snapshot);

 private:
  ForecastStage(std::shared_ptr<const Model> model, size_t channels);

  std::shared_ptr<const Model> model_;
  size_t channels_;
  StateLayout layout_;
  Slot hidden_, scales_, frame_;
  State state_;
  Scratch scratch_;
  FrameBlock kept_;  // working memory of RunKept
};

}  // namespace rill

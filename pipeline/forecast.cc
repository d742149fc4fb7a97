#include "pipeline/forecast.h"

#include <algorithm>
#include <cassert>

namespace rill {

Result<ForecastStage> ForecastStage::Open(std::shared_ptr<const Model> model, size_t channels) {
  if (model->forecast() == nullptr)
    return model->weights().Complain("the model has no forecast head");
  return ForecastStage(std::move(model), channels);
}

ForecastStage::ForecastStage(std::shared_ptr<const Model> model, size_t channels)
    : model_(std::move(model)),
      channels_(channels),
      hidden_(layout_.Add("forecast.hidden", channels * model_->backbone().width())),
      scales_(layout_.Add("forecast.scales", 2 * channels, ElementType::kFloat64)),
      frame_(layout_.Add("forecast.frame", 3, ElementType::kInt64)),
      state_(layout_),
      scratch_(model_->forecast()->ScratchFloats()),
      kept_(channels, model_->backbone().width()) {}

void ForecastStage::Keep(const FrameBlock& block) {
  const Lane lane = state_.lane(0);
  std::copy(block.values.begin(), block.values.end(), lane.Floats(hidden_).begin());
  const std::span<double> scales = lane.Doubles(scales_);
  for (size_t c = 0; c < channels_; ++c) {
    scales[2 * c] = block.scales[c].location;
    scales[2 * c + 1] = block.scales[c].scale;
  }
  const std::span<int64_t> frame = lane.Integers(frame_);
  frame[0] = static_cast<int64_t>(block.frame.elapsed);
  frame[1] = block.frame.last_ns;
  frame[2] = block.frame.usual_ns;
}

Result<Forecast> ForecastStage::Run(const FrameBlock& block, size_t horizon) {
  assert(block.scales.size() == channels_);
  if (horizon == 0 || horizon > this->horizon())
    return Error{"a horizon of " + std::to_string(horizon) + " steps, the model forecasts 1 to " +
                 std::to_string(this->horizon())};
  Forecast forecast;
  forecast.last_ns = block.frame.last_ns;
  forecast.step_ns = block.frame.usual_ns;
  forecast.channels = channels_;
  forecast.horizon = horizon;
  forecast.levels = model_->forecast()->levels();
  forecast.values.resize(channels_ * horizon * forecast.levels.size());
  model_->forecast()->Run(block.view(), block.frame.elapsed, block.scales, scratch_,
                          forecast.values);
  return forecast;
}

Result<Forecast> ForecastStage::RunKept(size_t horizon) {
  const Lane lane = state_.lane(0);
  const std::span<const int64_t> frame = lane.Integers(frame_);
  if (frame[0] == 0) return Error{"no row has been seen, so there is nothing to forecast from"};
  std::copy_n(lane.Floats(hidden_).begin(), kept_.values.size(), kept_.values.begin());
  const std::span<const double> scales = lane.Doubles(scales_);
  for (size_t c = 0; c < channels_; ++c) kept_.scales[c] = {scales[2 * c], scales[2 * c + 1]};
  kept_.frame.elapsed = static_cast<size_t>(frame[0]);
  kept_.frame.last_ns = frame[1];
  kept_.frame.usual_ns = frame[2];
  return Run(kept_, horizon);
}

Snapshot::Part ForecastStage::Save() const {
  return {"forecast", layout_.fingerprint(), {state_.bytes().begin(), state_.bytes().end()}};
}

Result<void> ForecastStage::Restore(const Snapshot& snapshot) {
  const auto check = [this](const State& state) -> Result<void> {
    const std::string slot = FindNonFinite(layout_, state.lane(0));
    if (!slot.empty()) return Error{"the state " + slot + " is not finite"};
    const std::span<const int64_t> frame = state.lane(0).Integers(frame_);
    const int64_t elapsed = frame[0];
    const size_t patch = model_->sensor()->config().patch;
    if (elapsed < 0 || elapsed > static_cast<int64_t>(patch))
      return Error{"the frame kept has " + std::to_string(elapsed) + " slots, at most " +
                   std::to_string(patch)};
    if (frame[2] < 0) return Error{"the frame kept has a negative interval"};
    return {};
  };
  return RestorePart(snapshot, "forecast", model_->fingerprint(), layout_.fingerprint(), check,
                     state_);
}

}  // namespace rill

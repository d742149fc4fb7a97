#include "pipeline/audio_stage.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace rill {

Result<AudioStage> AudioStage::Open(std::shared_ptr<const Model> model) {
  if (model->audio() == nullptr) return model->weights().Complain("the model has no audio encoder");
  return AudioStage(std::move(model));
}

AudioStage::AudioStage(std::shared_ptr<const Model> model)
    : model_(std::move(model)),
      state_(model_->audio()->layout()),
      scratch_(model_->audio()->ScratchFloats()),
      sound_(hop()) {}

AudioEncoder::Taken AudioStage::Take(std::span<const float> samples, FrameBlock& block) {
  assert(block.values.size() == model_->audio()->width());
  samples = samples.first(std::min(samples.size(), model_->audio()->Missing(state_.lane(0))));
  const auto is_unsound = [](float x) { return !std::isfinite(x); };
  if (const auto count = std::ranges::count_if(samples, is_unsound); count > 0) {
    unsound_ += count;
    std::ranges::replace_copy_if(samples, sound_.begin(), is_unsound, 0.0f);
    samples = std::span<const float>(sound_).first(samples.size());
  }
  block.frame = {};
  return model_->audio()->Take(samples, state_.lane(0), scratch_, block.values);
}

size_t AudioStage::FlushSamples() const {
  const size_t missing = model_->audio()->Missing(state_.lane(0));
  const size_t after = model_->transcribe() == nullptr ? 0 : model_->transcribe()->flush();
  return missing % hop() + after * hop();
}

Snapshot::Part AudioStage::Save() const {
  return {"audio",
          model_->audio()->layout().fingerprint(),
          {state_.bytes().begin(), state_.bytes().end()}};
}

Result<void> AudioStage::Restore(const Snapshot& snapshot) {
  const auto check = [this](const State& state) { return model_->audio()->Check(state.lane(0)); };
  return RestorePart(snapshot, "audio", model_->fingerprint(),
                     model_->audio()->layout().fingerprint(), check, state_);
}

}  // namespace rill

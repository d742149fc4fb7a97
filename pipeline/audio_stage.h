// The first stage of an audio stream: samples to the frames of the backbone, with its own state.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "pipeline/stages.h"

namespace rill {

class AudioStage {
 public:
  // The model must have the encoder `audio`.
  static Result<AudioStage> Open(std::shared_ptr<const Model> model);

  size_t rate() const { return model_->audio()->rate(); }
  size_t hop() const { return model_->audio()->hop(); }  // samples of a frame
  // Takes samples up to the end of the next frame; `complete` says that `block`, of one channel,
  // holds it. A sample that is not finite counts as silence.
  AudioEncoder::Taken Take(std::span<const float> samples, FrameBlock& block);
  // Samples of silence after which everything heard so far has come out of a stream with that head:
  // the rest of the frame, if one has begun, and what the head needs.
  size_t FlushSamples() const;
  void Reset() { state_.Reset(); }
  int64_t position() const { return model_->audio()->position(state_.lane(0)); }
  int64_t unsound() const { return unsound_; }  // samples that were not finite
  size_t state_bytes() const { return state_.bytes().size(); }

  Snapshot::Part Save() const;
  Result<void> Restore(const Snapshot& snapshot);

 private:
  explicit AudioStage(std::shared_ptr<const Model> model);

  std::shared_ptr<const Model> model_;
  State state_;
  Scratch scratch_;
  std::vector<float> sound_;  // [hop], samples with silence for what is not finite
  int64_t unsound_ = 0;
};

}  // namespace rill

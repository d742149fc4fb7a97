// The first stage of a stream of pictures: each becomes one frame of the backbone.
//
// What the stream has seen is in the backbone's state; this one only counts.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "pipeline/stages.h"

namespace rill {

class ImageStage {
 public:
  // The model must have the encoder `image`.
  static Result<ImageStage> Open(std::shared_ptr<const Model> model);

  const ImageConfig& config() const { return model_->image()->config(); }
  // Takes pixels [height, width, channels] of config(); `block` has one channel.
  void Run(std::span<const uint8_t> pixels, FrameBlock& block);
  void Reset() { state_.Reset(); }
  int64_t position() const { return state_.lane(0).Integers(position_)[0]; }  // pictures taken
  size_t state_bytes() const { return state_.bytes().size(); }

  Snapshot::Part Save() const;
  Result<void> Restore(const Snapshot& snapshot);

 private:
  explicit ImageStage(std::shared_ptr<const Model> model);

  std::shared_ptr<const Model> model_;
  StateLayout layout_;
  Slot position_;
  State state_;
  Scratch scratch_;
};

}  // namespace rill

#include "pipeline/image_stage.h"

#include <cassert>
#include <new>
#include <string>

namespace rill {

Result<ImageStage> ImageStage::Open(std::shared_ptr<const Model> model) {
  if (model->image() == nullptr) return model->weights().Complain("the model has no image encoder");
  const size_t floats = model->image()->ScratchFloats();
  try {
    return ImageStage(std::move(model));
  } catch (const std::bad_alloc&) {
    return Error{"there is no memory for the " + std::to_string(floats * sizeof(float)) +
                 " bytes that a picture needs"};
  }
}

ImageStage::ImageStage(std::shared_ptr<const Model> model)
    : model_(std::move(model)),
      position_(layout_.Add("image.position", 1, ElementType::kInt64)),
      state_(layout_),
      scratch_(model_->image()->ScratchFloats()) {}

void ImageStage::Run(std::span<const uint8_t> pixels, FrameBlock& block) {
  const size_t stride = config().width * config().channels;
  assert(pixels.size() == config().height * stride);
  block.frame = {};
  model_->image()->Run(pixels.data(), stride, scratch_, block.values);
  ++state_.lane(0).Integers(position_)[0];
}

Snapshot::Part ImageStage::Save() const {
  return {"image", layout_.fingerprint(), {state_.bytes().begin(), state_.bytes().end()}};
}

Result<void> ImageStage::Restore(const Snapshot& snapshot) {
  const auto check = [this](const State& state) -> Result<void> {
    const int64_t position = state.lane(0).Integers(position_)[0];
    if (position < 0)
      return Error{"snapshot has a stream of " + std::to_string(position) + " pictures"};
    return {};
  };
  return RestorePart(snapshot, "image", model_->fingerprint(), layout_.fingerprint(), check,
                     state_);
}

}  // namespace rill

#include "pipeline/sensor_frames.h"

#include <algorithm>
#include <utility>

namespace rill {

Result<SensorFrames> SensorFrames::Open(std::shared_ptr<const Model> model, size_t channels) {
  const size_t width = model->backbone().width();
  Result<SensorStage> stage = SensorStage::Open(std::move(model), channels);
  if (!stage) return stage.error();
  return SensorFrames(std::move(*stage), channels, width);
}

Result<bool> SensorFrames::Push(int64_t time_ns, std::span<const double> row, size_t every) {
  if (restored_ && time_ns <= last_ns()) return false;
  if (const Result<void> pushed = stage_.Push(time_ns, row); !pushed) return pushed.error();
  restored_ = false;
  due_ = every > 0 && rows() % static_cast<int64_t>(every) == 0;
  ready_ = stage_.Next(ahead_);
  return true;
}

bool SensorFrames::Next(FrameBlock& block, FrameNotes& notes) {
  notes = {.position = rows()};
  if (ready_) {
    std::swap(block, ahead_);
    ready_ = stage_.Next(ahead_);
    // The last complete frame of a row stands for the forecast when the row completed it.
    if (ready_ || !due_ || stage_.Peek(ahead_)) return true;
  } else if (!due_) {
    return false;
  } else if (stage_.Peek(block)) {
    notes.use = FrameUse::kPeeked;
  } else {
    notes.use = FrameUse::kRepeated;
    std::fill(block.values.begin(), block.values.end(), 0.0f);
    block.frame.last_ns = last_ns();
  }
  notes.due = true;
  notes.drained = finishing_;
  due_ = finishing_ = false;
  due_at_ = rows();
  return true;
}

void SensorFrames::Reset() {
  stage_.Reset();
  ready_ = due_ = finishing_ = restored_ = false;
  due_at_ = 0;
}

Result<void> SensorFrames::Restore(const Snapshot& snapshot, size_t every) {
  Reset();
  if (Result<void> ok = stage_.Restore(snapshot); !ok) return ok;
  restored_ = true;
  if (every > 0) due_at_ = rows() / static_cast<int64_t>(every) * static_cast<int64_t>(every);
  return {};
}

}  // namespace rill

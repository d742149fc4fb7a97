// What travels with a frame between the elements of a sensor stream: how to use it, where it comes
// from in the stream, and the scales that turn a forecast back into the unit of each channel.
//
// The meta belongs to its buffer: a buffer copied whole has a copy, a part of one has none. So it
// passes queues, tees and elements that change timestamps.
#pragma once

#include <gst/gst.h>

#include <optional>
#include <vector>

#include "pipeline/sensor_frames.h"
#include "plugins/tensor_caps.h"

namespace rill {

struct FrameMeta {
  FrameNotes notes;
  SensorFrame frame;
  std::vector<SensorScale> scales;  // one a channel
};

// Adds an empty one; the buffer must be writable and owns it.
FrameMeta& AddFrameMeta(GstBuffer* buffer);
// That of a buffer; null when it has none.
const FrameMeta* GetFrameMeta(GstBuffer* buffer);

// The frame of a buffer, copied into `block`; an error says what is missing.
Result<FrameNotes> ReadFrame(GstBuffer* buffer, FrameBlock& block);
// A new buffer of the frame, 64-byte aligned.
GstBuffer* WriteFrame(const FrameBlock& block, const FrameNotes& notes);

// Absolute time in nanoseconds since 1970 of a buffer (meta timestamp/x-unix), if it has one.
std::optional<int64_t> UnixTime(GstBuffer* buffer);
void SetUnixTime(GstBuffer* buffer, int64_t unix_ns);

// Reads caps of frames: the space must be `<model's>/<kind>` and the width the model's. Gives the
// caps, whose columns name the channels.
Result<TensorCaps> CheckFrameCaps(const GstCaps* caps, const Model& model, const char* kind);
// The same of hidden frames for a head that is for those of one encoder: the stream is that one's,
// or fused. In a fused stream it passes over the frames of the others.
Result<TensorCaps> CheckHiddenCaps(const GstCaps* caps, const Model& model, const char* modality);
inline constexpr char kFusedModality[] = "fusion";

}  // namespace rill

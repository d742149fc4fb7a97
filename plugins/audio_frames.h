// Samples of a stream in, frames out on a pad: each is stamped with its first sample and leaves
// with its last one.
#pragma once

#include <gst/gst.h>

#include <span>

#include "pipeline/audio_stage.h"
#include "plugins/sample_times.h"

namespace rill {

// Streaming thread only.
class AudioFrames {
 public:
  AudioFrames(AudioStage audio, size_t width, GstPad* source)
      : audio_(std::move(audio)), block_(1, width), source_(source), times_(audio_.rate()) {}

  const AudioStage& audio() const { return audio_; }
  int64_t sent() const { return sent_; }  // frames

  // The next sample has that time, which may be none, if the times are not known already.
  void Begin(GstClockTime time);
  bool has_times() const { return times_.known(); }
  // Takes samples in. After a failure the rest is taken but not sent, so that the state stays
  // whole.
  GstFlowReturn Take(std::span<const float> samples) { return Take(samples, Origin::kHeard); }
  GstFlowReturn TakeSilence(size_t count) { return TakeSilence(count, Origin::kHeard); }
  // Brings out what was heard, by silence. Nothing is stamped later than `until` (none: at any
  // time), unless it was heard then.
  void Drain(GstClockTime until);

  // What follows is not what the stream would have had next: the next frame is marked DISCONT.
  void Jump();
  void Reset();
  Result<void> Restore(const Snapshot& snapshot);

 private:
  enum class Origin { kHeard, kDrained };

  GstFlowReturn Take(std::span<const float> samples, Origin origin);
  GstFlowReturn TakeSilence(size_t count, Origin origin);
  GstFlowReturn Send(Origin origin);

  AudioStage audio_;
  FrameBlock block_;
  GstPad* source_;
  SampleTimes times_;
  bool discont_ = true;
  int64_t sent_ = 0;
};

}  // namespace rill

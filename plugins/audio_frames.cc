#include "plugins/audio_frames.h"

#include <algorithm>
#include <array>
#include <utility>

#include "plugins/frame_meta.h"

namespace rill {

void AudioFrames::Begin(GstClockTime time) {
  if (!times_.known()) times_.Anchor(audio_.position(), time);
}

GstFlowReturn AudioFrames::Send(Origin origin) {
  const int64_t end = audio_.position();
  const FrameNotes notes = {.modality = Modality::kAudio,
                            .due = true,
                            .drained = origin == Origin::kDrained,
                            .position = end};
  GstBuffer* buffer = WriteFrame(block_, notes);
  if (times_.known()) {
    GST_BUFFER_PTS(buffer) = times_.Of(end - static_cast<int64_t>(audio_.hop()));
    GST_BUFFER_DURATION(buffer) = times_.Of(end) - GST_BUFFER_PTS(buffer);
  }
  if (std::exchange(discont_, false)) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
  ++sent_;
  return gst_pad_push(source_, buffer);
}

GstFlowReturn AudioFrames::Take(std::span<const float> samples, Origin origin) {
  GstFlowReturn flow = GST_FLOW_OK;
  while (!samples.empty()) {
    const AudioEncoder::Taken taken = audio_.Take(samples, block_);
    samples = samples.subspan(taken.samples);
    if (taken.complete && flow == GST_FLOW_OK) flow = Send(origin);
  }
  return flow;
}

GstFlowReturn AudioFrames::TakeSilence(size_t count, Origin origin) {
  constexpr std::array<float, 1024> kSilence{};
  GstFlowReturn flow = GST_FLOW_OK;
  for (; count > 0 && flow == GST_FLOW_OK; count -= std::min(count, kSilence.size()))
    flow = Take(std::span(kSilence).first(std::min(count, kSilence.size())), origin);
  return flow;
}

void AudioFrames::Drain(GstClockTime until) {
  const GstClockTime heard = times_.Of(audio_.position());
  if (GST_CLOCK_TIME_IS_VALID(until) && times_.known()) times_.Limit(std::max(until, heard));
  TakeSilence(audio_.FlushSamples(), Origin::kDrained);
  Jump();
}

void AudioFrames::Jump() {
  times_.Forget();
  discont_ = true;
}

void AudioFrames::Reset() {
  audio_.Reset();
  Jump();
}

Result<void> AudioFrames::Restore(const Snapshot& snapshot) {
  if (Result<void> ok = audio_.Restore(snapshot); !ok) return ok;
  times_.Forget();
  return {};
}

}  // namespace rill

// What a transcribe head says, on its way out: words that are final as text and as messages, those
// that are not yet as messages, and GAPs where nothing is on its way.
#pragma once

#include <gst/gst.h>

#include <span>
#include <vector>

#include "plugins/message_limit.h"
#include "plugins/sample_times.h"
#include "plugins/text_output.h"
#include "plugins/transcribe_properties.h"

namespace rill {

// Streaming thread only.
class TranscriptOutput {
 public:
  // `segment`, that of the words at hand, outlives it.
  TranscriptOutput(GstElement* element, GstPad* source, size_t rate_hz, const GstSegment& segment)
      : element_(element), segment_(&segment), text_(source), times_(rate_hz) {}

  // Before a frame that begins with that sample of the stream.
  void Begin(int64_t sample, GstClockTime pts);
  // What was heard ends at that time, and no word later.
  void HeardUntil(GstClockTime end) { times_.Limit(end); }

  // Sends what became final.
  GstFlowReturn Send(const std::vector<TranscriptEvent>& events,
                     const TranscribeSettings& settings);
  // Tells what is not final yet, when it has changed and may be told.
  void Tell(std::vector<TimedWord> partial, const TranscribeSettings& settings);
  // Time has gone on to that sample; without text, if none is on its way.
  void Advance(int64_t sample);
  // There is no sound from `begin` on.
  void Gap(GstClockTime begin, GstClockTime duration);

  // What follows is not what the stream would have had next.
  void Jump();
  // What was told as not final becomes final, or is of no interest any more.
  void ForgetPartial() { partial_.clear(); }
  // Another timeline begins.
  void Reset();

  Snapshot::Part Save() const { return text_.Save(); }
  void Restore(const Snapshot& snapshot);

 private:
  std::vector<StampedWord> Stamp(std::span<const TimedWord> words) const;
  void Post(std::span<const TimedWord> words, bool is_final);

  GstElement* element_;
  const GstSegment* segment_;
  TextWriter text_;
  SampleTimes times_;
  std::vector<TimedWord> partial_;  // as last told
  bool sent_ = false;               // a word, since partial words were last looked at
  MessageLimit limit_;
};

}  // namespace rill

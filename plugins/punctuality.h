// Whether a head keeps up with time: what downstream says (QOS events), and what the clock says
// against the latency that the pipeline was told.
#pragma once

#include <gst/gst.h>

#include <cstdint>

namespace rill {

class Punctuality {
 public:
  // An event from downstream on the source pad; `sink` is asked whether the stream is live.
  void Hear(GstElement* element, GstPad* sink, GstEvent* event);
  // Running times mean something else from now on.
  void NewSegment(GstElement* element);
  // The same, and results are counted anew.
  void Flush(GstElement* element);
  // As new: the stream is over.
  void Reset(GstElement* element);

  // Whether downstream has no more use for the result of a frame with that PTS. If so, counts it
  // and posts a QOS message with how many results were sent and skipped.
  bool IsTooLate(GstElement* element, const GstSegment& segment, GstClockTime pts);
  // A result of that running time is about to leave. In a live pipeline a delay beyond the
  // configured latency is an element WARNING with the details lfm/excessive-delay{delay, latency},
  // at most one in ten seconds. True when the delay is the greatest so far.
  bool Send(GstElement* element, GstClockTime running_time);

  // Nanoseconds; 0 when not live. The caller holds GST_OBJECT_LOCK.
  GstClockTime max_delay() const { return state_.max_delay; }

 private:
  struct State {
    GstClockTime earliest = GST_CLOCK_TIME_NONE;  // running time that downstream can still use
    GstClockTime latency = GST_CLOCK_TIME_NONE;   // of the pipeline; none when not live
    GstClockTime max_delay = 0;
    int64_t warned_us = INT64_MIN;  // monotonic time of the last warning
    uint64_t sent = 0, skipped = 0;
  };
  State state_;  // GST_OBJECT_LOCK of the element
};

}  // namespace rill

// The source pad of an element that makes rows: CAPS, SEGMENT, then a buffer a row, with its time.
//
// PTS is the stamp of a row less that of the first. Where the input is live, the segment's base
// puts that first row at the running time of the first input buffer. The absolute time travels as
// a GstReferenceTimestampMeta, timestamp/x-unix, in nanoseconds.
#pragma once

#include <gst/gst.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "modalities/row_options.h"

namespace rill {

// Streaming thread only.
class RowOutput {
 public:
  // The pad answers that it cannot seek, and nothing about bytes.
  explicit RowOutput(GstPad* pad);
  ~RowOutput() { Reset(); }
  RowOutput(const RowOutput&) = delete;
  RowOutput& operator=(const RowOutput&) = delete;

  GstFlowReturn Push(const Row& row, const std::vector<std::string>& columns);
  // A serialised event, which waits for the first row where it must not precede CAPS. Takes it.
  gboolean PushInOrder(GstEvent* event);
  // A GAP of the input, on the time line of the rows. Takes it.
  gboolean PushGap(GstEvent* event);
  // The unix time of an input buffer that carries one: of its meta, else of the clock when the
  // first came.
  std::optional<int64_t> Arrival(GstBuffer* buffer, const GstSegment& segment);
  // The next row stands apart from the last.
  void MarkDiscont() { discont_ = true; }
  // The next row begins a new time line: another SEGMENT.
  void ForgetTime();
  // The next row begins another stream: other CAPS.
  void Reset();

 private:
  void Open(const std::vector<std::string>& columns);

  GstPad* pad_;
  std::vector<GstEvent*> held_;        // owned
  std::optional<int64_t> first_ns_;    // stamp of the first row of this time line
  std::optional<int64_t> arrival_ns_;  // unix time of the input buffer at first_pts_
  GstClockTime first_pts_ = 0;
  guint64 base_ = 0;  // running time of that buffer
  GstClockTime last_pts_ = 0;
  bool caps_sent_ = false;
  bool discont_ = true;
};

}  // namespace rill

// What every element needs: one private C++ object, errors on the bus, mapped buffers, tensor caps.
//
// GObject allocates zeroed bytes and runs no constructors, so an element's C++ members live in one
// `Impl` behind a pointer, made in `_init` and deleted in `_finalize`. No exception leaves a
// virtual method.
#pragma once

#include <gst/gst.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "operators/core/result.h"

namespace rill {

// Maps a buffer for as long as it lives.
class MappedBuffer {
 public:
  MappedBuffer(GstBuffer* buffer, GstMapFlags flags) : buffer_(buffer) {
    ok_ = gst_buffer_map(buffer, &map_, flags) == TRUE;
  }
  ~MappedBuffer() {
    if (ok_) gst_buffer_unmap(buffer_, &map_);
  }
  MappedBuffer(const MappedBuffer&) = delete;
  MappedBuffer& operator=(const MappedBuffer&) = delete;

  explicit operator bool() const { return ok_; }
  std::span<std::byte> bytes() const {
    return {reinterpret_cast<std::byte*>(map_.data), ok_ ? map_.size : 0};
  }

 private:
  GstBuffer* buffer_;
  GstMapInfo map_{};
  bool ok_ = false;
};

struct FreeStructure {
  void operator()(GstStructure* fields) const { gst_structure_free(fields); }
};
using Fields = std::unique_ptr<GstStructure, FreeStructure>;

// The text of a property's value that holds a string; empty for none.
std::string TextOf(const GValue* value);

// Posts `error` as a STREAM error of the given kind on the bus and returns GST_FLOW_ERROR.
GstFlowReturn Fail(GstElement* element, GstStreamError code, const Error& error);
// The same as a RESOURCE error: files, sockets, models.
GstFlowReturn Fail(GstElement* element, GstResourceError code, const Error& error);

// Whether what comes in on that pad is live.
bool IsLive(GstPad* sink);

// Whether times mean the same in both: a segment may only have got another end or position.
bool IsSameTimeline(const GstSegment& a, const GstSegment& b);

// `better`, as what became of the event, which it takes.
GstEvent* InPlaceOf(GstEvent* event, GstEvent* better);

// A SEGMENT in which frames can have times: another format's, as of a file without a container,
// becomes one that starts at 0; takes the event.
GstEvent* WithTimes(GstEvent* event);

// The SEGMENT with running times that are later by so much; takes the event.
GstEvent* DelaySegment(GstEvent* event, GstClockTime by);

// Adds a probe to the pad of that name.
void AddProbe(GstElement* element, const char* pad_name, GstPadProbeType type,
              GstPadProbeCallback probe, gpointer data = nullptr);

// Gives a bin the pad `name` of an element inside it, by the template of that name.
void AddGhostPad(GstElement* bin, GstElement* inner, const char* name);

}  // namespace rill

#include "plugins/punctuality.h"

#include <algorithm>
#include <string>

#include "plugins/element.h"

namespace rill {
namespace {

constexpr int64_t kWarningIntervalUs = 10'000'000;

// Holds the object lock for as long as it lives.
class ObjectLock {
 public:
  explicit ObjectLock(GstElement* element) : element_(element) { GST_OBJECT_LOCK(element_); }
  ~ObjectLock() { GST_OBJECT_UNLOCK(element_); }
  ObjectLock(const ObjectLock&) = delete;
  ObjectLock& operator=(const ObjectLock&) = delete;

 private:
  GstElement* element_;
};

// The first running time that is worth the work, as GstVideoDecoder reckons it.
GstClockTime EarliestTime(GstEvent* qos) {
  GstClockTimeDiff late = 0;
  GstClockTime running_time = GST_CLOCK_TIME_NONE;
  gst_event_parse_qos(qos, nullptr, nullptr, &late, &running_time);
  if (!GST_CLOCK_TIME_IS_VALID(running_time)) return GST_CLOCK_TIME_NONE;
  const GstClockTimeDiff earliest =
      static_cast<GstClockTimeDiff>(running_time) + (late > 0 ? 2 * late : late);
  return static_cast<GstClockTime>(std::max<GstClockTimeDiff>(earliest, 0));
}

// Running time now; none when the element has no clock.
GstClockTime Now(GstElement* element) {
  GstClock* clock = gst_element_get_clock(element);
  if (clock == nullptr) return GST_CLOCK_TIME_NONE;
  const GstClockTime now = gst_clock_get_time(clock), base = gst_element_get_base_time(element);
  gst_object_unref(clock);
  return now > base ? now - base : 0;
}

void Warn(GstElement* element, GstClockTime delay, GstClockTime latency) {
  const std::string text = "a result comes " + std::to_string(delay / GST_MSECOND) +
                           " ms after its time, the pipeline's latency is " +
                           std::to_string(latency / GST_MSECOND) + " ms";
  GstStructure* details =
      gst_structure_new("lfm/excessive-delay", "delay", G_TYPE_UINT64, guint64{delay}, "latency",
                        G_TYPE_UINT64, guint64{latency}, nullptr);
  gst_element_message_full_with_details(element, GST_MESSAGE_WARNING, GST_STREAM_ERROR,
                                        GST_STREAM_ERROR_FAILED, g_strdup(text.c_str()), nullptr,
                                        __FILE__, "Warn", __LINE__, details);
}

}  // namespace

void Punctuality::Hear(GstElement* element, GstPad* sink, GstEvent* event) {
  if (GST_EVENT_TYPE(event) == GST_EVENT_QOS) {
    const ObjectLock lock(element);
    state_.earliest = EarliestTime(event);
  }
  if (GST_EVENT_TYPE(event) == GST_EVENT_LATENCY) {
    GstClockTime latency = GST_CLOCK_TIME_NONE;
    gst_event_parse_latency(event, &latency);
    const bool live = IsLive(sink);
    const ObjectLock lock(element);
    state_.latency = live ? latency : GST_CLOCK_TIME_NONE;
  }
}

void Punctuality::NewSegment(GstElement* element) {
  const ObjectLock lock(element);
  state_.earliest = GST_CLOCK_TIME_NONE;
}

void Punctuality::Flush(GstElement* element) {
  const ObjectLock lock(element);
  state_.earliest = GST_CLOCK_TIME_NONE;
  state_.sent = state_.skipped = 0;
}

void Punctuality::Reset(GstElement* element) {
  const ObjectLock lock(element);
  state_ = {};
}

bool Punctuality::IsTooLate(GstElement* element, const GstSegment& segment, GstClockTime pts) {
  const GstClockTime running_time = gst_segment_to_running_time(&segment, GST_FORMAT_TIME, pts);
  GstMessage* message = nullptr;
  {
    const ObjectLock lock(element);
    if (!GST_CLOCK_TIME_IS_VALID(state_.earliest) || !GST_CLOCK_TIME_IS_VALID(running_time) ||
        running_time >= state_.earliest)
      return false;
    ++state_.skipped;
    message = gst_message_new_qos(
        GST_OBJECT(element), GST_CLOCK_TIME_IS_VALID(state_.latency), running_time,
        gst_segment_to_stream_time(&segment, GST_FORMAT_TIME, pts), pts, GST_CLOCK_TIME_NONE);
    gst_message_set_qos_values(message, GST_CLOCK_DIFF(running_time, state_.earliest), 1.0, 0);
    gst_message_set_qos_stats(message, GST_FORMAT_BUFFERS, state_.sent, state_.skipped);
  }
  gst_element_post_message(element, message);
  return true;
}

bool Punctuality::Send(GstElement* element, GstClockTime running_time) {
  const GstClockTime now = Now(element);
  GstClockTime delay = 0, latency = 0;
  bool greatest = false;
  {
    const ObjectLock lock(element);
    ++state_.sent;
    if (!GST_CLOCK_TIME_IS_VALID(state_.latency) || !GST_CLOCK_TIME_IS_VALID(now) ||
        !GST_CLOCK_TIME_IS_VALID(running_time) || now <= running_time)
      return false;
    delay = now - running_time;
    latency = state_.latency;
    greatest = delay > state_.max_delay;
    state_.max_delay = std::max(state_.max_delay, delay);
    const int64_t now_us = g_get_monotonic_time();
    if (delay <= latency ||
        (state_.warned_us != INT64_MIN && now_us - state_.warned_us < kWarningIntervalUs))
      return greatest;
    state_.warned_us = now_us;
  }
  Warn(element, delay, latency);
  return greatest;
}

}  // namespace rill

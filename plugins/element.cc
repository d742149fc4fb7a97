#include "plugins/element.h"

namespace rill {
namespace {

GstFlowReturn Post(GstElement* element, GQuark domain, int code, const Error& error) {
  gst_element_message_full(element, GST_MESSAGE_ERROR, domain, code,
                           g_strdup(error.message.c_str()), nullptr, __FILE__, "Fail", __LINE__);
  return GST_FLOW_ERROR;
}

}  // namespace

std::string TextOf(const GValue* value) {
  const gchar* text = g_value_get_string(value);
  return text == nullptr ? "" : text;
}

GstFlowReturn Fail(GstElement* element, GstStreamError code, const Error& error) {
  return Post(element, GST_STREAM_ERROR, code, error);
}

GstFlowReturn Fail(GstElement* element, GstResourceError code, const Error& error) {
  return Post(element, GST_RESOURCE_ERROR, code, error);
}

bool IsLive(GstPad* sink) {
  GstQuery* query = gst_query_new_latency();
  gboolean live = FALSE;
  if (gst_pad_peer_query(sink, query)) gst_query_parse_latency(query, &live, nullptr, nullptr);
  gst_query_unref(query);
  return live == TRUE;
}

bool IsSameTimeline(const GstSegment& a, const GstSegment& b) {
  return a.format == b.format && a.rate == b.rate && a.start == b.start && a.time == b.time &&
         a.base == b.base && a.offset == b.offset;
}

GstEvent* InPlaceOf(GstEvent* event, GstEvent* better) {
  gst_event_set_seqnum(better, gst_event_get_seqnum(event));
  gst_event_unref(event);
  return better;
}

GstEvent* WithTimes(GstEvent* event) {
  const GstSegment* segment = nullptr;
  gst_event_parse_segment(event, &segment);
  if (segment->format == GST_FORMAT_TIME) return event;
  GstSegment times;
  gst_segment_init(&times, GST_FORMAT_TIME);
  return InPlaceOf(event, gst_event_new_segment(&times));
}

GstEvent* DelaySegment(GstEvent* event, GstClockTime by) {
  GstSegment segment;
  gst_event_copy_segment(event, &segment);
  segment.base += by;
  return InPlaceOf(event, gst_event_new_segment(&segment));
}

void AddProbe(GstElement* element, const char* pad_name, GstPadProbeType type,
              GstPadProbeCallback probe, gpointer data) {
  GstPad* pad = gst_element_get_static_pad(element, pad_name);
  gst_pad_add_probe(pad, type, probe, data, nullptr);
  gst_object_unref(pad);
}

void AddGhostPad(GstElement* bin, GstElement* inner, const char* name) {
  GstPad* target = gst_element_get_static_pad(inner, name);
  gst_element_add_pad(
      bin, gst_ghost_pad_new_from_template(name, target, gst_element_get_pad_template(bin, name)));
  gst_object_unref(target);
}

}  // namespace rill

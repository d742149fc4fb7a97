#include "plugins/row_output.h"

#include <algorithm>

#include "plugins/tensor_caps.h"

namespace rill {
namespace {

GstCaps* UnixTime() {
  static GstStaticCaps unix_time = GST_STATIC_CAPS("timestamp/x-unix");
  return gst_static_caps_get(&unix_time);
}

gboolean SrcEvent(GstPad* pad, GstObject* parent, GstEvent* event) {
  if (GST_EVENT_TYPE(event) != GST_EVENT_SEEK) return gst_pad_event_default(pad, parent, event);
  gst_event_unref(event);
  return FALSE;
}

gboolean SrcQuery(GstPad* pad, GstObject* parent, GstQuery* query) {
  switch (GST_QUERY_TYPE(query)) {
    case GST_QUERY_SEEKING: {
      GstFormat format = GST_FORMAT_UNDEFINED;
      gst_query_parse_seeking(query, &format, nullptr, nullptr, nullptr);
      gst_query_set_seeking(query, format, FALSE, 0, -1);
      return TRUE;
    }
    case GST_QUERY_DURATION:
    case GST_QUERY_POSITION:
    case GST_QUERY_CONVERT: return FALSE;  // the input's are bytes
    default: return gst_pad_query_default(pad, parent, query);
  }
}

}  // namespace

RowOutput::RowOutput(GstPad* pad) : pad_(pad) {
  gst_pad_set_event_function(pad, GST_DEBUG_FUNCPTR(SrcEvent));
  gst_pad_set_query_function(pad, GST_DEBUG_FUNCPTR(SrcQuery));
  gst_pad_use_fixed_caps(pad);
}

void RowOutput::ForgetTime() {
  first_ns_.reset();
  arrival_ns_.reset();
  last_pts_ = base_ = 0;
  discont_ = true;
}

void RowOutput::Reset() {
  for (GstEvent* event : held_) gst_event_unref(event);
  held_.clear();
  caps_sent_ = false;
  ForgetTime();
}

void RowOutput::Open(const std::vector<std::string>& columns) {
  if (!caps_sent_) {
    GstCaps* caps = ToGstCaps({.type = TensorType::kFloat64,
                               .dimensions = {static_cast<uint32_t>(columns.size()), 1, 1, 1},
                               .modality = "sensor",
                               .columns = columns});
    gst_pad_push_event(pad_, gst_event_new_caps(caps));
    gst_caps_unref(caps);
  }
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.base = base_;
  gst_pad_push_event(pad_, gst_event_new_segment(&segment));
  caps_sent_ = true;
  for (GstEvent* event : held_) gst_pad_push_event(pad_, event);
  held_.clear();
}

GstFlowReturn RowOutput::Push(const Row& row, const std::vector<std::string>& columns) {
  if (!first_ns_) {
    first_ns_ = row.unix_ns;
    Open(columns);
  }
  const size_t bytes = row.values.size() * sizeof(double);
  GstBuffer* buffer = gst_buffer_new_allocate(nullptr, bytes, nullptr);
  gst_buffer_fill(buffer, 0, row.values.data(), bytes);
  last_pts_ = static_cast<GstClockTime>(row.unix_ns) - static_cast<GstClockTime>(*first_ns_);
  GST_BUFFER_PTS(buffer) = last_pts_;
  if (discont_) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
  discont_ = false;
  if (row.unix_ns >= 0) {  // the meta has no sign
    GstCaps* reference = UnixTime();
    gst_buffer_add_reference_timestamp_meta(
        buffer, reference, static_cast<GstClockTime>(row.unix_ns), GST_CLOCK_TIME_NONE);
    gst_caps_unref(reference);
  }
  return gst_pad_push(pad_, buffer);
}

gboolean RowOutput::PushInOrder(GstEvent* event) {
  if (caps_sent_) return gst_pad_push_event(pad_, event);
  held_.push_back(event);
  return TRUE;
}

gboolean RowOutput::PushGap(GstEvent* event) {
  GstClockTime pts = 0;
  GstClockTime duration = GST_CLOCK_TIME_NONE;
  gst_event_parse_gap(event, &pts, &duration);
  gst_event_unref(event);
  if (!first_ns_ || !arrival_ns_) return TRUE;  // no time line that the gap could stand on
  const GstClockTime shifted = pts > first_pts_ ? pts - first_pts_ : 0;
  return gst_pad_push_event(pad_, gst_event_new_gap(std::max(shifted, last_pts_), duration));
}

std::optional<int64_t> RowOutput::Arrival(GstBuffer* buffer, const GstSegment& segment) {
  const GstClockTime pts = GST_BUFFER_PTS(buffer);
  if (segment.format != GST_FORMAT_TIME || !GST_CLOCK_TIME_IS_VALID(pts)) return std::nullopt;
  if (!arrival_ns_) {
    GstCaps* reference = UnixTime();
    const auto* meta = gst_buffer_get_reference_timestamp_meta(buffer, reference);
    gst_caps_unref(reference);
    arrival_ns_ =
        meta == nullptr ? g_get_real_time() * 1000 : static_cast<int64_t>(meta->timestamp);
    first_pts_ = pts;
    const guint64 base = gst_segment_to_running_time(&segment, GST_FORMAT_TIME, pts);
    base_ = GST_CLOCK_TIME_IS_VALID(base) ? base : 0;
  }
  return *arrival_ns_ + static_cast<int64_t>(pts - first_pts_);
}

}  // namespace rill

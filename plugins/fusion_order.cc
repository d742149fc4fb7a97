#include "plugins/fusion_order.h"

#include <algorithm>
#include <cmath>

namespace rill {
namespace {

// None in a segment of another format.
GstClockTime TimeOf(GstAggregatorPad* pad, GstBuffer* buffer) {
  if (pad->segment.format != GST_FORMAT_TIME) return GST_CLOCK_TIME_NONE;
  return gst_segment_to_running_time(&pad->segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
}

// What a pad has to offer; no pad when nothing.
NextFrame Offer(const FusedPosition& position, GstAggregatorPad* pad, bool kept_first) {
  if (const FusedFrame* frame = position.Front(GST_OBJECT_NAME(pad))) {
    const bool at_once = kept_first || !GST_CLOCK_TIME_IS_VALID(frame->time);
    return {pad, frame->time, at_once ? 0 : frame->time, true};
  }
  const BufferOwner buffer(kept_first ? nullptr : gst_aggregator_pad_peek_buffer(pad));
  if (!buffer) return {};
  // A frame without a time comes at once: there is nothing to wait for. A GAP stays until all
  // before its end has been taken, so that its pad is not waited for that long.
  const GstClockTime time = TimeOf(pad, buffer.get());
  GstClockTime rank = GST_CLOCK_TIME_IS_VALID(time) ? time : 0;
  if (IsGap(buffer.get()) && GST_BUFFER_DURATION_IS_VALID(buffer.get())) {
    const double length =
        static_cast<double>(GST_BUFFER_DURATION(buffer.get())) / std::abs(pad->segment.rate);
    rank += static_cast<GstClockTime>(std::min(length, static_cast<double>(G_MAXINT64)));
  }
  return {pad, time, rank};
}

// Whether a pad's queue is at an earlier time than a restored stream was: it has another clock, and
// what the snapshot kept comes before all else.
bool IsElsewhere(const FusedPosition& position, GList* pads) {
  if (position.kept.empty()) return false;
  for (GList* item = pads; item != nullptr; item = item->next) {
    auto* pad = static_cast<GstAggregatorPad*>(item->data);
    const BufferOwner buffer(gst_aggregator_pad_peek_buffer(pad));
    const GstClockTime time = buffer ? TimeOf(pad, buffer.get()) : GST_CLOCK_TIME_NONE;
    if (GST_CLOCK_TIME_IS_VALID(time) && time < position.newest) return true;
  }
  return false;
}

}  // namespace

bool IsGap(GstBuffer* buffer) { return gst_buffer_get_size(buffer) == 0; }

NextFrame EarliestFrame(GstElement* fusion, const FusedPosition& position) {
  NextFrame next;
  GST_OBJECT_LOCK(fusion);
  const bool kept_first = IsElsewhere(position, fusion->sinkpads);
  for (GList* item = fusion->sinkpads; item != nullptr; item = item->next) {
    const NextFrame offer = Offer(position, static_cast<GstAggregatorPad*>(item->data), kept_first);
    if (offer.pad != nullptr && (next.pad == nullptr || offer.rank < next.rank)) next = offer;
  }
  if (next.pad != nullptr) gst_object_ref(next.pad);
  GST_OBJECT_UNLOCK(fusion);
  return next;
}

}  // namespace rill

// SPDX-License-Identifier: Apache-2.0
/**
 * SECTION:element-lfmimageenc
 *
 * Pictures of any size to the frames of a model: one a picture, stamped like it. Size, shape and
 * colours are brought to what the model wants; rows may be padded. With `max-rate` pictures are
 * dropped before they cost anything: of those that come faster the first of each interval is taken,
 * by their running times. A picture that a decoder marks as corrupted is counted and passed over,
 * with one warning a stream. In place of a picture that is not taken a GAP leaves.
 *
 * |[
 * gst-launch-1.0 -q filesrc location=photo.jpg ! decodebin ! videoconvert ! lfmimageenc
 * model-path=pictures ! lfmbackbone model-path=pictures ! lfmclassify model-path=pictures ! fdsink
 * gst-launch-1.0 -q v4l2src ! videoconvert ! lfmimageenc model-path=pictures max-rate=5 !
 *     lfmbackbone model-path=pictures ! lfmclassify model-path=pictures ! fdsink sync=false
 * ]|
 */
#include "pipeline/image_stage.h"

#include "plugins/classify_properties.h"
#include "plugins/element.h"
#include "plugins/frame_meta.h"
#include "plugins/stage_element.h"
#include "plugins/stage_properties.h"
#include "plugins/tensor_caps.h"
#include "plugins/video_input.h"

namespace {

struct Stream {
  std::optional<rill::ImageStage> image;
  std::optional<rill::ImageFitter> fitter;
  std::optional<rill::FrameBlock> block;
  GstVideoInfo info{};
  GstSegment segment{};
  GstClockTime next = GST_CLOCK_TIME_NONE;  // the first time at which `max-rate` allows a picture
  bool discont = true, warned = false;
};

struct Impl {
  gdouble max_rate = 0;                // GST_OBJECT_LOCK
  uint64_t frames = 0, corrupted = 0;  // GST_OBJECT_LOCK
  uint64_t dropped = 0;                // GST_OBJECT_LOCK
  Stream stream;                       // streaming thread only; empty until caps are known
};

Impl& Of(gpointer element) { return rill::ImplOf<Impl>(element); }

enum : guint { kMaxRate = 1, kStats };

void Forget(GstElement* element) {
  Stream& stream = Of(element).stream;
  if (stream.image) stream.image->Reset();
  stream.discont = true;
}

rill::Result<void> Restore(GstElement* element, const rill::Snapshot& snapshot) {
  return Of(element).stream.image->Restore(snapshot);
}

void Count(GstElement* element, uint64_t Impl::*counter) {
  GST_OBJECT_LOCK(element);
  ++(Of(element).*counter);
  GST_OBJECT_UNLOCK(element);
}

// Whether the picture of that running time comes before the interval of the last one has passed.
bool IsTooSoon(GstElement* element, GstClockTime time) {
  constexpr gdouble kLongest = G_MAXINT64 / 2;
  Stream& stream = Of(element).stream;
  GST_OBJECT_LOCK(element);
  const gdouble rate = Of(element).max_rate;
  GST_OBJECT_UNLOCK(element);
  if (rate == 0 || !GST_CLOCK_TIME_IS_VALID(time)) return false;
  const auto interval =
      static_cast<GstClockTime>(std::min(static_cast<gdouble>(GST_SECOND) / rate, kLongest));
  // The grid of intervals goes on, so that jitter does not lower the rate; a pause begins another,
  // and so do times that go back by more than jitter.
  const bool known = GST_CLOCK_TIME_IS_VALID(stream.next) && time + interval >= stream.next;
  if (known && time < stream.next) return true;
  const bool late = !known || time - stream.next >= interval;
  stream.next = (late ? time : stream.next) + interval;
  return false;
}

// A picture that nobody wants or can use.
bool IsToSkip(GstElement* element, GstBuffer* buffer) {
  Stream& stream = Of(element).stream;
  const GstClockTime pts = GST_BUFFER_PTS(buffer);
  if (GST_CLOCK_TIME_IS_VALID(pts) &&
      gst_segment_clip(
          &stream.segment, GST_FORMAT_TIME, pts,
          GST_BUFFER_DURATION_IS_VALID(buffer) ? pts + GST_BUFFER_DURATION(buffer) : pts, nullptr,
          nullptr) == FALSE)
    return true;
  if (GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_CORRUPTED)) {
    Count(element, &Impl::corrupted);
    if (!std::exchange(stream.warned, true))
      GST_ELEMENT_WARNING(element, STREAM, DECODE,
                          ("a corrupted picture is passed over, the %" G_GINT64_FORMAT ". so far",
                           gint64{stream.image->position() + 1}),
                          (nullptr));
    return true;
  }
  if (!IsTooSoon(element, gst_segment_to_running_time(&stream.segment, GST_FORMAT_TIME, pts)))
    return false;
  Count(element, &Impl::dropped);
  return true;
}

GstFlowReturn Take(GstElement* element, rill::BufferOwner buffer) {
  rill::Stage& stage = rill::StageOf(element);
  Stream& stream = Of(element).stream;
  if (GST_BUFFER_IS_DISCONT(buffer.get())) {
    if (!stage.fresh && rill::WantsReset(element, stage, rill::kResetOnDiscont)) Forget(element);
    stream.discont = true;
  }
  if (IsToSkip(element, buffer.get())) {
    if (GST_BUFFER_PTS_IS_VALID(buffer.get()))
      gst_pad_push_event(
          rill::SourceOf(element),
          gst_event_new_gap(GST_BUFFER_PTS(buffer.get()), GST_BUFFER_DURATION(buffer.get())));
    return GST_FLOW_OK;
  }
  const rill::MappedPicture mapped(buffer.get(), stream.info);
  if (!mapped)
    return rill::Fail(
        element, GST_STREAM_ERROR_FORMAT,
        rill::Error{"a buffer of " + std::to_string(gst_buffer_get_size(buffer.get())) +
                    " bytes does not hold the picture of " +
                    std::to_string(GST_VIDEO_INFO_WIDTH(&stream.info)) + " x " +
                    std::to_string(GST_VIDEO_INFO_HEIGHT(&stream.info)) +
                    " that its caps tell of"});
  const rill::Result<std::span<const uint8_t>> pixels = stream.fitter->Run(mapped.picture());
  if (!pixels) return rill::Fail(element, GST_STREAM_ERROR_FORMAT, pixels.error());
  stream.image->Run(*pixels, *stream.block);
  stage.fresh = false;
  GstBuffer* out = rill::WriteFrame(
      *stream.block,
      {.modality = rill::Modality::kImage, .due = true, .position = stream.image->position()});
  GST_BUFFER_PTS(out) = GST_BUFFER_PTS(buffer.get());
  GST_BUFFER_DURATION(out) = GST_BUFFER_DURATION(buffer.get());
  if (std::exchange(stream.discont, false)) GST_BUFFER_FLAG_SET(out, GST_BUFFER_FLAG_DISCONT);
  Count(element, &Impl::frames);
  return gst_pad_push(rill::SourceOf(element), out);
}

rill::Result<GstCaps*> SetCaps(GstElement* element, const GstCaps* caps) {
  rill::Stage& stage = rill::StageOf(element);
  Stream& stream = Of(element).stream;
  const rill::Result<GstVideoInfo> info = rill::ReadVideoCaps(caps, stage.model->name());
  if (!info) return info.error();
  const uint32_t width = static_cast<uint32_t>(stage.model->backbone().width());
  if (!stream.image) {
    rill::Result<rill::ImageStage> image = rill::ImageStage::Open(stage.model);
    if (!image) return image.error();
    stream.image.emplace(std::move(*image));
    stream.fitter.emplace(stream.image->config());
    stream.block.emplace(1, width);
  }
  stream.info = *info;
  // With `max-rate` what leaves may be irregular.
  GST_OBJECT_LOCK(element);
  const bool regular = Of(element).max_rate == 0;
  GST_OBJECT_UNLOCK(element);
  return rill::ToGstCaps({.dimensions = {width, 1, 1, 1},
                          .framerate_numerator = regular ? GST_VIDEO_INFO_FPS_N(&*info) : 0,
                          .framerate_denominator = regular ? GST_VIDEO_INFO_FPS_D(&*info) : 1,
                          .lfm_space = stage.model->space() + "/embedding",
                          .modality = "image"});
}

GstEvent* Event(GstElement* element, GstEvent* event) {
  Stream& stream = Of(element).stream;
  if (GST_EVENT_TYPE(event) == GST_EVENT_SEGMENT) {
    event = rill::WithTimes(event);
    gst_event_copy_segment(event, &stream.segment);
  }
  if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_STOP) {
    stream.discont = true;
    stream.next = GST_CLOCK_TIME_NONE;
  }
  if (!rill::IsEvent(event, rill::kSnapshotEvent) || !stream.image) return event;
  const rill::Stage& stage = rill::StageOf(element);
  int64_t position = stream.image->position();
  event = rill::AddPart(event, rill::PartToSave(element, stage, stream.image->Save(), &position));
  rill::SetOrigin(event, stage.model->fingerprint(), position);
  return event;
}

// Pictures may have padded rows. Any video is accepted, so that SetCaps() can say what is wrong
// with it.
bool Answer(GstElement*, GstQuery* query) {
  if (GST_QUERY_TYPE(query) == GST_QUERY_ACCEPT_CAPS) {
    GstCaps* caps = nullptr;
    gst_query_parse_accept_caps(query, &caps);
    const bool video = gst_structure_has_name(gst_caps_get_structure(caps, 0), "video/x-raw");
    gst_query_set_accept_caps_result(query, video);
    return true;
  }
  if (GST_QUERY_TYPE(query) != GST_QUERY_ALLOCATION) return false;
  gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr);
  return true;
}

rill::Result<void> Open(GstElement* element) {
  const rill::Model& model = *rill::StageOf(element).model;
  if (model.image() == nullptr) return model.weights().Complain("the model has no image encoder");
  Impl& self = Of(element);
  gst_segment_init(&self.stream.segment, GST_FORMAT_TIME);
  GST_OBJECT_LOCK(element);
  self.frames = self.corrupted = self.dropped = 0;
  GST_OBJECT_UNLOCK(element);
  return {};
}

void Close(GstElement* element) { Of(element).stream = {}; }

void SetProperty(GstElement* element, guint id, const GValue* value) {
  if (id == kMaxRate) Of(element).max_rate = g_value_get_double(value);
}

void GetProperty(GstElement* element, guint id, GValue* value) {
  const Impl& self = Of(element);
  if (id == kMaxRate) g_value_set_double(value, self.max_rate);
  if (id == kStats)
    g_value_take_boxed(value, gst_structure_new("stats", "frames", G_TYPE_UINT64, self.frames,
                                                "dropped", G_TYPE_UINT64, self.dropped, "corrupted",
                                                G_TYPE_UINT64, self.corrupted, nullptr));
}

void Describe(GstElementClass* element_class) {
  GObjectClass* object = G_OBJECT_CLASS(element_class);
  g_object_class_install_property(object, kMaxRate, rill::MaxRateSpec());
  g_object_class_install_property(object, kStats, rill::ImageStatsSpec());
  rill::AddPadTemplate(element_class, "sink", GST_PAD_SINK, {rill::kVideoCaps});
  rill::AddPadTemplate(element_class, "src", GST_PAD_SRC, {rill::kFloat32TensorCaps});
  gst_element_class_set_static_metadata(element_class, "Image encoder", "Filter/Converter/Video",
                                        "Turns pictures into the frames of a model", "Rill");
}

constexpr rill::StageInfo kInfo = {.impl = rill::kImpl<Impl>,
                                   .usual_model = rill::kDefaultImageModel,
                                   .describe = Describe,
                                   .open = Open,
                                   .close = Close,
                                   .forget = Forget,
                                   .part = "image",
                                   .restore = Restore,
                                   .set_caps = SetCaps,
                                   .take = Take,
                                   .event = Event,
                                   .set_property = SetProperty,
                                   .get_property = GetProperty,
                                   .answer = Answer};

GType Type() {
  static const GType type = rill::RegisterStage("LfmImageEnc", kInfo);
  return type;
}

}  // namespace

GST_ELEMENT_REGISTER_DEFINE(lfmimageenc, "lfmimageenc", GST_RANK_NONE, Type())

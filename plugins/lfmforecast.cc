// SPDX-License-Identifier: Apache-2.0
/**
 * SECTION:element-lfmforecast
 *
 * Hidden frames to forecasts: quantiles of the next `horizon` steps of every channel, one buffer
 * for each frame on which a forecast is due, stamped with the last row seen and lasting as long as
 * the forecast reaches. In a live pipeline one that comes later than the latency allows is told by
 * a WARNING with the details lfm/excessive-delay. Buffers are other/tensors, or JSON lines; a
 * message lfm-forecast with the same values can go to the application. Frames on which none is due
 * are taken in only.
 *
 * |[
 * gst-launch-1.0 -q filesrc location=ETTh1.csv ! lfmsensorparse ! lfmsensorenc every=168 !
 *     lfmbackbone ! lfmforecast horizon=24 format=json ! fdsink
 * gst-launch-1.0 -m filesrc location=ETTh1.csv ! lfmsensorparse ! lfmsensorenc every=0 !
 *     lfmbackbone ! lfmforecast messages=true ! fakesink
 * ]|
 */
#include "pipeline/forecast.h"

#include "plugins/element.h"
#include "plugins/forecast_output.h"
#include "plugins/frame_meta.h"
#include "plugins/punctuality.h"
#include "plugins/stage_element.h"
#include "plugins/stage_properties.h"

GST_DEBUG_CATEGORY_STATIC(lfm_forecast_debug);
#define GST_CAT_DEFAULT lfm_forecast_debug

namespace {

struct Settings {
  guint horizon = 0;
  guint64 step_ns = 0;
  rill::ForecastFormat format = rill::ForecastFormat::kTensors;
  bool messages = true;
  guint64 message_interval_ns = 0;
  bool qos = false;
};

struct Stream {
  std::optional<rill::ForecastStage> head;
  std::optional<rill::FrameBlock> block;
  std::vector<std::string> columns;
  size_t horizon = 0;
  rill::ForecastFormat format = rill::ForecastFormat::kTensors;
  GstSegment segment{};
  bool discont = true;
  rill::MessageLimit limit;
};

struct Impl {
  Settings settings;  // GST_OBJECT_LOCK
  Stream stream;      // streaming thread only; empty until caps are known
  rill::Punctuality punctuality;
};

struct LfmForecast {
  rill::StageElement parent;
  Impl* impl;
};
struct LfmForecastClass {
  rill::StageElementClass parent;
};

G_DEFINE_TYPE(LfmForecast, lfm_forecast, rill::StageElementType())

Impl& Of(gpointer object) { return *static_cast<LfmForecast*>(object)->impl; }

enum : guint {
  kHorizon = 1,
  kStep,
  kFormat,
  kMessages,
  kMessageInterval,
  kQos,
  kMaxObservedDelay,
};

Settings Copy(gpointer object) {
  GST_OBJECT_LOCK(object);
  const Settings settings = Of(object).settings;
  GST_OBJECT_UNLOCK(object);
  return settings;
}

void Forget(GstElement* element) {
  Stream& stream = Of(element).stream;
  if (stream.head) stream.head->Reset();
  stream.discont = true;
}

// Restores or resets as the properties and the buffer say.
rill::Result<void> Prepare(GstElement* element, GstBuffer* buffer) {
  rill::Stage& stage = rill::StageOf(element);
  Stream& stream = Of(element).stream;
  if (const auto snapshot = rill::TakeRestore(element, stage)) {
    if (!*snapshot) return snapshot->error();
    if (rill::Result<void> ok = stream.head->Restore(**snapshot); !ok) return ok;
    stage.fresh = true;
  }
  if (GST_BUFFER_IS_DISCONT(buffer)) {
    if (!stage.fresh && rill::WantsReset(element, stage, rill::kResetOnDiscont)) Forget(element);
    stream.discont = true;
  }
  stage.fresh = false;
  return {};
}

GstFlowReturn Send(GstElement* element, const rill::Forecast& forecast, const Settings& settings,
                   const rill::FrameNotes& notes, GstBuffer* frame) {
  Stream& stream = Of(element).stream;
  GstBuffer* buffer = rill::ForecastBuffer(stream.format, forecast, stream.columns);
  GST_BUFFER_PTS(buffer) = GST_BUFFER_PTS(frame);
  if (const std::optional<int64_t> unix_ns = rill::UnixTime(frame))
    rill::SetUnixTime(buffer, *unix_ns);
  if (std::exchange(stream.discont, false)) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
  const GstClockTime running_time =
      gst_segment_to_running_time(&stream.segment, GST_FORMAT_TIME, GST_BUFFER_PTS(frame));
  if (settings.messages && stream.limit.Allows(settings.message_interval_ns))
    gst_element_post_message(element, rill::ForecastMessage(GST_OBJECT(element), forecast,
                                                            stream.columns, running_time));
  // What the end of the rows made due waited for nothing but the end.
  if (!notes.drained && Of(element).punctuality.Send(element, running_time))
    g_object_notify(G_OBJECT(element), "max-observed-delay");
  return gst_pad_push(rill::SourceOf(element), buffer);
}

GstFlowReturn Take(GstElement* element, GstBuffer* buffer) {
  Stream& stream = Of(element).stream;
  const rill::BufferOwner owner(buffer);
  if (!stream.head) return GST_FLOW_NOT_NEGOTIATED;
  if (const auto ready = Prepare(element, buffer); !ready)
    return rill::Fail(element, GST_RESOURCE_ERROR_READ, ready.error());
  const rill::Result<rill::FrameNotes> notes = rill::ReadFrame(buffer, *stream.block);
  if (!notes) return rill::Fail(element, GST_STREAM_ERROR_FORMAT, notes.error());
  if (notes->use == rill::FrameUse::kKept) stream.head->Keep(*stream.block);
  if (!notes->due) return GST_FLOW_OK;
  const Settings settings = Copy(element);
  if (settings.qos && !notes->drained &&
      Of(element).punctuality.IsTooLate(element, stream.segment, GST_BUFFER_PTS(buffer))) {
    stream.discont = true;
    return GST_FLOW_OK;
  }

  rill::Result<rill::Forecast> forecast = notes->use == rill::FrameUse::kRepeated
                                              ? stream.head->RunKept(stream.horizon)
                                              : stream.head->Run(*stream.block, stream.horizon);
  if (!forecast) return rill::Fail(element, GST_STREAM_ERROR_DECODE, forecast.error());
  forecast->position = notes->position;
  if (settings.step_ns > 0) forecast->step_ns = static_cast<int64_t>(settings.step_ns);
  return Send(element, *forecast, settings, *notes, buffer);
}

rill::Result<GstCaps*> SetCaps(GstElement* element, const GstCaps* caps) {
  rill::Stage& stage = rill::StageOf(element);
  Stream& stream = Of(element).stream;
  const rill::Result<rill::TensorCaps> frames = rill::CheckFrameCaps(caps, *stage.model, "hidden");
  if (!frames) return frames.error();
  const size_t channels = frames->Channels();
  if (!stream.head || stream.block->scales.size() != channels ||
      stream.columns != frames->columns) {
    rill::Result<rill::ForecastStage> head = rill::ForecastStage::Open(stage.model, channels);
    if (!head) return head.error();
    stream.head.emplace(std::move(*head));
    stream.block.emplace(channels, stage.model->backbone().width());
    stage.fresh = true;
  }
  const Settings settings = Copy(element);
  stream.columns = frames->columns;
  stream.horizon = settings.horizon == 0 ? stream.head->horizon() : settings.horizon;
  stream.format = settings.format;
  return rill::ForecastCaps(stream.format, *frames, *stage.model, stream.horizon);
}

std::vector<rill::Snapshot::Part> Parts(GstElement* element) {
  const std::optional<rill::ForecastStage>& head = Of(element).stream.head;
  if (!head) return {};
  return {rill::PartToSave(element, rill::StageOf(element), head->Save())};
}

GstEvent* Event(GstElement* element, GstEvent* event) {
  Stream& stream = Of(element).stream;
  const GstStructure* fields = gst_event_get_structure(event);
  if (GST_EVENT_TYPE(event) == GST_EVENT_SEGMENT) {
    gst_event_copy_segment(event, &stream.segment);
    Of(element).punctuality.NewSegment(element);
  }
  if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_STOP) {
    stream.discont = true;
    Of(element).punctuality.Flush(element);
  }
  if (rill::IsEvent(event, rill::kSnapshotEvent))
    rill::PostSnapshot(element, fields, Parts(element));
  if (rill::IsEvent(event, rill::kMarkerEvent)) rill::PostMarker(element, fields);
  return event;
}

gboolean SourceEvent(GstPad* pad, GstObject* parent, GstEvent* event) {
  GstPad* sink = gst_element_get_static_pad(GST_ELEMENT(parent), "sink");
  Of(parent).punctuality.Hear(GST_ELEMENT(parent), sink, event);
  gst_object_unref(sink);
  return gst_pad_event_default(pad, parent, event);
}

// What can be said before a stream: the model has the head, and the horizon is one of its.
rill::Result<void> Open(GstElement* element) {
  const rill::Model& model = *rill::StageOf(element).model;
  const size_t horizon = Copy(element).horizon;
  if (model.forecast() == nullptr)
    return model.weights().Complain("the model has no forecast head");
  if (horizon > model.forecast()->horizon())
    return rill::Error{"a horizon of " + std::to_string(horizon) +
                       " steps, the model forecasts 1 to " +
                       std::to_string(model.forecast()->horizon())};
  gst_segment_init(&Of(element).stream.segment, GST_FORMAT_TIME);
  return {};
}

void Close(GstElement* element) {
  Of(element).stream = {};
  Of(element).punctuality.Reset(element);
}

void SetProperty(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
  Impl& self = Of(object);
  GST_OBJECT_LOCK(object);
  switch (id) {
    case kHorizon: self.settings.horizon = g_value_get_uint(value); break;
    case kStep: self.settings.step_ns = g_value_get_uint64(value); break;
    case kFormat:
      self.settings.format = static_cast<rill::ForecastFormat>(g_value_get_enum(value));
      break;
    case kMessages: self.settings.messages = g_value_get_boolean(value) == TRUE; break;
    case kMessageInterval: self.settings.message_interval_ns = g_value_get_uint64(value); break;
    case kQos: self.settings.qos = g_value_get_boolean(value) == TRUE; break;
    default: G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
  GST_OBJECT_UNLOCK(object);
}

void GetProperty(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  const Settings settings = Copy(object);
  switch (id) {
    case kHorizon: g_value_set_uint(value, settings.horizon); break;
    case kStep: g_value_set_uint64(value, settings.step_ns); break;
    case kFormat: g_value_set_enum(value, static_cast<gint>(settings.format)); break;
    case kMessages: g_value_set_boolean(value, settings.messages); break;
    case kMessageInterval: g_value_set_uint64(value, settings.message_interval_ns); break;
    case kQos: g_value_set_boolean(value, settings.qos); break;
    case kMaxObservedDelay:
      g_value_set_uint64(value, Of(object).punctuality.max_delay(GST_ELEMENT(object)));
      break;
    default: G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

void lfm_forecast_init(LfmForecast* element) {
  element->impl = new Impl;
  gst_pad_set_event_function(rill::SourceOf(element), SourceEvent);
}

void Finalize(GObject* object) {
  delete &Of(object);
  G_OBJECT_CLASS(lfm_forecast_parent_class)->finalize(object);
}

void lfm_forecast_class_init(LfmForecastClass* element_class) {
  GST_DEBUG_CATEGORY_INIT(lfm_forecast_debug, "lfmforecast", 0, "hidden frames to forecasts");
  GObjectClass* object = G_OBJECT_CLASS(element_class);
  object->set_property = SetProperty;
  object->get_property = GetProperty;
  object->finalize = Finalize;
  g_object_class_install_property(object, kHorizon, rill::HorizonSpec());
  g_object_class_install_property(object, kStep, rill::StepSpec());
  g_object_class_install_property(object, kFormat,
                                  rill::FormatSpec(rill::ForecastFormat::kTensors));
  g_object_class_install_property(object, kMessages, rill::MessagesSpec());
  g_object_class_install_property(object, kMessageInterval, rill::MessageIntervalSpec());
  g_object_class_install_property(object, kQos, rill::QosSpec());
  g_object_class_install_property(object, kMaxObservedDelay, rill::MaxObservedDelaySpec());
  rill::StageElementClass& stage = element_class->parent;
  stage.open = Open;
  stage.close = Close;
  stage.forget = Forget;
  stage.set_caps = SetCaps;
  stage.take = Take;
  stage.event = Event;
  GstElementClass* base = GST_ELEMENT_CLASS(element_class);
  rill::AddPadTemplate(base, "sink", GST_PAD_SINK, {rill::kFloat32TensorCaps});
  rill::AddPadTemplate(base, "src", GST_PAD_SRC, {rill::kFloat32TensorCaps, rill::kJsonCaps});
  gst_element_class_set_static_metadata(base, "Forecast head", "Filter/Converter",
                                        "Forecasts sensor channels as quantiles", "Rill");
}

}  // namespace

GST_ELEMENT_REGISTER_DEFINE(lfmforecast, "lfmforecast", GST_RANK_NONE, lfm_forecast_get_type())

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

Impl& Of(gpointer element) { return rill::ImplOf<Impl>(element); }

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

rill::Result<void> Restore(GstElement* element, const rill::Snapshot& snapshot) {
  return Of(element).stream.head->Restore(snapshot);
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

GstFlowReturn Take(GstElement* element, rill::BufferOwner buffer) {
  rill::Stage& stage = rill::StageOf(element);
  Stream& stream = Of(element).stream;
  const rill::Result<rill::FrameNotes> notes = rill::ReadFrame(buffer.get(), *stream.block);
  if (!notes) return rill::Fail(element, GST_STREAM_ERROR_FORMAT, notes.error());
  if (notes->modality != rill::Modality::kSensor) return GST_FLOW_OK;
  if (GST_BUFFER_IS_DISCONT(buffer.get())) {
    if (!stage.fresh && rill::WantsReset(element, stage, rill::kResetOnDiscont)) Forget(element);
    stream.discont = true;
  }
  stage.fresh = false;
  if (notes->use == rill::FrameUse::kKept) stream.head->Keep(*stream.block);
  if (!notes->due) return GST_FLOW_OK;
  const Settings settings = Copy(element);
  if (settings.qos && !notes->drained &&
      Of(element).punctuality.IsTooLate(element, stream.segment, GST_BUFFER_PTS(buffer.get()))) {
    stream.discont = true;
    return GST_FLOW_OK;
  }

  rill::Result<rill::Forecast> forecast = notes->use == rill::FrameUse::kRepeated
                                              ? stream.head->RunKept(stream.horizon)
                                              : stream.head->Run(*stream.block, stream.horizon);
  if (!forecast) return rill::Fail(element, GST_STREAM_ERROR_DECODE, forecast.error());
  forecast->position = notes->position;
  if (settings.step_ns > 0) forecast->step_ns = static_cast<int64_t>(settings.step_ns);
  return Send(element, *forecast, settings, *notes, buffer.get());
}

rill::Result<GstCaps*> SetCaps(GstElement* element, const GstCaps* caps) {
  rill::Stage& stage = rill::StageOf(element);
  Stream& stream = Of(element).stream;
  const rill::Result<rill::TensorCaps> frames = rill::CheckHiddenCaps(caps, *stage.model, "sensor");
  if (!frames) return frames.error();
  const size_t channels = frames->Channels();
  // In a fused stream the names may come after the caps of others.
  const bool renamed = !stream.columns.empty() && stream.columns != frames->columns;
  if (!stream.head || stream.block->scales.size() != channels || renamed) {
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

GstEvent* Hear(GstElement* element, GstEvent* event) {
  Of(element).punctuality.Hear(element, rill::SinkOf(element), event);
  return event;
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

void SetProperty(GstElement* element, guint id, const GValue* value) {
  Settings& settings = Of(element).settings;
  switch (id) {
    case kHorizon: settings.horizon = g_value_get_uint(value); break;
    case kStep: settings.step_ns = g_value_get_uint64(value); break;
    case kFormat:
      settings.format = static_cast<rill::ForecastFormat>(g_value_get_enum(value));
      break;
    case kMessages: settings.messages = g_value_get_boolean(value) == TRUE; break;
    case kMessageInterval: settings.message_interval_ns = g_value_get_uint64(value); break;
    case kQos: settings.qos = g_value_get_boolean(value) == TRUE; break;
    default: break;
  }
}

void GetProperty(GstElement* element, guint id, GValue* value) {
  const Settings& settings = Of(element).settings;
  switch (id) {
    case kHorizon: g_value_set_uint(value, settings.horizon); break;
    case kStep: g_value_set_uint64(value, settings.step_ns); break;
    case kFormat: g_value_set_enum(value, static_cast<gint>(settings.format)); break;
    case kMessages: g_value_set_boolean(value, settings.messages); break;
    case kMessageInterval: g_value_set_uint64(value, settings.message_interval_ns); break;
    case kQos: g_value_set_boolean(value, settings.qos); break;
    case kMaxObservedDelay: g_value_set_uint64(value, Of(element).punctuality.max_delay()); break;
    default: break;
  }
}

void Describe(GstElementClass* element_class) {
  GObjectClass* object = G_OBJECT_CLASS(element_class);
  g_object_class_install_property(object, kHorizon, rill::HorizonSpec());
  g_object_class_install_property(object, kStep, rill::StepSpec());
  g_object_class_install_property(object, kFormat,
                                  rill::FormatSpec(rill::ForecastFormat::kTensors));
  g_object_class_install_property(object, kMessages, rill::MessagesSpec());
  g_object_class_install_property(object, kMessageInterval, rill::MessageIntervalSpec());
  g_object_class_install_property(object, kQos, rill::QosSpec());
  g_object_class_install_property(object, kMaxObservedDelay, rill::MaxObservedDelaySpec());
  rill::AddPadTemplate(element_class, "sink", GST_PAD_SINK, {rill::kFloat32TensorCaps});
  rill::AddPadTemplate(element_class, "src", GST_PAD_SRC,
                       {rill::kFloat32TensorCaps, rill::kJsonCaps});
  gst_element_class_set_static_metadata(element_class, "Forecast head", "Filter/Converter",
                                        "Forecasts sensor channels as quantiles", "Rill");
}

constexpr rill::StageInfo kInfo = {.impl = rill::kImpl<Impl>,
                                   .describe = Describe,
                                   .open = Open,
                                   .close = Close,
                                   .forget = Forget,
                                   .restore = Restore,
                                   .set_caps = SetCaps,
                                   .take = Take,
                                   .event = Event,
                                   .set_property = SetProperty,
                                   .get_property = GetProperty,
                                   .hear = Hear};

GType Type() {
  static const GType type = rill::RegisterStage("LfmForecast", kInfo);
  return type;
}

}  // namespace

GST_ELEMENT_REGISTER_DEFINE(lfmforecast, "lfmforecast", GST_RANK_NONE, Type())

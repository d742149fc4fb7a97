// SPDX-License-Identifier: Apache-2.0
/**
 * SECTION:element-lfmclassify
 *
 * Hidden frames to labels: for every frame, or when the likeliest label changes, or when a label's
 * event begins or ends, a line of JSON, stamped like the frame, and a message lfm-class with the
 * same values, which the buffer has as metadata, too (LfmClassMeta). With `format=text` it is the
 * label in words instead, for textoverlay to draw, and a blank when no event goes on. An event
 * begins when its label has been at least as probable as `on-threshold` for `on-frames` frames, and
 * ends when it has been less probable than `off-threshold` for `off-frames`.
 *
 * |[
 * gst-launch-1.0 -q filesrc location=photo.jpg ! decodebin ! videoconvert ! lfmimageenc
 * model-path=pictures ! lfmbackbone model-path=pictures ! lfmclassify model-path=pictures ! fdsink
 * gst-launch-1.0 -m autoaudiosrc ! audioconvert ! audioresample ! lfmaudioenc model-path=sounds !
 *     lfmbackbone model-path=sounds ! lfmclassify model-path=sounds report=events ! fakesink
 * ]|
 */
#include "pipeline/class_json.h"

#include <cmath>

#include "plugins/class_meta.h"
#include "plugins/classify_properties.h"
#include "plugins/element.h"
#include "plugins/forecast_output.h"
#include "plugins/frame_meta.h"
#include "plugins/message_limit.h"
#include "plugins/punctuality.h"
#include "plugins/stage_element.h"
#include "plugins/stage_properties.h"
#include "plugins/text_output.h"

namespace {

struct Stream {
  std::optional<rill::ClassifyStage> head;
  std::optional<rill::FrameBlock> block;
  std::optional<size_t> told;  // the last likeliest label that was
  GstSegment segment{};
  GstClockTime pts = GST_CLOCK_TIME_NONE, duration = GST_CLOCK_TIME_NONE;  // of the last frame
  int64_t position = 0;                                                    // the same
  bool discont = true;
  rill::MessageLimit limit;
};

struct Impl {
  rill::ClassifySettings settings;  // GST_OBJECT_LOCK
  Stream stream;                    // streaming thread only; empty until caps are known
  rill::Punctuality punctuality;
};

Impl& Of(gpointer element) { return rill::ImplOf<Impl>(element); }

enum : guint { kFirst = 1, kMaxObservedDelay = kFirst + rill::kClassifyProperties };

rill::ClassifySettings Copy(gpointer object) {
  GST_OBJECT_LOCK(object);
  rill::ClassifySettings settings = Of(object).settings;
  GST_OBJECT_UNLOCK(object);
  return settings;
}

void Forget(GstElement* element) {
  Stream& stream = Of(element).stream;
  if (stream.head) stream.head->Reset();
  stream.told.reset();
  stream.discont = true;
}

rill::Result<void> Restore(GstElement* element, const rill::Snapshot& snapshot) {
  Of(element).stream.told.reset();
  return Of(element).stream.head->Restore(snapshot);
}

GstClockTime RunningTime(const Stream& stream) {
  if (stream.segment.format != GST_FORMAT_TIME) return GST_CLOCK_TIME_NONE;
  return gst_segment_to_running_time(&stream.segment, GST_FORMAT_TIME, stream.pts);
}

// What is said of a label, for messages and metadata; `event` is null for a frame.
rill::Fields FieldsOf(const Stream& stream, size_t label, float confidence,
                      const rill::ClassEvent* event) {
  rill::Fields fields(gst_structure_new(
      "lfm-class", "label", G_TYPE_STRING, stream.head->labels()[label].c_str(), "index",
      G_TYPE_UINT, static_cast<guint>(label), "confidence", G_TYPE_FLOAT,
      static_cast<gdouble>(confidence), "running-time", G_TYPE_UINT64, RunningTime(stream),
      "position", G_TYPE_INT64, gint64{stream.position}, nullptr));
  if (event != nullptr)
    gst_structure_set(fields.get(), "event", G_TYPE_STRING, event->begins ? "begin" : "end",
                      nullptr);
  return fields;
}

// Sends a result, in JSON or in words, with its fields.
GstFlowReturn Send(GstElement* element, const rill::ClassifySettings& settings,
                   const std::string& text, rill::Fields fields, bool message) {
  Stream& stream = Of(element).stream;
  GstBuffer* buffer = gst_buffer_new_memdup(text.data(), text.size());
  GST_BUFFER_PTS(buffer) = stream.pts;
  // An overlay draws what is told once until something else is told.
  const bool holds =
      settings.format == rill::ClassFormat::kText && settings.report != rill::ClassReport::kFrames;
  GST_BUFFER_DURATION(buffer) = holds ? GST_CLOCK_TIME_NONE : stream.duration;
  rill::SetClass(buffer, fields.get());
  if (message)
    gst_element_post_message(element,
                             gst_message_new_element(GST_OBJECT(element), fields.release()));
  if (std::exchange(stream.discont, false)) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
  return gst_pad_push(rill::SourceOf(element), buffer);
}

std::optional<uint64_t> Known(GstClockTime time) {
  return GST_CLOCK_TIME_IS_VALID(time) ? std::optional<uint64_t>(time) : std::nullopt;
}

std::string InWords(const std::string& label, float probability) {
  return label + " " + std::to_string(std::lround(100 * probability)) + " %";
}

// What an overlay shows from then on: what began, or what goes on, or nothing.
std::string EventInWords(const rill::ClassifyStage& head, const rill::ClassEvent& event) {
  if (event.begins) return InWords(head.labels()[event.label], event.confidence);
  for (const size_t label : rill::Likeliest(head.probabilities(), head.labels().size()))
    if (head.IsOn(label)) return InWords(head.labels()[label], head.probabilities()[label]);
  return " ";
}

std::string ToText(const Stream& stream, const rill::ClassEvent& event, rill::ClassFormat format) {
  if (format == rill::ClassFormat::kText) return EventInWords(*stream.head, event);
  return rill::ToJson(*stream.head, event, Known(RunningTime(stream)), stream.position) + "\n";
}

std::string ToText(const Stream& stream, const rill::ClassifySettings& settings) {
  const size_t best = stream.head->best();
  if (settings.format == rill::ClassFormat::kText)
    return InWords(stream.head->labels()[best], stream.head->probabilities()[best]);
  return rill::ToJson(*stream.head, settings.top, Known(RunningTime(stream)), stream.position) +
         "\n";
}

GstFlowReturn SendEvents(GstElement* element, const rill::ClassifySettings& settings) {
  Stream& stream = Of(element).stream;
  GstFlowReturn flow = GST_FLOW_OK;
  for (const rill::ClassEvent& event : stream.head->Take()) {
    if (settings.report != rill::ClassReport::kEvents || flow != GST_FLOW_OK) continue;
    flow = Send(element, settings, ToText(stream, event, settings.format),
                FieldsOf(stream, event.label, event.confidence, &event), settings.messages);
  }
  return flow;
}

GstFlowReturn SendFrame(GstElement* element, const rill::ClassifySettings& settings) {
  Stream& stream = Of(element).stream;
  const size_t best = stream.head->best();
  const bool changed = stream.told != best;
  if (settings.report == rill::ClassReport::kChanges && !changed) return GST_FLOW_OK;
  stream.told = best;
  const bool message = settings.messages && stream.limit.Allows(settings.message_interval_ns);
  return Send(element, settings, ToText(stream, settings),
              FieldsOf(stream, best, stream.head->probabilities()[best], nullptr), message);
}

// What was seen has come to its end.
void Drain(GstElement* element) {
  Stream& stream = Of(element).stream;
  if (!stream.head || rill::StageOf(element).fresh) return;
  stream.head->Finish();
  SendEvents(element, Copy(element));
}

GstFlowReturn Take(GstElement* element, rill::BufferOwner buffer) {
  rill::Stage& stage = rill::StageOf(element);
  Stream& stream = Of(element).stream;
  if (GST_BUFFER_IS_DISCONT(buffer.get())) {
    if (!stage.fresh && rill::WantsReset(element, stage, rill::kResetOnDiscont)) {
      Drain(element);
      Forget(element);
    }
    stream.discont = true;
  }
  stage.fresh = false;
  const rill::Result<rill::FrameNotes> notes = rill::ReadFrame(buffer.get(), *stream.block);
  if (!notes) return rill::Fail(element, GST_STREAM_ERROR_FORMAT, notes.error());
  // Forks are a forecast's; what the end drained is silence, for a transcript's last word.
  if (notes->use != rill::FrameUse::kKept || notes->drained) return GST_FLOW_OK;
  stream.pts = GST_BUFFER_PTS(buffer.get());
  stream.duration = GST_BUFFER_DURATION(buffer.get());
  stream.position = notes->position;
  stream.head->Run(*stream.block);
  if (Of(element).punctuality.Send(element, RunningTime(stream)))
    g_object_notify(G_OBJECT(element), "max-observed-delay");
  const rill::ClassifySettings settings = Copy(element);
  const GstFlowReturn flow = SendEvents(element, settings);
  if (flow != GST_FLOW_OK || settings.report == rill::ClassReport::kEvents) return flow;
  return SendFrame(element, settings);
}

rill::Result<GstCaps*> SetCaps(GstElement* element, const GstCaps* caps) {
  rill::Stage& stage = rill::StageOf(element);
  Stream& stream = Of(element).stream;
  const rill::Result<rill::TensorCaps> frames = rill::CheckFrameCaps(caps, *stage.model, "hidden");
  if (!frames) return frames.error();
  if (frames->Channels() != 1)
    return rill::Error{std::to_string(frames->Channels()) +
                       " channels of frames were offered, what is classified has one"};
  const rill::ClassifySettings settings = Copy(element);
  if (!stream.head) {
    rill::Result<rill::ClassifyStage> head =
        rill::ClassifyStage::Open(stage.model, {.head = settings.head, .events = settings.events});
    if (!head) return head.error();
    stream.head.emplace(std::move(*head));
    stream.block.emplace(1, stage.model->backbone().width());
  }
  return gst_caps_from_string(settings.format == rill::ClassFormat::kText ? rill::kTextCaps
                                                                          : rill::kJsonCaps);
}

GstEvent* Event(GstElement* element, GstEvent* event) {
  Stream& stream = Of(element).stream;
  const GstStructure* fields = gst_event_get_structure(event);
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_SEGMENT:
      gst_event_copy_segment(event, &stream.segment);
      Of(element).punctuality.NewSegment(element);
      break;
    case GST_EVENT_FLUSH_STOP:
      stream.discont = true;
      Of(element).punctuality.Flush(element);
      break;
    case GST_EVENT_EOS:
    case GST_EVENT_SEGMENT_DONE: Drain(element); break;
    default: break;
  }
  if (rill::IsEvent(event, rill::kSnapshotEvent) && stream.head)
    rill::PostSnapshot(element, fields,
                       {rill::PartToSave(element, rill::StageOf(element), stream.head->Save())});
  if (rill::IsEvent(event, rill::kMarkerEvent)) rill::PostMarker(element, fields);
  return event;
}

GstEvent* Hear(GstElement* element, GstEvent* event) {
  Of(element).punctuality.Hear(element, rill::SinkOf(element), event);
  return event;
}

// What can be said before a stream: the model has the head, and the rules make sense.
rill::Result<void> Open(GstElement* element) {
  const rill::ClassifySettings settings = Copy(element);
  const auto head = rill::ClassifyStage::Open(rill::StageOf(element).model,
                                              {.head = settings.head, .events = settings.events});
  if (!head) return head.error();
  gst_segment_init(&Of(element).stream.segment, GST_FORMAT_TIME);
  return {};
}

void Close(GstElement* element) {
  Of(element).stream = {};
  Of(element).punctuality.Reset(element);
}

void SetProperty(GstElement* element, guint id, const GValue* value) {
  rill::SetClassifyProperty(Of(element).settings, id - kFirst, value);
}

void GetProperty(GstElement* element, guint id, GValue* value) {
  const Impl& self = Of(element);
  if (id == kMaxObservedDelay) return g_value_set_uint64(value, self.punctuality.max_delay());
  rill::GetClassifyProperty(self.settings, id - kFirst, value);
}

void Describe(GstElementClass* element_class) {
  GObjectClass* object = G_OBJECT_CLASS(element_class);
  rill::RegisterClassMeta();
  rill::InstallClassifyProperties(object, kFirst);
  g_object_class_install_property(object, kMaxObservedDelay, rill::MaxObservedDelaySpec());
  rill::AddPadTemplate(element_class, "sink", GST_PAD_SINK, {rill::kFloat32TensorCaps});
  rill::AddPadTemplate(element_class, "src", GST_PAD_SRC, {rill::kJsonCaps, rill::kTextCaps});
  gst_element_class_set_static_metadata(element_class, "Classify head", "Filter/Converter",
                                        "Says what hidden frames show or sound like", "Rill");
}

constexpr rill::StageInfo kInfo = {.impl = rill::kImpl<Impl>,
                                   .usual_model = rill::kDefaultImageModel,
                                   .describe = Describe,
                                   .open = Open,
                                   .close = Close,
                                   .drain = Drain,
                                   .forget = Forget,
                                   .restore = Restore,
                                   .set_caps = SetCaps,
                                   .take = Take,
                                   .event = Event,
                                   .set_property = SetProperty,
                                   .get_property = GetProperty,
                                   .hear = Hear};

GType Type() {
  static const GType type = rill::RegisterStage("LfmClassify", kInfo);
  return type;
}

}  // namespace

GST_ELEMENT_REGISTER_DEFINE(lfmclassify, "lfmclassify", GST_RANK_NONE, Type())

// SPDX-License-Identifier: Apache-2.0
/**
 * SECTION:element-lfmsensorenc
 *
 * Rows of sensors to the frames of a model: one row a buffer (other/tensors, as lfmsensorparse
 * sends them) or multi-channel audio, whose samples are rows. NaN is a missing value. A frame
 * leaves when a patch of the model is complete; after every `every`-th row, and at the end, so does
 * the unfinished one, marked as due for a forecast. A frame is stamped with its last row. Rows
 * carry their time: the first one after a GAP or DISCONT brings the missing slots, and nothing is
 * spliced.
 *
 * |[
 * gst-launch-1.0 -q filesrc location=ETTh1.csv ! lfmsensorparse ! lfmsensorenc every=24 !
 *     lfmbackbone ! lfmforecast format=json ! fdsink
 * gst-launch-1.0 -q audiotestsrc num-buffers=20 ! audio/x-raw,format=F32LE,rate=8000,channels=2 !
 *     lfmsensorenc every=1000 ! lfmbackbone ! lfmforecast format=json ! fdsink
 * ]|
 */
#include <cstdlib>

#include "pipeline/latency.h"
#include "plugins/element.h"
#include "plugins/frame_meta.h"
#include "plugins/row_input.h"
#include "plugins/stage_element.h"
#include "plugins/stage_properties.h"

namespace {

struct Settings {
  guint every = rill::kDefaultEvery;
  rill::BadRow on_bad_row = rill::BadRow::kSkip;
};

struct Stream {
  std::optional<rill::RowInput> input;
  std::optional<rill::SensorFrames> frames;
  std::optional<rill::FrameBlock> block;
  GstSegment segment{};
  GstClockTime last_pts = GST_CLOCK_TIME_NONE;
  rill::RefusedRows refused;
  bool discont = true;
};

struct Impl {
  Settings settings;          // GST_OBJECT_LOCK
  rill::RowInputStats stats;  // GST_OBJECT_LOCK
  size_t patch = 1;           // GST_OBJECT_LOCK
  int64_t usual_ns = 0;       // GST_OBJECT_LOCK
  Stream stream;              // streaming thread only; empty until caps are known
};

Impl& Of(gpointer element) { return rill::ImplOf<Impl>(element); }

enum : guint { kEvery = 1, kOnBadRow, kStats };

void Forget(GstElement* element) {
  Stream& stream = Of(element).stream;
  if (stream.frames) stream.frames->Reset();
  stream.refused = {};
  stream.discont = true;
}

// A latency that depends on the usual interval is known only when the stream has shown it.
void Observe(GstElement* element, int64_t usual_ns) {
  constexpr int64_t kWorthTelling = 16;  // a change by a 16th
  Impl& self = Of(element);
  GST_OBJECT_LOCK(element);
  ++self.stats.frames;
  const bool changed = std::abs(usual_ns - self.usual_ns) > self.usual_ns / kWorthTelling;
  if (changed) self.usual_ns = usual_ns;
  const bool matters = changed && self.settings.every == 0;
  GST_OBJECT_UNLOCK(element);
  if (matters) gst_element_post_message(element, gst_message_new_latency(GST_OBJECT(element)));
}

// Sends what the encoder has. After a failure the rest is dropped, so that its state stays whole.
GstFlowReturn Send(GstElement* element) {
  Stream& stream = Of(element).stream;
  GstFlowReturn flow = GST_FLOW_OK;
  rill::FrameNotes notes;
  while (stream.frames->Next(*stream.block, notes)) {
    if (flow != GST_FLOW_OK) continue;
    GstBuffer* buffer = rill::WriteFrame(*stream.block, notes);
    GST_BUFFER_PTS(buffer) = stream.last_pts;
    if (stream.input->absolute()) rill::SetUnixTime(buffer, stream.block->frame.last_ns);
    if (std::exchange(stream.discont, false)) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
    Observe(element, stream.block->frame.usual_ns);
    flow = gst_pad_push(rill::SourceOf(element), buffer);
  }
  return flow;
}

void Drain(GstElement* element) {
  Stream& stream = Of(element).stream;
  if (!stream.frames || rill::StageOf(element).fresh) return;
  stream.frames->Finish();
  Send(element);
}

rill::Result<void> Restore(GstElement* element, const rill::Snapshot& snapshot) {
  GST_OBJECT_LOCK(element);
  const size_t every = Of(element).settings.every;
  GST_OBJECT_UNLOCK(element);
  return Of(element).stream.frames->Restore(snapshot, every);
}

// Takes one row; counted in `stats` as taken, bad or skipped.
GstFlowReturn TakeRow(GstElement* element, const rill::RowInput::Row& row,
                      const Settings& settings) {
  Impl& self = Of(element);
  const rill::Result<bool> taken =
      self.stream.frames->Push(row.time_ns, row.values, settings.every);
  GST_OBJECT_LOCK(element);
  ++(!taken ? self.stats.bad_rows : *taken ? self.stats.rows : self.stats.skipped_rows);
  GST_OBJECT_UNLOCK(element);
  if (!taken) return self.stream.refused.Refuse(element, taken.error(), settings.on_bad_row);
  if (!*taken) return GST_FLOW_OK;
  rill::StageOf(element).fresh = false;
  self.stream.last_pts = row.pts;
  return Send(element);
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
  if (const auto loaded = stream.input->Load(buffer.get()); !loaded)
    return rill::Fail(element, GST_STREAM_ERROR_FORMAT, loaded.error());
  GST_OBJECT_LOCK(element);
  const Settings settings = Of(element).settings;
  GST_OBJECT_UNLOCK(element);
  rill::RowInput::Row row;
  GstFlowReturn flow = GST_FLOW_OK;
  while (flow == GST_FLOW_OK && stream.input->Next(row)) flow = TakeRow(element, row, settings);
  return flow;
}

// State is kept when the same channels go on.
rill::Result<GstCaps*> SetCaps(GstElement* element, const GstCaps* caps) {
  rill::Stage& stage = rill::StageOf(element);
  Stream& stream = Of(element).stream;
  rill::Result<rill::RowInput> input = rill::RowInput::Open(caps);
  if (!input) return input.error();
  const uint32_t width = static_cast<uint32_t>(stage.model->backbone().width());
  const bool same = stream.input && stream.input->channels() == input->channels() &&
                    stream.input->columns() == input->columns();
  if (!same) {
    Drain(element);
    rill::Result<rill::SensorFrames> frames =
        rill::SensorFrames::Open(stage.model, input->channels());
    if (!frames) return frames.error();
    stream.frames.emplace(std::move(*frames));
    stream.block.emplace(input->channels(), width);
    stream.discont = true;
    stage.fresh = true;
  }
  stream.input.emplace(std::move(*input));
  return rill::ToGstCaps(
      {.dimensions = {width, static_cast<uint32_t>(stream.input->channels()), 1, 1},
       .lfm_space = stage.model->space() + "/embedding",
       .modality = "sensor",
       .columns = stream.input->columns()});
}

GstEvent* Event(GstElement* element, GstEvent* event) {
  Stream& stream = Of(element).stream;
  const GstSegment* segment = nullptr;
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_SEGMENT:
      gst_event_parse_segment(event, &segment);
      if (stream.segment.format != GST_FORMAT_UNDEFINED &&  // after a flush nothing can be sent yet
          !gst_segment_is_equal(segment, &stream.segment))
        Drain(element);
      stream.segment = *segment;
      break;
    case GST_EVENT_FLUSH_STOP:
      gst_segment_init(&stream.segment, GST_FORMAT_UNDEFINED);
      stream.discont = true;
      break;
    case GST_EVENT_EOS:
      if (rill::StageOf(element).fresh) stream.refused.FailIfAny(element);
      [[fallthrough]];
    case GST_EVENT_SEGMENT_DONE: Drain(element); break;
    default: break;
  }
  if (!rill::IsEvent(event, rill::kSnapshotEvent) || !stream.frames) return event;
  const rill::Stage& stage = rill::StageOf(element);
  int64_t position = stream.frames->rows();
  event = rill::AddPart(event, rill::PartToSave(element, stage, stream.frames->Save(), &position));
  rill::SetOrigin(event, stage.model->fingerprint(), position);
  return event;
}

GstClockTime Latency(GstElement* element) {
  const Impl& self = Of(element);
  return static_cast<GstClockTime>(
      rill::SensorLatencyNs(self.patch, self.settings.every, self.usual_ns));
}

rill::Result<void> Open(GstElement* element) {
  const rill::Model& model = *rill::StageOf(element).model;
  if (model.sensor() == nullptr) return model.weights().Complain("the model has no sensor encoder");
  Impl& self = Of(element);
  gst_segment_init(&self.stream.segment, GST_FORMAT_UNDEFINED);
  GST_OBJECT_LOCK(element);
  self.stats = {};
  self.patch = model.sensor()->config().patch;
  self.usual_ns = 0;
  GST_OBJECT_UNLOCK(element);
  return {};
}

void Close(GstElement* element) { Of(element).stream = {}; }

void SetProperty(GstElement* element, guint id, const GValue* value) {
  Settings& settings = Of(element).settings;
  if (id == kEvery) settings.every = g_value_get_uint(value);
  if (id == kOnBadRow) settings.on_bad_row = static_cast<rill::BadRow>(g_value_get_enum(value));
}

void GetProperty(GstElement* element, guint id, GValue* value) {
  const Impl& self = Of(element);
  if (id == kEvery) g_value_set_uint(value, self.settings.every);
  if (id == kOnBadRow) g_value_set_enum(value, static_cast<gint>(self.settings.on_bad_row));
  if (id == kStats) g_value_take_boxed(value, rill::ToStructure(self.stats));
}

void Describe(GstElementClass* element_class) {
  GObjectClass* object = G_OBJECT_CLASS(element_class);
  g_object_class_install_property(object, kEvery, rill::EverySpec());
  g_object_class_install_property(object, kOnBadRow, rill::OnBadRowSpec());
  g_object_class_install_property(object, kStats, rill::StatsSpec());
  rill::AddPadTemplate(element_class, "sink", GST_PAD_SINK, {rill::kAnyTensorCaps, rill::kRowCaps});
  rill::AddPadTemplate(element_class, "src", GST_PAD_SRC, {rill::kFloat32TensorCaps});
  gst_element_class_set_static_metadata(element_class, "Sensor encoder", "Filter/Converter/Sensor",
                                        "Turns rows of sensors into the frames of a model", "Rill");
}

constexpr rill::StageInfo kInfo = {.impl = rill::kImpl<Impl>,
                                   .describe = Describe,
                                   .open = Open,
                                   .close = Close,
                                   .forget = Forget,
                                   .part = "sensor",
                                   .restore = Restore,
                                   .set_caps = SetCaps,
                                   .take = Take,
                                   .event = Event,
                                   .set_property = SetProperty,
                                   .get_property = GetProperty,
                                   .latency = Latency};

GType Type() {
  static const GType type = rill::RegisterStage("LfmSensorEnc", kInfo);
  return type;
}

}  // namespace

GST_ELEMENT_REGISTER_DEFINE(lfmsensorenc, "lfmsensorenc", GST_RANK_NONE, Type())

// SPDX-License-Identifier: Apache-2.0
/**
 * SECTION:element-lfmfusion
 *
 * The blocks of a model over the frames of several encoders, of one kind or of many, with one
 * recurrent state for all of them: what was heard changes what is seen. Frames are taken in the
 * order of their running times, those of the same time in the order of the pads, so that the result
 * does not depend on who comes first. Each gives a hidden frame, stamped with its running time.
 *
 * A pad that has nothing to say must say so with GAPs, or is waited for; in a live pipeline for no
 * longer than the latency (`latency`, and that of the sources). What comes later than that is taken
 * when it comes, and counted (`stats`). A pad at its end is waited for no more.
 *
 * Heads take what they are for: lfmforecast the frames of the sensor (one, of one channel),
 * lfmtranscribe those of sound, lfmclassify all. lfm/snapshot is to be sent to all sources; each
 * pad may bring it at another time.
 *
 * |[
 * gst-launch-1.0 -q v4l2src ! videoconvert ! lfmimageenc model-path=rill-omni ! fusion.
 *     autoaudiosrc ! audioconvert ! audioresample ! lfmaudioenc model-path=rill-omni ! fusion.
 *     lfmfusion name=fusion model-path=rill-omni latency=200000000 !
 *     lfmclassify model-path=rill-omni head=digit ! fdsink sync=false
 * ]|
 */
#include <gst/base/gstaggregator.h>

#include <algorithm>
#include <map>
#include <utility>

#include "plugins/element.h"
#include "plugins/frame_meta.h"
#include "plugins/fusion_order.h"
#include "plugins/fusion_snapshot.h"
#include "plugins/stage.h"
#include "plugins/stage_properties.h"

namespace {

// What is known of a pad.
struct Source {
  std::string stream_id;
  std::vector<std::string> columns;  // what names the channels of a sensor
  bool negotiated = false;           // its caps were taken
  bool heard = false;                // a frame of it was taken since the start or a reset
  bool discont = false;              // the next frame of it is marked
};

// Streaming thread only, but where it says otherwise.
struct Impl {
  rill::Stage stage;
  std::optional<rill::BackboneStage> backbone;  // while started
  std::optional<rill::FrameBlock> block;
  rill::FusedPosition position;
  rill::FusionSnapshots snapshots;
  std::map<rill::PadOwner, Source, rill::ByAddress> sources;
  guint32 pads_cookie = 0;       // of the pads that `sources` are of
  bool first = true;             // no frame has left since the start or a restore
  bool failed = false;           // the snapshot that `state` was set to last was refused
  GstClockTime newest = 0;       // the greatest running time of a frame
  guint64 frames = 0, late = 0;  // GST_OBJECT_LOCK
};

struct Fusion {
  GstAggregator parent;
  Impl* impl;  // made in init, deleted in finalize
};
struct FusionClass {
  GstAggregatorClass parent;
};

enum : guint { kStats = rill::kStagePropertyEnd };

gpointer parent_class = nullptr;  // set once, in class_init

Impl& Of(gpointer element) { return *static_cast<Fusion*>(element)->impl; }

Source& SourceOf(Impl& self, GstAggregatorPad* pad) {
  const auto found = self.sources.find(pad);
  return found != self.sources.end() ? found->second : self.sources[rill::Own(pad)];
}

// The next frame of each pad does not go on from what came before.
void MarkAll(Impl& self) {
  for (auto& [pad, source] : self.sources) source.discont = true;
}

// Time goes on.
void Forget(GstElement* element, const char* why) {
  Impl& self = Of(element);
  if (self.backbone) self.backbone->Reset();
  self.snapshots.GiveUp(GST_AGGREGATOR(element), why);
  self.position = {.taken = 0, .newest = self.position.newest, .kept = {}};
  self.newest = 0;
  for (auto& [pad, source] : self.sources) source.heard = false;
  MarkAll(self);
}

// A stream, new or restored, goes on from there.
void BeginAt(Impl& self, rill::FusedPosition position) {
  self.position = std::move(position);
  self.newest = 0;
  for (auto& [pad, source] : self.sources) source.heard = source.discont = false;
  self.first = true;
}

// Frames leave with their running times, whatever segment a seek wanted.
void SendRunningTimes(GstAggregator* aggregator) {
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_aggregator_update_segment(aggregator, &segment);
}

gboolean Start(GstAggregator* aggregator) {
  GstElement* element = GST_ELEMENT(aggregator);
  Impl& self = Of(element);
  if (!rill::OpenStage(element, self.stage)) return FALSE;
  self.backbone.emplace(self.stage.model, 1);
  self.block.emplace(1, self.stage.model->backbone().width());
  BeginAt(self, {});
  self.failed = false;
  SendRunningTimes(aggregator);
  GST_OBJECT_LOCK(element);
  self.frames = self.late = 0;
  GST_OBJECT_UNLOCK(element);
  return TRUE;
}

gboolean Stop(GstAggregator* aggregator) {
  Impl& self = Of(aggregator);
  self.backbone.reset();
  self.block.reset();
  self.stage.model.reset();
  self.sources.clear();
  self.position = {};
  self.snapshots = {};
  return TRUE;
}

GstFlowReturn Flush(GstAggregator* aggregator) {
  GstElement* element = GST_ELEMENT(aggregator);
  Impl& self = Of(element);
  constexpr char kWhy[] = "the stream was flushed";
  if (rill::WantsReset(element, self.stage, rill::kResetOnFlush)) Forget(element, kWhy);
  self.snapshots.GiveUp(aggregator, kWhy);
  MarkAll(self);
  SendRunningTimes(aggregator);
  self.newest = self.position.newest = 0;
  return GST_FLOW_OK;
}

// Those of the sensors, when all pads agree.
std::vector<std::string> CommonColumns(const Impl& self) {
  std::vector<std::string> common;
  for (const auto& [pad, source] : self.sources) {
    if (source.columns.empty() || source.columns == common) continue;
    if (!common.empty()) return {};
    common = source.columns;
  }
  return common;
}

// All pads carry frames of the same model, whatever they come from.
bool TakeCaps(GstAggregator* aggregator, GstAggregatorPad* pad, GstEvent* event) {
  GstElement* element = GST_ELEMENT(aggregator);
  const rill::Model& model = *Of(element).stage.model;
  Source& source = SourceOf(Of(element), pad);
  GstCaps* caps = nullptr;
  gst_event_parse_caps(event, &caps);
  rill::Result<rill::TensorCaps> frames = rill::CheckFrameCaps(caps, model, "embedding");
  if (frames && frames->Channels() != 1)
    frames = rill::Error{std::to_string(frames->Channels()) +
                         " channels of frames were offered, fused streams have one"};
  source.negotiated = static_cast<bool>(frames);
  if (!frames) {
    rill::Fail(element, GST_STREAM_ERROR_FORMAT, frames.error());
    return false;
  }
  source.columns = frames->columns;
  frames->lfm_space = model.space() + "/hidden";
  frames->modality = rill::kFusedModality;
  frames->framerate_numerator = 0;
  frames->framerate_denominator = 1;
  frames->columns = CommonColumns(Of(element));
  GstCaps* out = rill::ToGstCaps(*frames);
  gst_aggregator_set_src_caps(aggregator, out);
  gst_caps_unref(out);
  return true;
}

rill::AggregatorPads PadsOf(GstElement* element, bool with_ended) {
  rill::AggregatorPads pads;
  GST_OBJECT_LOCK(element);
  for (GList* item = element->sinkpads; item != nullptr; item = item->next)
    if (auto* pad = static_cast<GstAggregatorPad*>(item->data);
        with_ended || !gst_aggregator_pad_is_eos(pad))
      pads.insert(rill::Own(pad));
  GST_OBJECT_UNLOCK(element);
  return pads;
}

bool HasName(const rill::AggregatorPads& pads, const std::string& name) {
  return std::ranges::any_of(
      pads, [&](const rill::PadOwner& pad) { return name == GST_OBJECT_NAME(pad.get()); });
}

// Pads may have been removed.
void Prune(GstElement* element) {
  Impl& self = Of(element);
  GST_OBJECT_LOCK(element);
  const guint32 cookie = element->pads_cookie;
  GST_OBJECT_UNLOCK(element);
  if (std::exchange(self.pads_cookie, cookie) == cookie) return;
  const rill::AggregatorPads present = PadsOf(element, true);
  std::erase_if(self.sources, [&](const auto& item) { return !present.contains(item.first); });
  std::erase_if(self.position.kept,
                [&](const auto& item) { return !HasName(present, item.first); });
  self.snapshots.Prune(GST_AGGREGATOR(element), *self.stage.model, present);
}

rill::Result<void> Restore(GstElement* element, const rill::Snapshot& snapshot) {
  Impl& self = Of(element);
  rill::Result<rill::FusedPosition> position =
      rill::FusedPosition::Restore(snapshot, *self.stage.model);
  if (!position) return position.error();
  const rill::AggregatorPads pads = PadsOf(element, true);
  for (const auto& [name, frames] : position->kept)
    if (!HasName(pads, name))
      return rill::Error{"the snapshot has frames of pad " + name + ", which is not there"};
  if (rill::Result<void> ok = self.backbone->Restore(snapshot); !ok) return ok;
  self.snapshots.GiveUp(GST_AGGREGATOR(element), "another snapshot was restored");
  BeginAt(self, std::move(*position));
  return {};
}

// Goes on from the snapshot that the property `state` was set to, if it was. False for ever after
// one that was refused, until another is taken.
bool RestoreIfAsked(GstElement* element) {
  Impl& self = Of(element);
  const auto snapshot = rill::TakeRestore(element, self.stage);
  if (!snapshot) return !self.failed;
  const rill::Result<void> done = *snapshot ? Restore(element, **snapshot) : snapshot->error();
  self.failed = !done;
  if (!done) rill::Fail(element, GST_RESOURCE_ERROR_READ, done.error());
  return bool{done};
}

void TakeSnapshot(GstElement* element, GstAggregatorPad* pad, const GstStructure* fields) {
  Impl& self = Of(element);
  if (!RestoreIfAsked(element)) return;
  const auto now = [&self] {
    return rill::FusionSnapshots::Now{self.backbone->Save(), self.position.Share()};
  };
  self.snapshots.Ask(GST_AGGREGATOR(element), *self.stage.model, pad, fields,
                     PadsOf(element, false), now);
}

// Another stream begins at a pad: what the pads have in common begins anew, and the heads too.
void BeginStream(GstElement* element, GstAggregatorPad* pad, GstEvent* event) {
  Impl& self = Of(element);
  const gchar* id = nullptr;
  gst_event_parse_stream_start(event, &id);
  std::string& known = SourceOf(self, pad).stream_id;
  const bool another = !known.empty() && known != id;
  known = id;
  if (!another || !rill::WantsReset(element, self.stage, rill::kResetOnStreamStart)) return;
  Forget(element, "another stream began");
  gst_pad_push_event(GST_AGGREGATOR(element)->srcpad,
                     gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM,
                                          gst_structure_new_empty(rill::kResetEvent)));
}

gboolean SinkEvent(GstAggregator* aggregator, GstAggregatorPad* pad, GstEvent* event) {
  if (GST_EVENT_TYPE(event) == GST_EVENT_CAPS) {
    const bool taken = TakeCaps(aggregator, pad, event);
    gst_event_unref(event);
    return taken;
  }
  GstElement* element = GST_ELEMENT(aggregator);
  if (GST_EVENT_TYPE(event) == GST_EVENT_STREAM_START) BeginStream(element, pad, event);
  if (GST_EVENT_TYPE(event) == GST_EVENT_EOS)
    Of(element).snapshots.End(aggregator, *Of(element).stage.model, pad);
  if (rill::IsEvent(event, rill::kResetEvent)) Forget(element, "the stream was reset");
  if (rill::IsEvent(event, rill::kSnapshotEvent)) {
    TakeSnapshot(element, pad, gst_event_get_structure(event));
    gst_event_unref(event);
    return TRUE;
  }
  return GST_AGGREGATOR_CLASS(parent_class)->sink_event(aggregator, pad, event);
}

// Running time up to which all must be known, so that Aggregate() can go on: GstAggregator waits
// for the other pads until then and the latency. None when nothing is there.
GstClockTime NextTime(GstAggregator* aggregator) {
  const rill::NextFrame next =
      rill::EarliestFrame(GST_ELEMENT(aggregator), Of(aggregator).position);
  if (next.pad == nullptr) return GST_CLOCK_TIME_NONE;
  gst_object_unref(next.pad);
  return next.rank;
}

void Count(GstElement* element, GstClockTime time, bool kept) {
  Impl& self = Of(element);
  ++self.position.taken;
  bool late = false;
  if (!kept && GST_CLOCK_TIME_IS_VALID(time)) {
    late = time < self.newest;
    self.newest = std::max(self.newest, time);
    self.position.newest = time;
  }
  GST_OBJECT_LOCK(element);
  ++self.frames;
  self.late += late;
  GST_OBJECT_UNLOCK(element);
}

rill::Result<void> Run(Impl& self, rill::FrameUse use) {
  switch (use) {
    case rill::FrameUse::kKept: return self.backbone->Run(*self.block);
    case rill::FrameUse::kPeeked: return self.backbone->Peek(*self.block);
    case rill::FrameUse::kRepeated: break;  // the head has what it needs
  }
  return {};
}

// What is next, which is in nobody's queue any more.
rill::FusedFrame Pop(GstAggregator* aggregator, const rill::NextFrame& next) {
  Impl& self = Of(aggregator);
  const gchar* name = GST_OBJECT_NAME(next.pad);
  if (next.kept) return self.position.Pop(name);
  rill::FusedFrame frame{name, rill::BufferOwner(gst_aggregator_pad_pop_buffer(next.pad)),
                         next.time};
  if (frame.buffer && !rill::IsGap(frame.buffer.get()))
    self.snapshots.Pass(aggregator, next.pad, frame);
  return frame;
}

GstFlowReturn Take(GstAggregator* aggregator, Source& source, const rill::FusedFrame& frame,
                   bool kept) {
  GstElement* element = GST_ELEMENT(aggregator);
  Impl& self = Of(element);
  GstBuffer* buffer = frame.buffer.get();
  const rill::Result<rill::FrameNotes> notes = rill::ReadFrame(buffer, *self.block);
  if (!notes) return rill::Fail(element, GST_STREAM_ERROR_FORMAT, notes.error());
  const bool jumped = GST_BUFFER_IS_DISCONT(buffer) && source.heard;
  if (jumped && rill::WantsReset(element, self.stage, rill::kResetOnDiscont))
    Forget(element, "the stream jumped");
  rill::Result<void> run = Run(self, notes->use);
  if (!run && self.backbone->CheckRoom() &&
      rill::ForgivesNonFinite(element, self.stage, run.error())) {
    if (notes->use == rill::FrameUse::kPeeked) return GST_FLOW_OK;  // the state is as it was
    Forget(element, "the stream was no longer finite");
    static_cast<void>(rill::ReadFrame(buffer, *self.block));  // which worked above
    run = Run(self, notes->use);
  }
  if (!run) return rill::Fail(element, GST_STREAM_ERROR_DECODE, run.error());
  // After a restored stream its encoder marks the first frame, which goes on from the kept ones.
  if (!kept) source.heard = true;
  if (notes->use == rill::FrameUse::kKept) Count(element, frame.time, kept);
  GstBuffer* out = rill::WriteFrame(*self.block, *notes);
  GST_BUFFER_PTS(out) = frame.time;
  GST_BUFFER_DURATION(out) = GST_BUFFER_DURATION(buffer);
  if (const auto unix_ns = rill::UnixTime(buffer)) rill::SetUnixTime(out, *unix_ns);
  const bool marked = std::exchange(source.discont, false);
  if (std::exchange(self.first, false) || jumped || marked)
    GST_BUFFER_FLAG_SET(out, GST_BUFFER_FLAG_DISCONT);
  return gst_aggregator_finish_buffer(aggregator, out);
}

// One frame, when every pad has one or has ended, or the time for the others is over.
GstFlowReturn Aggregate(GstAggregator* aggregator, gboolean) {
  GstElement* element = GST_ELEMENT(aggregator);
  Impl& self = Of(element);
  if (!RestoreIfAsked(element)) return GST_FLOW_ERROR;
  Prune(element);
  const rill::NextFrame next = rill::EarliestFrame(element, self.position);
  if (next.pad == nullptr)
    return PadsOf(element, false).empty() ? GST_FLOW_EOS : GST_AGGREGATOR_FLOW_NEED_DATA;
  const rill::PadOwner pad(next.pad);
  Source& source = SourceOf(self, pad.get());
  const rill::FusedFrame frame = Pop(aggregator, next);
  if (!frame.buffer || rill::IsGap(frame.buffer.get())) return GST_FLOW_OK;
  if (!next.kept && !source.negotiated) return GST_FLOW_NOT_NEGOTIATED;
  return Take(aggregator, source, frame, next.kept);
}

void SetProperty(GObject* object, guint id, const GValue* value, GParamSpec*) {
  GST_OBJECT_LOCK(object);
  rill::SetStageProperty(Of(object).stage, id, value);
  GST_OBJECT_UNLOCK(object);
}

void GetProperty(GObject* object, guint id, GValue* value, GParamSpec*) {
  const Impl& self = Of(object);
  GST_OBJECT_LOCK(object);
  rill::GetStageProperty(self.stage, id, value);
  if (id == kStats)
    g_value_take_boxed(value, gst_structure_new("stats", "frames", G_TYPE_UINT64, self.frames,
                                                "late", G_TYPE_UINT64, self.late, nullptr));
  GST_OBJECT_UNLOCK(object);
}

void Finalize(GObject* object) {
  delete static_cast<Fusion*>(static_cast<gpointer>(object))->impl;
  G_OBJECT_CLASS(parent_class)->finalize(object);
}

void InitClass(gpointer fusion_class, gpointer) {
  parent_class = g_type_class_peek_parent(fusion_class);
  GObjectClass* object = G_OBJECT_CLASS(fusion_class);
  object->set_property = SetProperty;
  object->get_property = GetProperty;
  object->finalize = Finalize;
  rill::InstallStageProperties(object);
  g_object_class_install_property(
      object, kStats,
      g_param_spec_boxed(
          "stats", "Statistics", "Counts of the stream: frames, and those that came late",
          GST_TYPE_STRUCTURE, static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
  auto* aggregator = GST_AGGREGATOR_CLASS(fusion_class);
  aggregator->start = Start;
  aggregator->stop = Stop;
  aggregator->flush = Flush;
  aggregator->sink_event = SinkEvent;
  aggregator->aggregate = Aggregate;
  aggregator->get_next_time = NextTime;
  // The caps are those of TakeCaps(): usual negotiation would make some of the pad template.
  aggregator->negotiate = [](GstAggregator*) -> gboolean { return TRUE; };
  auto* element = GST_ELEMENT_CLASS(fusion_class);
  GstCaps* caps = gst_caps_from_string(rill::kFloat32TensorCaps);
  gst_element_class_add_pad_template(
      element, gst_pad_template_new_with_gtype("sink_%u", GST_PAD_SINK, GST_PAD_REQUEST, caps,
                                               GST_TYPE_AGGREGATOR_PAD));
  gst_element_class_add_pad_template(
      element, gst_pad_template_new_with_gtype("src", GST_PAD_SRC, GST_PAD_ALWAYS, caps,
                                               GST_TYPE_AGGREGATOR_PAD));
  gst_caps_unref(caps);
  gst_element_class_set_static_metadata(
      element, "Fusion", "Filter/Effect",
      "Runs the blocks of a model over the frames of several encoders, with one state", "Rill");
}

void Init(GTypeInstance* instance, gpointer) {
  auto* fusion = reinterpret_cast<Fusion*>(instance);
  fusion->impl = new Impl;
  fusion->impl->stage.model_path = rill::kDefaultImageModel;
}

GType Type() {
  static const GType type =
      g_type_register_static_simple(GST_TYPE_AGGREGATOR, "LfmFusion", sizeof(FusionClass),
                                    InitClass, sizeof(Fusion), Init, static_cast<GTypeFlags>(0));
  return type;
}

}  // namespace

GST_ELEMENT_REGISTER_DEFINE(lfmfusion, "lfmfusion", GST_RANK_NONE, Type())

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
 *     lfmfusion name=fusion latency=200000000 ! lfmclassify head=digits ! fdsink sync=false
 * ]|
 */
#include <gst/base/gstaggregator.h>

#include <bitset>
#include <map>

#include "plugins/element.h"
#include "plugins/frame_meta.h"
#include "plugins/fusion_snapshot.h"
#include "plugins/stage.h"
#include "plugins/stage_properties.h"

namespace {

constexpr size_t kModalities = 4;

// Streaming thread only, but where it says otherwise.
struct Impl {
  rill::Stage stage;
  std::optional<rill::BackboneStage> backbone;  // while started
  std::optional<rill::FrameBlock> block;
  GstClockTime newest = 0;  // running time of the last frame
  // What names the channels of sensors, a pad.
  std::map<GstAggregatorPad*, std::vector<std::string>> columns;
  std::bitset<kModalities> discont;       // the next frame of a modality is marked
  int64_t taken = 0;                      // frames, since the stream began
  std::optional<rill::SnapshotCut> cut;   // while a snapshot is being taken
  std::deque<rill::FusedFrame> restored;  // frames of a snapshot, to be taken first
  guint64 frames = 0, late = 0;           // GST_OBJECT_LOCK
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

void Forget(GstElement* element) {
  Impl& self = Of(element);
  if (self.backbone) self.backbone->Reset();
  self.stage.fresh = true;
  self.discont.set();
  self.newest = 0;
  self.taken = 0;
  self.cut.reset();
  self.restored.clear();
}

gboolean Start(GstAggregator* aggregator) {
  GstElement* element = GST_ELEMENT(aggregator);
  Impl& self = Of(element);
  if (!rill::OpenStage(element, self.stage)) return FALSE;
  self.backbone.emplace(self.stage.model, 1);
  self.block.emplace(1, self.stage.model->backbone().width());
  Forget(element);
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
  self.columns.clear();
  self.cut.reset();
  self.restored.clear();
  return TRUE;
}

GstFlowReturn Flush(GstAggregator* aggregator) {
  GstElement* element = GST_ELEMENT(aggregator);
  if (rill::WantsReset(element, Of(element).stage, rill::kResetOnFlush)) Forget(element);
  Of(element).discont.set();
  Of(element).newest = 0;
  Of(element).cut.reset();
  return GST_FLOW_OK;
}

// Those of the sensors, when all pads agree.
std::vector<std::string> CommonColumns(const Impl& self) {
  std::vector<std::string> common;
  for (const auto& [pad, columns] : self.columns) {
    if (columns.empty() || columns == common) continue;
    if (!common.empty()) return {};
    common = columns;
  }
  return common;
}

// All pads carry frames of the same model, whatever they come from.
bool TakeCaps(GstAggregator* aggregator, GstAggregatorPad* pad, GstEvent* event) {
  GstElement* element = GST_ELEMENT(aggregator);
  const rill::Model& model = *Of(element).stage.model;
  GstCaps* caps = nullptr;
  gst_event_parse_caps(event, &caps);
  rill::Result<rill::TensorCaps> frames = rill::CheckFrameCaps(caps, model, "embedding");
  if (frames && frames->Channels() != 1)
    frames = rill::Error{std::to_string(frames->Channels()) +
                         " channels of frames were offered, fused streams have one"};
  if (!frames) {
    rill::Fail(element, GST_STREAM_ERROR_FORMAT, frames.error());
    return false;
  }
  Of(element).columns[pad] = frames->columns;
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

rill::SnapshotCut::Pads OpenPads(GstElement* element) {
  rill::SnapshotCut::Pads pads;
  GST_OBJECT_LOCK(element);
  for (GList* item = element->sinkpads; item != nullptr; item = item->next)
    if (auto* pad = static_cast<GstAggregatorPad*>(item->data); !gst_aggregator_pad_is_eos(pad))
      pads.insert(pad);
  GST_OBJECT_UNLOCK(element);
  return pads;
}

void EndCut(GstAggregator* aggregator, const rill::Result<void>& so_far) {
  GstElement* element = GST_ELEMENT(aggregator);
  Impl& self = Of(element);
  if (so_far && !self.cut->complete()) return;
  if (so_far) {
    const rill::Model& model = *self.stage.model;
    gst_pad_push_event(aggregator->srcpad,
                       self.cut->CompleteEvent(model.fingerprint(), model.backbone().width()));
  } else {
    GST_ELEMENT_WARNING(element, STREAM, FAILED, ("%s", so_far.error().message.c_str()), (nullptr));
  }
  self.cut.reset();
}

rill::Result<void> Restore(GstElement* element, const rill::Snapshot& snapshot) {
  Impl& self = Of(element);
  const auto frames = rill::RestoreFrames(snapshot, self.stage.model->backbone().width());
  if (!frames) return frames.error();
  for (const rill::FusedFrame& frame : frames->kept) {
    GstPad* pad = gst_element_get_static_pad(element, frame.pad.c_str());
    if (pad == nullptr)
      return rill::Error{"the snapshot has frames of pad " + frame.pad + ", which is not there"};
    gst_object_unref(pad);
  }
  if (rill::Result<void> ok = self.backbone->Restore(snapshot); !ok) return ok;
  self.taken = frames->taken;
  self.restored.clear();
  for (const rill::FusedFrame& frame : frames->kept) self.restored.push_back(frame.Share());
  return {};
}

// Goes on from the snapshot that the property `state` was set to, if it was.
bool RestoreIfAsked(GstElement* element) {
  const auto snapshot = rill::TakeRestore(element, Of(element).stage);
  if (!snapshot) return true;
  const rill::Result<void> done = *snapshot ? Restore(element, **snapshot) : snapshot->error();
  if (!done) rill::Fail(element, GST_RESOURCE_ERROR_READ, done.error());
  return bool{done};
}

// A pad's request for a snapshot: the first makes the cut.
void TakeSnapshot(GstAggregator* aggregator, GstAggregatorPad* pad, const GstStructure* fields) {
  GstElement* element = GST_ELEMENT(aggregator);
  Impl& self = Of(element);
  if (!self.cut) {
    if (!RestoreIfAsked(element)) return;
    std::vector<rill::FusedFrame> kept;
    for (const rill::FusedFrame& frame : self.restored) kept.push_back(frame.Share());
    self.cut.emplace(OpenPads(element), self.taken, self.backbone->Save(), std::move(kept));
    gst_pad_push_event(aggregator->srcpad, self.cut->CutEvent(fields));
  } else if (!self.cut->waits_for(pad)) {
    GST_ELEMENT_WARNING(element, STREAM, FAILED,
                        ("another snapshot was asked for before all pads brought the one before"),
                        (nullptr));
    return;
  }
  EndCut(aggregator, self.cut->Bring(pad, fields));
}

gboolean SinkEvent(GstAggregator* aggregator, GstAggregatorPad* pad, GstEvent* event) {
  if (GST_EVENT_TYPE(event) == GST_EVENT_CAPS) {
    const bool taken = TakeCaps(aggregator, pad, event);
    gst_event_unref(event);
    return taken;
  }
  if (rill::IsEvent(event, rill::kResetEvent)) Forget(GST_ELEMENT(aggregator));
  if (rill::IsEvent(event, rill::kSnapshotEvent)) {
    TakeSnapshot(aggregator, pad, gst_event_get_structure(event));
    gst_event_unref(event);
    return TRUE;
  }
  if (GST_EVENT_TYPE(event) == GST_EVENT_EOS && Of(aggregator).cut) {
    Of(aggregator).cut->End(pad);
    EndCut(aggregator, {});
  }
  return GST_AGGREGATOR_CLASS(parent_class)->sink_event(aggregator, pad, event);
}

// A GAP comes as a buffer without bytes.
bool IsGap(GstBuffer* buffer) { return gst_buffer_get_size(buffer) == 0; }

// The frame or GAP that is next of those that are there, and the running time of a frame.
struct Next {
  GstAggregatorPad* pad = nullptr;
  GstClockTime time = GST_CLOCK_TIME_NONE;
  bool restored = false;  // the first frame of the snapshot's, which that pad brought
};

Next Earliest(GstElement* element) {
  Next next;
  GstClockTime least = 0;
  GST_OBJECT_LOCK(element);
  for (GList* item = element->sinkpads; item != nullptr; item = item->next) {
    auto* pad = static_cast<GstAggregatorPad*>(item->data);
    const std::deque<rill::FusedFrame>& restored = Of(element).restored;
    const bool is_restored = !restored.empty() && restored.front().pad == GST_OBJECT_NAME(pad);
    const rill::BufferOwner buffer(is_restored ? gst_buffer_ref(restored.front().buffer.get())
                                               : gst_aggregator_pad_peek_buffer(pad));
    if (!buffer) continue;
    const GstClockTime time = is_restored
                                  ? restored.front().time
                                  : gst_segment_to_running_time(&pad->segment, GST_FORMAT_TIME,
                                                                GST_BUFFER_PTS(buffer.get()));
    // A frame without a time comes at once: there is nothing to wait for. A GAP stays until all
    // before its end has been taken, so that its pad is not waited for that long.
    GstClockTime rank = GST_CLOCK_TIME_IS_VALID(time) ? time : 0;
    if (IsGap(buffer.get()) && GST_BUFFER_DURATION_IS_VALID(buffer.get()))
      rank += GST_BUFFER_DURATION(buffer.get());
    if (next.pad != nullptr && rank >= least) continue;
    next = {pad, time, is_restored};
    least = rank;
  }
  if (next.pad != nullptr) gst_object_ref(next.pad);
  GST_OBJECT_UNLOCK(element);
  return next;
}

// Running time up to which all must be known, so that Aggregate() can go on: GstAggregator waits
// for the other pads until then and the latency. None when nothing is there.
GstClockTime NextTime(GstAggregator* aggregator) {
  const Next next = Earliest(GST_ELEMENT(aggregator));
  if (next.pad == nullptr) return GST_CLOCK_TIME_NONE;
  gst_object_unref(next.pad);
  return GST_CLOCK_TIME_IS_VALID(next.time) ? next.time : 0;
}

void Count(GstElement* element, GstClockTime time) {
  Impl& self = Of(element);
  const bool late = GST_CLOCK_TIME_IS_VALID(time) && time < self.newest;
  if (GST_CLOCK_TIME_IS_VALID(time)) self.newest = std::max(self.newest, time);
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
rill::FusedFrame Pop(Impl& self, const Next& next) {
  if (!next.restored)
    return {GST_OBJECT_NAME(next.pad), rill::BufferOwner(gst_aggregator_pad_pop_buffer(next.pad)),
            next.time};
  rill::FusedFrame frame = std::move(self.restored.front());
  self.restored.pop_front();
  return frame;
}

GstFlowReturn Take(GstAggregator* aggregator, const rill::FusedFrame& taken) {
  GstElement* element = GST_ELEMENT(aggregator);
  Impl& self = Of(element);
  GstBuffer* buffer = taken.buffer.get();
  const GstClockTime time = taken.time;
  const bool jumped = GST_BUFFER_IS_DISCONT(buffer);
  if (jumped && !self.stage.fresh && rill::WantsReset(element, self.stage, rill::kResetOnDiscont))
    Forget(element);
  const rill::Result<rill::FrameNotes> notes = rill::ReadFrame(buffer, *self.block);
  if (!notes) return rill::Fail(element, GST_STREAM_ERROR_FORMAT, notes.error());
  self.stage.fresh = false;
  if (const auto run = Run(self, notes->use); !run)
    return rill::Fail(element, GST_STREAM_ERROR_DECODE, run.error());
  ++self.taken;
  Count(element, time);
  GstBuffer* out = rill::WriteFrame(*self.block, *notes);
  GST_BUFFER_PTS(out) = time;
  GST_BUFFER_DURATION(out) = GST_BUFFER_DURATION(buffer);
  if (const auto unix_ns = rill::UnixTime(buffer)) rill::SetUnixTime(out, *unix_ns);
  const auto modality = static_cast<size_t>(notes->modality);
  if (jumped || self.discont[modality]) GST_BUFFER_FLAG_SET(out, GST_BUFFER_FLAG_DISCONT);
  self.discont.reset(modality);
  return gst_aggregator_finish_buffer(aggregator, out);
}

// One frame, when every pad has one or has ended, or the time for the others is over.
GstFlowReturn Aggregate(GstAggregator* aggregator, gboolean) {
  GstElement* element = GST_ELEMENT(aggregator);
  Impl& self = Of(element);
  if (!RestoreIfAsked(element)) return GST_FLOW_ERROR;
  const Next next = Earliest(element);
  if (next.pad == nullptr) {
    bool ended = true;
    GST_OBJECT_LOCK(aggregator);
    for (GList* item = GST_ELEMENT(aggregator)->sinkpads; item != nullptr; item = item->next)
      ended = ended && gst_aggregator_pad_is_eos(static_cast<GstAggregatorPad*>(item->data));
    GST_OBJECT_UNLOCK(aggregator);
    return ended ? GST_FLOW_EOS : GST_AGGREGATOR_FLOW_NEED_DATA;
  }
  const rill::FusedFrame frame = Pop(self, next);
  const bool is_kept = self.cut && !next.restored && self.cut->waits_for(next.pad);
  gst_object_unref(next.pad);
  if (!frame.buffer || IsGap(frame.buffer.get())) return GST_FLOW_OK;
  if (is_kept) EndCut(aggregator, self.cut->Keep(frame.Share()));
  return Take(aggregator, frame);
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

// SPDX-License-Identifier: Apache-2.0
/**
 * SECTION:element-lfmbackbone
 *
 * The blocks of a model over the frames of an encoder, one recurrent state a channel, in the
 * upstream thread. Embeddings come in and hidden frames go out, in place; both belong to one model,
 * which their caps name (lfm-space). A peeked frame is run on a fork of the state. Every other
 * frame is run, whatever QOS says: a state cannot skip.
 *
 * |[
 * gst-launch-1.0 -q filesrc location=ETTh1.csv ! lfmsensorparse ! lfmsensorenc ! queue !
 *     lfmbackbone ! lfmforecast format=json ! fdsink
 * gst-launch-1.0 -q filesrc location=ETTh1.csv ! lfmsensorparse ! lfmsensorenc every=0 !
 *     lfmbackbone ! filesink location=hidden.f32
 * ]|
 */
#include "plugins/element.h"
#include "plugins/frame_meta.h"
#include "plugins/stage_element.h"
#include "plugins/stage_properties.h"

GST_DEBUG_CATEGORY_STATIC(lfm_backbone_debug);
#define GST_CAT_DEFAULT lfm_backbone_debug

namespace {

struct Impl {                                   // streaming thread only
  std::optional<rill::BackboneStage> backbone;  // from caps to stop
  std::optional<rill::FrameBlock> block;
  std::vector<std::string> columns;
};

struct LfmBackbone {
  rill::StageElement parent;
  Impl* impl;
};
struct LfmBackboneClass {
  rill::StageElementClass parent;
};

G_DEFINE_TYPE(LfmBackbone, lfm_backbone, rill::StageElementType())

Impl& Of(gpointer object) { return *static_cast<LfmBackbone*>(object)->impl; }

void Forget(GstElement* element) {
  if (Of(element).backbone) Of(element).backbone->Reset();
}

// Restores or resets as the properties and the buffer say.
rill::Result<void> Prepare(GstElement* element, GstBuffer* buffer) {
  rill::Stage& stage = rill::StageOf(element);
  if (const auto snapshot = rill::TakeRestore(element, stage)) {
    if (!*snapshot) return snapshot->error();
    if (rill::Result<void> ok = Of(element).backbone->Restore(**snapshot); !ok) return ok;
    stage.fresh = true;
  }
  if (GST_BUFFER_IS_DISCONT(buffer) && !stage.fresh &&
      rill::WantsReset(element, stage, rill::kResetOnDiscont))
    Forget(element);
  stage.fresh = false;
  return {};
}

rill::Result<void> Run(Impl& self, rill::FrameUse use) {
  return use == rill::FrameUse::kKept ? self.backbone->Run(*self.block)
                                      : self.backbone->Peek(*self.block);
}

// Whether a frame failed because numbers are no longer finite, and `reset-on` makes that no error.
bool GoesOnAfter(GstElement* element, const rill::Error& error) {
  if (!Of(element).backbone->CheckRoom() ||
      !rill::WantsReset(element, rill::StageOf(element), rill::kResetOnNonFinite))
    return false;
  GST_ELEMENT_WARNING(element, STREAM, DECODE, ("%s", error.message.c_str()), (nullptr));
  return true;
}

GstFlowReturn Take(GstElement* element, GstBuffer* buffer) {
  Impl& self = Of(element);
  const auto refuse = [&](GstFlowReturn flow) {
    gst_buffer_unref(buffer);
    return flow;
  };
  if (!self.backbone) return refuse(GST_FLOW_NOT_NEGOTIATED);
  if (const auto ready = Prepare(element, buffer); !ready)
    return refuse(rill::Fail(element, GST_RESOURCE_ERROR_READ, ready.error()));
  const rill::Result<rill::FrameNotes> notes = rill::ReadFrame(buffer, *self.block);
  if (!notes) return refuse(rill::Fail(element, GST_STREAM_ERROR_FORMAT, notes.error()));
  if (notes->use == rill::FrameUse::kRepeated) return gst_pad_push(rill::SourceOf(element), buffer);

  rill::Result<void> run = Run(self, notes->use);
  const bool afresh = !run && GoesOnAfter(element, run.error());
  if (afresh) {
    if (notes->use == rill::FrameUse::kPeeked)
      return refuse(GST_FLOW_OK);  // the state is as it was
    Forget(element);
    static_cast<void>(rill::ReadFrame(buffer, *self.block));  // which worked above
    run = Run(self, notes->use);
  }
  if (!run) return refuse(rill::Fail(element, GST_STREAM_ERROR_DECODE, run.error()));
  buffer = gst_buffer_make_writable(buffer);
  if (afresh) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
  const std::vector<float>& hidden = self.block->values;
  gst_buffer_fill(buffer, 0, hidden.data(), hidden.size() * sizeof(float));
  return gst_pad_push(rill::SourceOf(element), buffer);
}

rill::Result<GstCaps*> SetCaps(GstElement* element, const GstCaps* caps) {
  Impl& self = Of(element);
  rill::Stage& stage = rill::StageOf(element);
  rill::Result<rill::TensorCaps> frames = rill::CheckFrameCaps(caps, *stage.model, "embedding");
  if (!frames) return frames.error();
  if (!self.backbone || self.backbone->channels() != frames->Channels() ||
      self.columns != frames->columns) {
    self.backbone.emplace(stage.model, frames->Channels());
    self.block.emplace(frames->Channels(), stage.model->backbone().width());
    stage.fresh = true;
  }
  self.columns = frames->columns;
  frames->lfm_space = stage.model->space() + "/hidden";
  return rill::ToGstCaps(*frames);
}

GstEvent* Event(GstElement* element, GstEvent* event) {
  const Impl& self = Of(element);
  if (!rill::IsEvent(event, rill::kSnapshotEvent) || !self.backbone) return event;
  return rill::AddPart(event,
                       rill::PartToSave(element, rill::StageOf(element), self.backbone->Save()));
}

void Close(GstElement* element) { Of(element) = {}; }

void lfm_backbone_init(LfmBackbone* element) { element->impl = new Impl; }

void Finalize(GObject* object) {
  delete &Of(object);
  G_OBJECT_CLASS(lfm_backbone_parent_class)->finalize(object);
}

void lfm_backbone_class_init(LfmBackboneClass* element_class) {
  GST_DEBUG_CATEGORY_INIT(lfm_backbone_debug, "lfmbackbone", 0, "frames through a model's blocks");
  G_OBJECT_CLASS(element_class)->finalize = Finalize;
  rill::StageElementClass& stage = element_class->parent;
  stage.close = Close;
  stage.forget = Forget;
  stage.set_caps = SetCaps;
  stage.take = Take;
  stage.event = Event;
  GstElementClass* base = GST_ELEMENT_CLASS(element_class);
  rill::AddPadTemplate(base, "sink", GST_PAD_SINK, {rill::kFloat32TensorCaps});
  rill::AddPadTemplate(base, "src", GST_PAD_SRC, {rill::kFloat32TensorCaps});
  gst_element_class_set_static_metadata(base, "Backbone", "Filter/Effect",
                                        "Runs the blocks of a model over a stream of frames",
                                        "Rill");
}

}  // namespace

GST_ELEMENT_REGISTER_DEFINE(lfmbackbone, "lfmbackbone", GST_RANK_NONE, lfm_backbone_get_type())

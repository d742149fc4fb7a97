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

struct Impl {
  guint threads = 0;  // GST_OBJECT_LOCK
  // Streaming thread only.
  std::optional<rill::BackboneStage> backbone;  // from caps to stop
  std::optional<rill::FrameBlock> block;
  std::vector<std::string> columns;
};

Impl& Of(gpointer element) { return rill::ImplOf<Impl>(element); }

void Forget(GstElement* element) {
  if (Of(element).backbone) Of(element).backbone->Reset();
}

rill::Result<void> Restore(GstElement* element, const rill::Snapshot& snapshot) {
  return Of(element).backbone->Restore(snapshot);
}

rill::Result<void> Run(Impl& self, rill::FrameUse use) {
  return use == rill::FrameUse::kKept ? self.backbone->Run(*self.block)
                                      : self.backbone->Peek(*self.block);
}

GstFlowReturn Take(GstElement* element, rill::BufferOwner buffer) {
  Impl& self = Of(element);
  rill::Stage& stage = rill::StageOf(element);
  if (GST_BUFFER_IS_DISCONT(buffer.get()) && !stage.fresh &&
      rill::WantsReset(element, stage, rill::kResetOnDiscont))
    Forget(element);
  stage.fresh = false;
  const rill::Result<rill::FrameNotes> notes = rill::ReadFrame(buffer.get(), *self.block);
  if (!notes) return rill::Fail(element, GST_STREAM_ERROR_FORMAT, notes.error());
  if (notes->use == rill::FrameUse::kRepeated)
    return gst_pad_push(rill::SourceOf(element), buffer.release());

  rill::Result<void> run = Run(self, notes->use);
  const bool afresh =
      !run && self.backbone->CheckRoom() && rill::ForgivesNonFinite(element, stage, run.error());
  if (afresh) {
    if (notes->use == rill::FrameUse::kPeeked) return GST_FLOW_OK;  // the state is as it was
    Forget(element);
    static_cast<void>(rill::ReadFrame(buffer.get(), *self.block));  // which worked above
    run = Run(self, notes->use);
  }
  if (!run) return rill::Fail(element, GST_STREAM_ERROR_DECODE, run.error());
  GstBuffer* out = gst_buffer_make_writable(buffer.release());
  if (afresh) GST_BUFFER_FLAG_SET(out, GST_BUFFER_FLAG_DISCONT);
  const std::vector<float>& hidden = self.block->values;
  gst_buffer_fill(out, 0, hidden.data(), hidden.size() * sizeof(float));
  return gst_pad_push(rill::SourceOf(element), out);
}

// Whether buffers are frames in a row of one channel: then they can be run as one block.
bool IsOneRow(GstElement* element, GstBufferList* buffers) {
  if (Of(element).backbone->channels() != 1 ||
      rill::WantsReset(element, rill::StageOf(element), rill::kResetOnNonFinite))
    return false;
  for (guint i = 0; i < gst_buffer_list_length(buffers); ++i) {
    GstBuffer* buffer = gst_buffer_list_get(buffers, i);
    const rill::FrameMeta* meta = rill::GetFrameMeta(buffer);
    if (GST_BUFFER_IS_DISCONT(buffer) || meta == nullptr ||
        meta->notes.use != rill::FrameUse::kKept)
      return false;
  }
  return true;
}

GstFlowReturn TakeEach(GstElement* element, GstBufferList* buffers) {
  GstFlowReturn flow = GST_FLOW_OK;
  for (guint i = 0; i < gst_buffer_list_length(buffers) && flow == GST_FLOW_OK; ++i)
    flow = Take(element, rill::BufferOwner(gst_buffer_ref(gst_buffer_list_get(buffers, i))));
  return flow;
}

GstFlowReturn TakeAll(GstElement* element, rill::BufferListOwner buffers) {
  Impl& self = Of(element);
  if (!IsOneRow(element, buffers.get())) return TakeEach(element, buffers.get());
  rill::StageOf(element).fresh = false;
  const size_t count = gst_buffer_list_length(buffers.get()), width = self.block->width;
  std::vector<float> values(count * width), dt(count);
  const rill::View<float> rows{values.data(), count, width};
  for (size_t i = 0; i < count; ++i) {
    GstBuffer* buffer = gst_buffer_list_get(buffers.get(), static_cast<guint>(i));
    const rill::Result<rill::FrameNotes> notes = rill::ReadFrame(buffer, *self.block);
    if (!notes) return rill::Fail(element, GST_STREAM_ERROR_FORMAT, notes.error());
    std::ranges::copy(self.block->values, rows[i].begin());
    dt[i] = self.block->frame.dt;
  }
  if (const rill::Result<void> run = self.backbone->RunAll(dt, rows); !run)
    return rill::Fail(element, GST_STREAM_ERROR_DECODE, run.error());
  GstBufferList* out = gst_buffer_list_make_writable(buffers.release());
  for (size_t i = 0; i < count; ++i)
    gst_buffer_fill(gst_buffer_list_get_writable(out, static_cast<guint>(i)), 0, rows[i].data(),
                    width * sizeof(float));
  return gst_pad_push_list(rill::SourceOf(element), out);
}

rill::Result<GstCaps*> SetCaps(GstElement* element, const GstCaps* caps) {
  Impl& self = Of(element);
  rill::Stage& stage = rill::StageOf(element);
  rill::Result<rill::TensorCaps> frames = rill::CheckFrameCaps(caps, *stage.model, "embedding");
  if (!frames) return frames.error();
  if (!self.backbone || self.backbone->channels() != frames->Channels() ||
      self.columns != frames->columns) {
    GST_OBJECT_LOCK(element);
    const guint threads = self.threads;
    GST_OBJECT_UNLOCK(element);
    rill::Result<rill::BackboneStage> backbone =
        rill::BackboneStage::Open(stage.model, frames->Channels(), threads);
    if (!backbone) return backbone.error();
    self.backbone.emplace(std::move(*backbone));
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

void Close(GstElement* element) {
  Impl& self = Of(element);
  self.backbone.reset();
  self.block.reset();
  self.columns.clear();
}

enum : guint { kThreads = 1 };

void SetProperty(GstElement* element, guint, const GValue* value) {
  Of(element).threads = g_value_get_uint(value);
}

void GetProperty(GstElement* element, guint, GValue* value) {
  g_value_set_uint(value, Of(element).threads);
}

void Describe(GstElementClass* element_class) {
  GST_DEBUG_CATEGORY_INIT(lfm_backbone_debug, "lfmbackbone", 0, "frames through a model's blocks");
  g_object_class_install_property(G_OBJECT_CLASS(element_class), kThreads, rill::ThreadsSpec());
  rill::AddPadTemplate(element_class, "sink", GST_PAD_SINK, {rill::kFloat32TensorCaps});
  rill::AddPadTemplate(element_class, "src", GST_PAD_SRC, {rill::kFloat32TensorCaps});
  gst_element_class_set_static_metadata(element_class, "Backbone", "Filter/Effect",
                                        "Runs the blocks of a model over a stream of frames",
                                        "Rill");
}

constexpr rill::StageInfo kInfo = {.impl = rill::kImpl<Impl>,
                                   .describe = Describe,
                                   .close = Close,
                                   .forget = Forget,
                                   .restore = Restore,
                                   .set_caps = SetCaps,
                                   .take = Take,
                                   .take_all = TakeAll,
                                   .event = Event,
                                   .set_property = SetProperty,
                                   .get_property = GetProperty};

GType Type() {
  static const GType type = rill::RegisterStage("LfmBackbone", kInfo);
  return type;
}

}  // namespace

GST_ELEMENT_REGISTER_DEFINE(lfmbackbone, "lfmbackbone", GST_RANK_NONE, Type())

// SPDX-License-Identifier: Apache-2.0
/**
 * SECTION:element-lfmgenerate
 *
 * Hidden frames of text to more text. After each prompt of lfmtextenc it chooses tokens, sends each
 * back upstream to become the next frame, and its characters downstream as they are complete, in
 * buffers stamped like the prompt; with `output=answer` the whole answer comes in one. At the end
 * of an answer follow the event rstranscribe/final-transcript and the message
 * lfm-answer{text, tokens, finish}; finish is "end" or "length".
 *
 * |[
 * echo "Why is the sky blue?" | gst-launch-1.0 -q fdsrc ! text/x-raw,format=utf8 !
 *     lfmtextenc model-path=LFM2-1.2B-Q4_0.gguf ! lfmbackbone model-path=LFM2-1.2B-Q4_0.gguf !
 *     lfmgenerate model-path=LFM2-1.2B-Q4_0.gguf temperature=0.3 min-p=0.15 ! fdsink sync=false
 * ]|
 */
#include "pipeline/generate_stage.h"

#include "plugins/element.h"
#include "plugins/frame_meta.h"
#include "plugins/generate_properties.h"
#include "plugins/stage_element.h"
#include "plugins/stage_properties.h"
#include "plugins/text_output.h"

namespace {

struct Answer {
  bool begun = false;
  std::string text;
  guint tokens = 0;
};

constexpr size_t kMostAnswerBytes = 16 << 20;  // of an answer as a whole; pieces have no end

struct Impl {
  rill::GenerateSettings settings;  // GST_OBJECT_LOCK
  // Streaming thread only; from caps to stop.
  std::optional<rill::GenerateStage> head;
  std::optional<rill::FrameBlock> block;
  std::unique_ptr<rill::Workers> workers;
  std::optional<rill::Scratch> scratch;
  std::vector<float> logits;
  Answer answer;
  bool discont = true;
};

Impl& Of(gpointer element) { return rill::ImplOf<Impl>(element); }

constexpr guint kFirst = 1;

rill::GenerateSettings Copy(GstElement* element) {
  GST_OBJECT_LOCK(element);
  rill::GenerateSettings settings = Of(element).settings;
  GST_OBJECT_UNLOCK(element);
  return settings;
}

void Forget(GstElement* element) {
  Impl& self = Of(element);
  if (self.head) self.head->Reset();
  self.answer = {};
  self.discont = true;
}

rill::Result<void> Restore(GstElement* element, const rill::Snapshot& snapshot) {
  Of(element).answer = {};
  return Of(element).head->Restore(snapshot);
}

GstFlowReturn SendText(GstElement* element, const std::string& text, GstBuffer* like) {
  if (text.empty()) return GST_FLOW_OK;
  GstBuffer* out = gst_buffer_new_memdup(text.data(), text.size());
  GST_BUFFER_PTS(out) = GST_BUFFER_PTS(like);
  GST_BUFFER_DURATION(out) = GST_BUFFER_DURATION(like);
  if (std::exchange(Of(element).discont, false)) GST_BUFFER_FLAG_SET(out, GST_BUFFER_FLAG_DISCONT);
  return gst_pad_push(rill::SourceOf(element), out);
}

void EndAnswer(GstElement* element, const rill::GenerateSettings& settings, bool complete) {
  const Answer answer = std::exchange(Of(element).answer, {});
  gst_pad_push_event(
      rill::SourceOf(element),
      gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM,
                           gst_structure_new_empty("rstranscribe/final-transcript")));
  if (!settings.messages) return;
  GstStructure* fields = gst_structure_new("lfm-answer", "text", G_TYPE_STRING, answer.text.c_str(),
                                           "tokens", G_TYPE_UINT, answer.tokens, "finish",
                                           G_TYPE_STRING, complete ? "end" : "length", nullptr);
  gst_element_post_message(element, gst_message_new_element(GST_OBJECT(element), fields));
}

// Chooses the token after the frame in `block`.
GstFlowReturn Choose(GstElement* element, GstBuffer* buffer) {
  Impl& self = Of(element);
  const rill::GenerateSettings settings = Copy(element);
  if (!self.answer.begun) self.head->Resume();
  self.answer.begun = true;
  rill::StageOf(element).model->generate()->Run(std::as_const(*self.block).view(), *self.scratch,
                                                {self.logits.data(), 1, self.logits.size()});
  const rill::Result<rill::GeneratedToken> chosen = self.head->Choose(self.logits);
  if (!chosen) return rill::Fail(element, GST_STREAM_ERROR_DECODE, chosen.error());
  const rill::GeneratedToken& token = *chosen;
  ++self.answer.tokens;
  const bool last =
      token.last || (settings.max_tokens > 0 && self.answer.tokens >= settings.max_tokens);
  std::string text = token.text;
  if (last && !token.last) text += self.head->Cut();
  if (self.answer.text.size() < kMostAnswerBytes) self.answer.text += text;
  if (settings.output == rill::AnswerOutput::kAnswer) text = last ? self.answer.text : "";
  if (last && settings.newline) text += '\n';
  if (const GstFlowReturn flow = SendText(element, text, buffer); flow != GST_FLOW_OK) return flow;
  if (last) EndAnswer(element, settings, token.last);
  gst_pad_push_event(
      rill::SinkOf(element),
      gst_event_new_custom(GST_EVENT_CUSTOM_UPSTREAM,
                           gst_structure_new(rill::kTokenEvent, "id", G_TYPE_INT, token.id, "last",
                                             G_TYPE_BOOLEAN, last ? TRUE : FALSE, nullptr)));
  return GST_FLOW_OK;
}

GstFlowReturn Take(GstElement* element, rill::BufferOwner buffer) {
  Impl& self = Of(element);
  rill::Stage& stage = rill::StageOf(element);
  const rill::Result<rill::FrameNotes> notes = rill::ReadFrame(buffer.get(), *self.block);
  if (!notes) return rill::Fail(element, GST_STREAM_ERROR_FORMAT, notes.error());
  if (notes->modality != rill::Modality::kText) return GST_FLOW_OK;
  if (GST_BUFFER_IS_DISCONT(buffer.get())) {
    if (!stage.fresh && rill::WantsReset(element, stage, rill::kResetOnDiscont)) Forget(element);
    self.discont = true;
  }
  stage.fresh = false;
  const auto known = static_cast<int64_t>(stage.model->text()->tokens());
  if (notes->token < 0 || notes->token >= known)
    return rill::Fail(element, GST_STREAM_ERROR_FORMAT,
                      rill::Error{"a frame of token " + std::to_string(notes->token) +
                                  ", lfmtextenc gives those of 0 to " + std::to_string(known - 1)});
  self.head->Take({&notes->token, 1});
  return notes->due ? Choose(element, buffer.get()) : GST_FLOW_OK;
}

rill::Result<GstCaps*> SetCaps(GstElement* element, const GstCaps* caps) {
  Impl& self = Of(element);
  const rill::Stage& stage = rill::StageOf(element);
  const rill::Result<rill::TensorCaps> frames = rill::CheckHiddenCaps(caps, *stage.model, "text");
  if (!frames) return frames.error();
  if (frames->Channels() != 1)
    return rill::Error{std::to_string(frames->Channels()) +
                       " channels of frames were offered, text has one"};
  if (self.head) return gst_caps_from_string(rill::kTextCaps);
  const rill::GenerateSettings settings = Copy(element);
  rill::Result<rill::GenerateStage> head =
      rill::GenerateStage::Open(stage.model, rill::ToOptions(settings));
  if (!head) return head.error();
  self.head.emplace(std::move(*head));
  self.block.emplace(1, stage.model->backbone().width());
  self.workers = std::make_unique<rill::Workers>(settings.threads);
  self.scratch.emplace(stage.model->generate()->ScratchFloats(1), self.workers.get());
  self.logits.resize(stage.model->generate()->tokens());
  return gst_caps_from_string(rill::kTextCaps);
}

GstEvent* Event(GstElement* element, GstEvent* event) {
  Impl& self = Of(element);
  if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_STOP) {
    self.answer = {};
    self.discont = true;
  }
  if (rill::IsEvent(event, rill::kSnapshotEvent)) {
    std::vector<rill::Snapshot::Part> parts;
    if (self.head) parts = {rill::PartToSave(element, rill::StageOf(element), self.head->Save())};
    rill::PostSnapshot(element, gst_event_get_structure(event), parts);
  }
  if (rill::IsEvent(event, rill::kMarkerEvent))
    rill::PostMarker(element, gst_event_get_structure(event));
  return event;
}

bool Answers(GstElement*, GstQuery* query) {
  return GST_QUERY_TYPE(query) == GST_QUERY_CUSTOM &&
         gst_structure_has_name(gst_query_get_structure(query), rill::kGeneratesQuery) == TRUE;
}

rill::Result<void> Open(GstElement* element) {
  const auto head =
      rill::GenerateStage::Open(rill::StageOf(element).model, rill::ToOptions(Copy(element)));
  if (!head) return head.error();
  Of(element).answer = {};
  Of(element).discont = true;
  return {};
}

void Close(GstElement* element) {
  Impl& self = Of(element);
  self.head.reset();
  self.block.reset();
  self.scratch.reset();
  self.workers.reset();
}

void SetProperty(GstElement* element, guint id, const GValue* value) {
  rill::SetGenerateProperty(Of(element).settings, id - kFirst, value);
}

void GetProperty(GstElement* element, guint id, GValue* value) {
  rill::GetGenerateProperty(Of(element).settings, id - kFirst, value);
}

void Describe(GstElementClass* element_class) {
  rill::InstallGenerateProperties(G_OBJECT_CLASS(element_class), kFirst);
  rill::AddPadTemplate(element_class, "sink", GST_PAD_SINK, {rill::kFloat32TensorCaps});
  rill::AddPadTemplate(element_class, "src", GST_PAD_SRC, {rill::kTextCaps});
  gst_element_class_set_static_metadata(element_class, "Generate head", "Filter/Converter/Text",
                                        "Turns hidden frames of text into more text", "Rill");
}

constexpr rill::StageInfo kInfo = {.impl = rill::kImpl<Impl>,
                                   .usual_model = rill::kDefaultTextModel,
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
                                   .answer = Answers};

GType Type() {
  static const GType type = rill::RegisterStage("LfmGenerate", kInfo);
  return type;
}

}  // namespace

GST_ELEMENT_REGISTER_DEFINE(lfmgenerate, "lfmgenerate", GST_RANK_NONE, Type())

// SPDX-License-Identifier: Apache-2.0
/**
 * SECTION:element-lfmtextenc
 *
 * Text to the frames of a model, one a token. A buffer is a message of a conversation, whose
 * answer lfmgenerate gives; with `raw=true` it is text that the stream goes on with. Where
 * lfmgenerate is downstream, each token that it chooses comes back as an event and becomes the next
 * frame, until the answer is over: the next buffer waits for that. A flush interrupts an answer.
 *
 * |[
 * echo "Why is the sky blue?" | gst-launch-1.0 -q fdsrc ! text/x-raw,format=utf8 !
 *     lfmtextenc model-path=LFM2-1.2B-Q4_0.gguf ! lfmbackbone model-path=LFM2-1.2B-Q4_0.gguf !
 *     lfmgenerate model-path=LFM2-1.2B-Q4_0.gguf newline=true ! fdsink sync=false
 * ]|
 */
#include "pipeline/text_stage.h"

#include <condition_variable>
#include <deque>
#include <mutex>

#include "plugins/element.h"
#include "plugins/frame_meta.h"
#include "plugins/generate_properties.h"
#include "plugins/stage_element.h"
#include "plugins/stage_properties.h"
#include "plugins/tensor_caps.h"
#include "plugins/text_output.h"

namespace {

constexpr size_t kTogether = 128;  // frames of a buffer list, at most

struct NextToken {
  int32_t id = 0;
  bool last = false;
  GstFlowReturn flow = GST_FLOW_OK;  // another: none comes
};

// Tokens on their way back, from whatever thread lfmgenerate runs in.
class TokensBack {
 public:
  void Push(NextToken token) {
    const std::scoped_lock lock(mutex_);
    tokens_.push_back(token);
    changed_.notify_all();
  }
  // The next one; none once the stream was interrupted.
  std::optional<NextToken> Wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return interrupted_ || !tokens_.empty(); });
    if (interrupted_) return std::nullopt;
    const NextToken token = tokens_.front();
    tokens_.pop_front();
    return token;
  }
  // Until it is false again nobody waits.
  void SetInterrupted(bool interrupted) {
    const std::scoped_lock lock(mutex_);
    interrupted_ = interrupted;
    changed_.notify_all();
  }
  void Clear() {
    const std::scoped_lock lock(mutex_);
    tokens_.clear();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<NextToken> tokens_;
  bool interrupted_ = false;
};

struct Impl {
  rill::PromptOptions prompts;  // GST_OBJECT_LOCK
  TokensBack back;
  // Streaming thread only.
  std::optional<rill::TextStage> text;  // from caps to stop
  std::optional<rill::FrameBlock> block;
  bool discont = true;
};

Impl& Of(gpointer element) { return rill::ImplOf<Impl>(element); }

constexpr guint kFirst = 1;

void Forget(GstElement* element) {
  if (Of(element).text) Of(element).text->Reset();
  Of(element).discont = true;
}

rill::Result<void> Restore(GstElement* element, const rill::Snapshot& snapshot) {
  return Of(element).text->Restore(snapshot);
}

// Sends frames of the tokens, stamped like the text they come from; the last of them asks for a
// token if `due`.
GstFlowReturn Send(GstElement* element, std::span<const int32_t> tokens, bool due,
                   GstBuffer* like) {
  Impl& self = Of(element);
  const auto frame = [&](int32_t token, bool is_last) {
    self.text->Run(token, *self.block);
    GstBuffer* buffer = rill::WriteFrame(*self.block, {.modality = rill::Modality::kText,
                                                       .due = due && is_last,
                                                       .position = self.text->position(),
                                                       .token = token});
    GST_BUFFER_PTS(buffer) = GST_BUFFER_PTS(like);
    GST_BUFFER_DURATION(buffer) = GST_BUFFER_DURATION(like);
    if (std::exchange(self.discont, false)) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
    return buffer;
  };
  GstFlowReturn flow = GST_FLOW_OK;
  while (!tokens.empty() && flow == GST_FLOW_OK) {
    const auto part = tokens.first(std::min(tokens.size(), kTogether));
    tokens = tokens.subspan(part.size());
    if (part.size() == 1) {
      flow = gst_pad_push(rill::SourceOf(element), frame(part[0], tokens.empty()));
      continue;
    }
    GstBufferList* list = gst_buffer_list_new_sized(static_cast<guint>(part.size()));
    for (size_t i = 0; i < part.size(); ++i)
      gst_buffer_list_add(list, frame(part[i], tokens.empty() && i + 1 == part.size()));
    flow = gst_pad_push_list(rill::SourceOf(element), list);
  }
  return flow;
}

bool IsAnswered(GstElement* element) {
  GstQuery* query =
      gst_query_new_custom(GST_QUERY_CUSTOM, gst_structure_new_empty(rill::kGeneratesQuery));
  const bool answered = gst_pad_peer_query(rill::SourceOf(element), query) == TRUE;
  gst_query_unref(query);
  return answered;
}

// The text of a buffer; of a message without the line feeds at its end.
std::string PromptOf(GstBuffer* buffer, bool raw) {
  const rill::MappedBuffer map(buffer, GST_MAP_READ);
  std::string text(reinterpret_cast<const char*>(map.bytes().data()), map.bytes().size());
  if (!raw) text.erase(text.find_last_not_of("\r\n") + 1);
  return text;
}

GstFlowReturn Take(GstElement* element, rill::BufferOwner buffer) {
  Impl& self = Of(element);
  rill::Stage& stage = rill::StageOf(element);
  if (GST_BUFFER_IS_DISCONT(buffer.get())) {
    if (!stage.fresh && rill::WantsReset(element, stage, rill::kResetOnDiscont)) Forget(element);
    self.discont = true;
  }
  stage.fresh = false;
  GST_OBJECT_LOCK(element);
  const bool raw = self.prompts.raw;
  GST_OBJECT_UNLOCK(element);
  const std::string text = PromptOf(buffer.get(), raw);
  if (text.empty()) return GST_FLOW_OK;
  const rill::Result<std::vector<int32_t>> tokens = self.text->Encode(text);
  if (!tokens) return rill::Fail(element, GST_STREAM_ERROR_ENCODE, tokens.error());
  const bool answered = IsAnswered(element);
  self.back.Clear();
  GstFlowReturn flow = Send(element, *tokens, answered, buffer.get());
  for (bool over = !answered; !over && flow == GST_FLOW_OK;) {
    const std::optional<NextToken> next = self.back.Wait();
    if (!next) return GST_FLOW_FLUSHING;
    if (next->flow != GST_FLOW_OK) return next->flow;
    const auto known = static_cast<int64_t>(stage.model->text()->tokens());
    if (next->id < 0 || next->id >= known)
      return rill::Fail(
          element, GST_STREAM_ERROR_ENCODE,
          rill::Error{"token " + std::to_string(next->id) + " came back, the vocabulary has 0 to " +
                      std::to_string(known - 1)});
    over = next->last;
    flow = Send(element, {&next->id, 1}, !over, buffer.get());
  }
  return flow;
}

rill::Result<GstCaps*> SetCaps(GstElement* element, const GstCaps*) {
  Impl& self = Of(element);
  const rill::Stage& stage = rill::StageOf(element);
  const size_t width = stage.model->backbone().width();
  if (!self.text) {
    GST_OBJECT_LOCK(element);
    const rill::PromptOptions prompts = self.prompts;
    GST_OBJECT_UNLOCK(element);
    rill::Result<rill::TextStage> text = rill::TextStage::Open(stage.model, prompts);
    if (!text) return text.error();
    self.text.emplace(std::move(*text));
    self.block.emplace(1, width);
  }
  return rill::ToGstCaps({.dimensions = {static_cast<uint32_t>(width), 1, 1, 1},
                          .lfm_space = stage.model->space() + "/embedding",
                          .modality = "text"});
}

GstEvent* Event(GstElement* element, GstEvent* event) {
  Impl& self = Of(element);
  const rill::Stage& stage = rill::StageOf(element);
  if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_STOP) {
    self.back.Clear();
    self.back.SetInterrupted(false);
    self.discont = true;
    // The stages behind forget with the DISCONT that follows.
    if (rill::WantsReset(element, stage, rill::kResetOnDiscont)) Forget(element);
  }
  if (!rill::IsEvent(event, rill::kSnapshotEvent) || !self.text) return event;
  int64_t position = self.text->position();
  event = rill::AddPart(event, rill::PartToSave(element, stage, self.text->Save(), &position));
  rill::SetOrigin(event, stage.model->fingerprint(), position);
  return event;
}

// Tokens go no further up, where another conversation's encoder may be.
GstEvent* Hear(GstElement* element, GstEvent* event) {
  if (GST_EVENT_TYPE(event) != GST_EVENT_CUSTOM_UPSTREAM ||
      (gst_event_has_name(event, rill::kTokenEvent) == FALSE &&
       gst_event_has_name(event, rill::kUnheardEvent) == FALSE))
    return event;
  const GstStructure* fields = gst_event_get_structure(event);
  gint id = 0, flow = GST_FLOW_OK;
  gboolean last = FALSE;
  if (gst_structure_get_int(fields, "flow", &flow) == TRUE)
    Of(element).back.Push({.flow = static_cast<GstFlowReturn>(flow)});
  else if (gst_structure_get(fields, "id", G_TYPE_INT, &id, "last", G_TYPE_BOOLEAN, &last,
                             nullptr) == TRUE)
    Of(element).back.Push({.id = id, .last = last == TRUE});
  gst_event_unref(event);
  return nullptr;
}

void Interrupt(GstElement* element) { Of(element).back.SetInterrupted(true); }

rill::Result<void> Open(GstElement* element) {
  const rill::Model& model = *rill::StageOf(element).model;
  if (model.text() == nullptr) return model.weights().Complain("the model does not read text");
  Of(element).back.Clear();
  Of(element).back.SetInterrupted(false);
  Of(element).discont = true;
  return {};
}

void Close(GstElement* element) {
  Of(element).text.reset();
  Of(element).block.reset();
}

void SetProperty(GstElement* element, guint id, const GValue* value) {
  rill::SetPromptProperty(Of(element).prompts, id - kFirst, value);
}

void GetProperty(GstElement* element, guint id, GValue* value) {
  rill::GetPromptProperty(Of(element).prompts, id - kFirst, value);
}

void Describe(GstElementClass* element_class) {
  rill::InstallPromptProperties(G_OBJECT_CLASS(element_class), kFirst);
  rill::AddPadTemplate(element_class, "sink", GST_PAD_SINK, {rill::kTextCaps});
  rill::AddPadTemplate(element_class, "src", GST_PAD_SRC, {rill::kFloat32TensorCaps});
  gst_element_class_set_static_metadata(element_class, "Text encoder", "Filter/Converter/Text",
                                        "Turns text into the frames of a model", "Rill");
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
                                   .hear = Hear,
                                   .interrupt = Interrupt};

GType Type() {
  static const GType type = rill::RegisterStage("LfmTextEnc", kInfo);
  return type;
}

}  // namespace

GST_ELEMENT_REGISTER_DEFINE(lfmtextenc, "lfmtextenc", GST_RANK_NONE, Type())

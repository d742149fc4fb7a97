#include "pipeline/text_stage.h"

namespace rill {
namespace {

Slot AddPosition(StateLayout& layout) {
  return layout.Add("text.position", 1, ElementType::kInt64);
}

Slot AddLast(StateLayout& layout) { return layout.Add("text.last", 1, ElementType::kInt64); }

}  // namespace

Result<std::vector<int32_t>> EncodePrompt(const Model& model, std::string_view prompt,
                                          std::optional<int32_t> last,
                                          const PromptOptions& options) {
  using Ids = std::vector<int32_t>;
  const Tokenizer& tokenizer = *model.tokenizer();
  if (options.raw || model.chat() == nullptr) {
    if (!options.system.empty())
      return Error{"what the assistant is told is part of a conversation, this is " +
                   std::string(options.raw ? "raw text" : "a model without them")};
    Result<Ids> ids = tokenizer.Encode(prompt, options.raw ? Specials::kParse : Specials::kPlain);
    if (ids && !last && tokenizer.adds_bos()) ids->insert(ids->begin(), tokenizer.bos());
    return ids;
  }
  const ChatTemplate& chat = *model.chat();
  Ids ids = last ? chat.AfterAnswer(*last) : chat.Start();
  const auto add = [&](const Ids& more) { ids.insert(ids.end(), more.begin(), more.end()); };
  if (!last && !options.system.empty()) {
    const Result<Ids> system = chat.Message({"system", options.system});
    if (!system) return system.error();
    add(*system);
  }
  const Result<Ids> message = chat.Message({options.role, std::string(prompt)});
  if (!message) return message.error();
  add(*message);
  add(chat.ask());
  return ids;
}

Result<TextStage> TextStage::Open(std::shared_ptr<const Model> model, PromptOptions options) {
  if (model->text() == nullptr) return model->weights().Complain("the model does not read text");
  return TextStage(std::move(model), std::move(options));
}

TextStage::TextStage(std::shared_ptr<const Model> model, PromptOptions options)
    : model_(std::move(model)),
      options_(std::move(options)),
      position_(AddPosition(layout_)),
      last_(AddLast(layout_)),
      state_(layout_) {}

void TextStage::Run(int32_t token, FrameBlock& block) {
  block.frame = {};
  block.frame.dt = 1;
  model_->text()->Run({&token, 1}, block.view());
  ++state_.lane(0).Integers(position_)[0];
  state_.lane(0).Integers(last_)[0] = token;
}

std::optional<int32_t> TextStage::last_token() const {
  if (position() == 0) return std::nullopt;
  return static_cast<int32_t>(state_.lane(0).Integers(last_)[0]);
}

Snapshot::Part TextStage::PartAt(int64_t position, std::optional<int32_t> last) {
  StateLayout layout;
  const Slot position_slot = AddPosition(layout), last_slot = AddLast(layout);
  State state(layout);
  state.lane(0).Integers(position_slot)[0] = position;
  state.lane(0).Integers(last_slot)[0] = last.value_or(0);
  return {"text", layout.fingerprint(), {state.bytes().begin(), state.bytes().end()}};
}

Result<void> TextStage::Restore(const Snapshot& snapshot) {
  const auto check = [this](const State& state) -> Result<void> {
    const int64_t position = state.lane(0).Integers(position_)[0];
    if (position < 0) return Error{"a stream of " + std::to_string(position) + " tokens"};
    const int64_t last = state.lane(0).Integers(last_)[0];
    const auto known = static_cast<int64_t>(model_->text()->tokens());
    if (last < 0 || last >= known)
      return Error{"token " + std::to_string(last) + ", the vocabulary has 0 to " +
                   std::to_string(known - 1)};
    return {};
  };
  return RestorePart(snapshot, "text", model_->fingerprint(), layout_.fingerprint(), check, state_);
}

}  // namespace rill

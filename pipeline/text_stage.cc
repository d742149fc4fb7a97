#include "pipeline/text_stage.h"

namespace rill {
namespace {

Slot AddPosition(StateLayout& layout) {
  return layout.Add("text.position", 1, ElementType::kInt64);
}

}  // namespace

Result<std::vector<int32_t>> EncodePrompt(const Model& model, std::string_view prompt, bool first,
                                          const PromptOptions& options) {
  using Ids = std::vector<int32_t>;
  const Tokenizer& tokenizer = *model.tokenizer();
  if (options.raw || model.chat() == nullptr) {
    Result<Ids> ids = tokenizer.Encode(prompt, Specials::kParse);
    if (ids && first && tokenizer.adds_bos()) ids->insert(ids->begin(), tokenizer.bos());
    return ids;
  }
  const ChatTemplate& chat = *model.chat();
  Ids ids = first ? chat.Start() : chat.after_answer();
  const auto add = [&](const Ids& more) { ids.insert(ids.end(), more.begin(), more.end()); };
  if (first && !options.system.empty()) {
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
      state_(layout_) {}

void TextStage::Run(int32_t token, FrameBlock& block) {
  block.frame = {};
  block.frame.dt = 1;
  model_->text()->Run({&token, 1}, block.view());
  ++state_.lane(0).Integers(position_)[0];
}

Snapshot::Part TextStage::PartAt(int64_t position) {
  StateLayout layout;
  const Slot slot = AddPosition(layout);
  State state(layout);
  state.lane(0).Integers(slot)[0] = position;
  return {"text", layout.fingerprint(), {state.bytes().begin(), state.bytes().end()}};
}

Result<void> TextStage::Restore(const Snapshot& snapshot) {
  const auto check = [this](const State& state) -> Result<void> {
    const int64_t position = state.lane(0).Integers(position_)[0];
    if (position < 0)
      return Error{"snapshot has a stream of " + std::to_string(position) + " tokens"};
    return {};
  };
  return RestorePart(snapshot, "text", model_->fingerprint(), layout_.fingerprint(), check, state_);
}

}  // namespace rill

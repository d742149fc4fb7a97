// The first stage of a stream of text: each token becomes one frame of the backbone.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/stages.h"

namespace rill {

// How what is said becomes tokens.
struct PromptOptions {
  // The text goes on as it is, and its special tokens count; else each is a message of a
  // conversation, where the vocabulary has these.
  bool raw = false;
  std::string role = "user";
  std::string system = {};  // what the assistant is told at the start; empty: nothing
};

// The tokens of a prompt up to where its answer begins, in a stream whose last token is `last`;
// none if it begins.
Result<std::vector<int32_t>> EncodePrompt(const Model& model, std::string_view prompt,
                                          std::optional<int32_t> last,
                                          const PromptOptions& options);

class TextStage {
 public:
  // The model must have the encoder of text.
  static Result<TextStage> Open(std::shared_ptr<const Model> model, PromptOptions options);

  // The tokens of the next prompt.
  Result<std::vector<int32_t>> Encode(std::string_view prompt) const {
    return EncodePrompt(*model_, prompt, last_token(), options_);
  }
  // Takes a token of the model's; `block` has one channel.
  void Run(int32_t token, FrameBlock& block);
  void Reset() { state_.Reset(); }
  int64_t position() const { return state_.lane(0).Integers(position_)[0]; }  // tokens taken

  std::optional<int32_t> last_token() const;

  // That of a stage that has taken so many tokens, the last of them this one.
  static Snapshot::Part PartAt(int64_t position, std::optional<int32_t> last);
  Snapshot::Part Save() const { return PartAt(position(), last_token()); }
  Result<void> Restore(const Snapshot& snapshot);

 private:
  TextStage(std::shared_ptr<const Model> model, PromptOptions options);

  std::shared_ptr<const Model> model_;
  PromptOptions options_;
  StateLayout layout_;
  Slot position_, last_;
  State state_;
};

}  // namespace rill

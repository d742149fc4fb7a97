// Conversations as token ids, in the form that chat models of the LFM2 family were trained on
// (ChatML):
//
//   BOS  <|im_start|>ROLE\nTEXT<|im_end|>\n  ...  <|im_start|>assistant\n
//
// Goals: the text of a message cannot give a control token, whatever it says; a conversation that
// goes on is encoded part by part to the same ids as at once.
//
// The text of the role tool stands between <|tool_response_start|> and <|tool_response_end|> where
// the vocabulary has these. Non-goals: lists of tools, and calls of them.
//
// Source: chat_template.jinja of LiquidAI/LFM2-1.2B; docs of ChatML, openai/openai-python
// chatml.md.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "modalities/tokenizer.h"
#include "operators/core/result.h"

namespace rill {

struct ChatMessage {
  std::string role;  // system, user, assistant or tool
  std::string text;
};

// Immutable after construction; any number of sessions and threads may share one.
class ChatTemplate {
 public:
  // An error where the vocabulary lacks <|im_start|> or <|im_end|>.
  static Result<ChatTemplate> Make(std::shared_ptr<const Tokenizer> tokenizer);

  // A conversation from its start to where the assistant's answer begins.
  Result<std::vector<int32_t>> Encode(std::span<const ChatMessage> messages) const;

  // Its parts: BOS, each message, what asks for an answer, and what stands between the last token
  // of an answer, whether that is its <|im_end|> or it was cut off, and the next message.
  std::vector<int32_t> Start() const { return {tokenizer_->bos()}; }
  Result<std::vector<int32_t>> Message(const ChatMessage& message) const;
  const std::vector<int32_t>& ask() const { return ask_; }
  std::vector<int32_t> AfterAnswer(int32_t last) const;

 private:
  explicit ChatTemplate(std::shared_ptr<const Tokenizer> tokenizer)
      : tokenizer_(std::move(tokenizer)) {}
  // Append text as it is; and what a tool says, behind the head of its message.
  Result<void> Add(std::string_view text, std::vector<int32_t>& ids) const;
  Result<void> AddResponse(std::string_view head, std::string_view text,
                           std::vector<int32_t>& ids) const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  int32_t start_ = 0, end_ = 0;                          // <|im_start|>, <|im_end|>
  std::optional<std::pair<int32_t, int32_t>> response_;  // what a tool says stands between these
  std::vector<int32_t> ask_, line_end_;
};

}  // namespace rill

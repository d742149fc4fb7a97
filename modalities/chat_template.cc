#include "modalities/chat_template.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "operators/core/text.h"

namespace rill {
namespace {

constexpr std::string_view kRoles[] = {"system", "user", "assistant", "tool"};

void Append(std::vector<int32_t>& ids, const std::vector<int32_t>& more) {
  ids.insert(ids.end(), more.begin(), more.end());
}

}  // namespace

Result<ChatTemplate> ChatTemplate::Make(std::shared_ptr<const Tokenizer> tokenizer) {
  ChatTemplate chat(std::move(tokenizer));
  const auto find = [&](std::string_view name) -> Result<int32_t> {
    const std::optional<int32_t> id = chat.tokenizer_->special(name);
    if (!id || !chat.tokenizer_->is_control(*id))
      return Error{"none of the " + std::to_string(chat.tokenizer_->size()) +
                   " tokens is the control token " + std::string(name) +
                   ", which conversations need"};
    return *id;
  };
  const Result<int32_t> start = find("<|im_start|>");
  if (!start) return start.error();
  const Result<int32_t> end = find("<|im_end|>");
  if (!end) return end.error();
  chat.start_ = *start;
  chat.end_ = *end;
  const std::optional<int32_t> open = chat.tokenizer_->special("<|tool_response_start|>");
  const std::optional<int32_t> close = chat.tokenizer_->special("<|tool_response_end|>");
  if (open && close) chat.response_.emplace(*open, *close);
  if (const Result<void> added = chat.Add("\n", chat.line_end_); !added) return added.error();
  chat.ask_ = {chat.start_};
  if (const Result<void> added = chat.Add("assistant\n", chat.ask_); !added) return added.error();
  return chat;
}

std::vector<int32_t> ChatTemplate::AfterAnswer(int32_t last) const {
  std::vector<int32_t> ids;
  if (last != end_) ids.push_back(end_);
  Append(ids, line_end_);
  return ids;
}

Result<std::vector<int32_t>> ChatTemplate::Message(const ChatMessage& message) const {
  if (std::ranges::find(kRoles, message.role) == std::end(kRoles))
    return Error{"a message of the role \"" + Printable(message.role) +
                 "\", roles are system, user, assistant and tool"};
  std::vector<int32_t> ids = {start_};
  // Role and text as one, since blanks on both sides of the line end may be one token with it.
  const std::string head = message.role + "\n";
  const Result<void> added = message.role == "tool" && response_
                                 ? AddResponse(head, message.text, ids)
                                 : Add(head + message.text, ids);
  if (!added) return added.error();
  ids.push_back(end_);
  Append(ids, line_end_);
  return ids;
}

Result<void> ChatTemplate::Add(std::string_view text, std::vector<int32_t>& ids) const {
  const Result<std::vector<int32_t>> encoded = tokenizer_->Encode(text, Specials::kPlain);
  if (!encoded) return encoded.error();
  Append(ids, *encoded);
  return {};
}

Result<void> ChatTemplate::AddResponse(std::string_view head, std::string_view text,
                                       std::vector<int32_t>& ids) const {
  if (const Result<void> added = Add(head, ids); !added) return added.error();
  ids.push_back(response_->first);
  if (const Result<void> added = Add(text, ids); !added) return added.error();
  ids.push_back(response_->second);
  return {};
}

Result<std::vector<int32_t>> ChatTemplate::Encode(std::span<const ChatMessage> messages) const {
  std::vector<int32_t> ids = Start();
  for (const ChatMessage& message : messages) {
    const Result<std::vector<int32_t>> encoded = Message(message);
    if (!encoded) return encoded.error();
    Append(ids, *encoded);
  }
  Append(ids, ask_);
  return ids;
}

}  // namespace rill

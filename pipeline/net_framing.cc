#include "pipeline/net_framing.h"

#include <utility>

namespace rill {

void LineFramer::Push(std::string_view bytes) {
  if (skipping_) {
    const size_t end = bytes.find('\n');
    if (end == std::string_view::npos) return;
    skipping_ = false;
    bytes.remove_prefix(end + 1);
  }
  buffer_.erase(0, begin_);
  begin_ = 0;
  buffer_.append(bytes);
}

std::optional<std::string> LineFramer::Pull() {
  size_t end = begin_;  // of the message: after a LF
  while (true) {
    const size_t newline = buffer_.find('\n', end + scanned_);
    scanned_ = 0;
    if (newline == std::string::npos) break;
    if (newline - begin_ > longest_bytes_) {  // together too long, or this line alone
      if (end > begin_) break;
      ++oversize_;
      begin_ = end = newline + 1;
      continue;
    }
    end = newline + 1;
  }
  if (end > begin_) {
    std::string message = buffer_.substr(begin_, end - begin_);
    begin_ = end;
    return message;
  }
  scanned_ = buffer_.size() - begin_;
  if (scanned_ > longest_bytes_) {
    ++oversize_;
    skipping_ = true;
    begin_ = scanned_ = 0;
    buffer_.clear();
  }
  return std::nullopt;
}

std::optional<std::string> LineFramer::Finish() {
  std::string line = buffer_.substr(begin_);
  buffer_.clear();
  begin_ = scanned_ = 0;
  skipping_ = false;
  if (line.empty()) return std::nullopt;
  return line + '\n';
}

}  // namespace rill

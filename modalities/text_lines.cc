#include "modalities/text_lines.h"

namespace rill {

void TextLines::Push(std::string_view bytes) {
  buffer_.erase(0, begin_);
  begin_ = 0;
  buffer_.append(bytes);
}

void TextLines::Reset() {
  buffer_.clear();
  begin_ = scanned_ = lines_ = 0;
  finished_ = skipping_ = false;
}

void TextLines::DropPartial() {
  buffer_.clear();
  begin_ = scanned_ = 0;
  skipping_ = false;
}

Result<std::optional<std::string_view>> TextLines::Pull() {
  while (true) {
    const size_t end = buffer_.find('\n', begin_ + scanned_);
    const size_t length = (end == std::string::npos ? buffer_.size() : end) - begin_;
    if (end == std::string::npos && !finished_) {
      if (skipping_) {
        buffer_.clear();
        begin_ = scanned_ = 0;
        return std::optional<std::string_view>();
      }
      scanned_ = length;
      if (length <= longest_bytes_) return std::optional<std::string_view>();
    } else if (end == std::string::npos && length == 0) {
      return std::optional<std::string_view>();
    }
    std::string_view line(buffer_.data() + begin_, length);
    const bool was_skipping = skipping_;
    skipping_ = end == std::string::npos && !finished_;
    begin_ += length + (end == std::string::npos ? 0 : 1);
    scanned_ = 0;
    if (was_skipping) continue;  // the tail of a line that was refused already
    ++lines_;
    if (length > longest_bytes_)
      return Error{"line " + std::to_string(lines_) + " is longer than the " +
                   std::to_string(longest_bytes_) + " bytes allowed"};
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    return std::optional(line);
  }
}

}  // namespace rill

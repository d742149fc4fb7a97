// Cuts a client's byte stream into messages of whole lines, within a bound.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rill {

// Lines end with LF; what stands before it (a CR, say) is kept. A line longer than the bound is
// skipped up to its end and counted once. Holds at most the bound and the bytes pushed last.
class LineFramer {
 public:
  // `longest_bytes`: of a line without its LF, and of the lines of one message.
  explicit LineFramer(size_t longest_bytes) : longest_bytes_(longest_bytes) {}

  // Appends bytes of the stream; Pull() until it is empty before the next call.
  void Push(std::string_view bytes);
  // The next message: as many whole lines as are there and fit, each with its LF.
  std::optional<std::string> Pull();
  // The stream is over: the line that has no LF yet, with one.
  std::optional<std::string> Finish();

  uint64_t oversize() const { return oversize_; }                        // lines skipped so far
  bool partial() const { return skipping_ || begin_ < buffer_.size(); }  // inside a line

 private:
  size_t longest_bytes_;
  std::string buffer_;
  size_t begin_ = 0;    // of the first unread byte in buffer_
  size_t scanned_ = 0;  // bytes after begin_ known to hold no LF
  uint64_t oversize_ = 0;
  bool skipping_ = false;  // the rest of a line that was too long
};

}  // namespace rill

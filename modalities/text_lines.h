// Splits a byte stream into lines, however it is cut into pieces, within a bound.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "operators/core/result.h"

namespace rill {

// Lines end with LF or CR LF; the ending is removed. The last line needs none.
class TextLines {
 public:
  explicit TextLines(size_t longest_bytes) : longest_bytes_(longest_bytes) {}

  // Appends bytes of the stream.
  void Push(std::string_view bytes);
  // Declares the stream over: what is left is the last line.
  void Finish() { finished_ = true; }
  // The next whole line, valid until the next call of any member; nothing yet, or the error that a
  // line is longer than the bound. After that error the rest of the line is skipped.
  Result<std::optional<std::string_view>> Pull();
  // Forgets the line begun, its bytes so far: what comes next starts a line.
  void DropPartial();
  void Reset();

  size_t lines() const { return lines_; }  // pulled or refused so far

 private:
  size_t longest_bytes_;
  std::string buffer_;
  size_t begin_ = 0;    // of the first unread byte in buffer_
  size_t scanned_ = 0;  // bytes after begin_ known to hold no line ending
  size_t lines_ = 0;
  bool finished_ = false;
  bool skipping_ = false;
};

}  // namespace rill

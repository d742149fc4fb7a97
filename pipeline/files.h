// Whole files, read and written.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "operators/core/result.h"

namespace rill {

// A file that takes the place of another once it is whole, which may be the one it is made from.
// Links are followed. What is no regular file (a pipe, /dev/null) is written to itself.
class OutputFile {
 public:
  explicit OutputFile(const std::string& path);
  ~OutputFile();  // without Finish() nothing is left
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  const std::string& path() const { return written_; }  // to write to
  bool is_direct() const { return direct_; }            // what is written cannot be taken back
  Result<void> Finish();                                // when it is written and closed

 private:
  std::string path_, written_;
  bool direct_ = false, done_ = false;
};

// Writes a file so that a crash leaves the old or the new content.
Result<void> WriteAtomically(const std::string& path, std::span<const std::byte> bytes);
// Reads a whole file of at most `most` bytes.
Result<std::vector<std::byte>> ReadFile(const std::string& path, size_t most);

}  // namespace rill

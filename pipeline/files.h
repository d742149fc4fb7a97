// Whole files, read and written.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "operators/core/result.h"

namespace rill {

// A file that takes the place of another once it is whole, which may be the one it is made from.
// Links are followed, and the new file gets the mode of the old. What is no regular file (a pipe,
// /dev/null) is written to itself.
class OutputFile {
 public:
  // Makes an empty file beside the path, unless that is no regular file.
  static Result<OutputFile> Create(const std::string& path);
  OutputFile(OutputFile&& other) noexcept;
  ~OutputFile();  // without Finish() the new file is removed
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  // What is to be written to.
  const std::string& path() const { return is_direct() ? path_ : beside_; }
  bool is_direct() const { return beside_.empty(); }  // what is written cannot be taken back
  Result<void> Finish();                              // when it is written and closed

 private:
  OutputFile(std::string path, std::string beside)
      : path_(std::move(path)), beside_(std::move(beside)) {}

  std::string path_, beside_;
};

// Writes a file so that a crash leaves the old or the new content of a regular one.
Result<void> WriteAtomically(const std::string& path, std::span<const std::byte> bytes);
// Reads a whole file of at most `most` bytes.
Result<std::vector<std::byte>> ReadFile(const std::string& path, size_t most);
// The same of an open one, from where it stands; `name` is for messages. A signal ends it.
Result<std::vector<std::byte>> ReadDescriptor(int file, const std::string& name, size_t most);

}  // namespace rill

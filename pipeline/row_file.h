// A file of rows, or the standard input, read as a stream: CSV, NDJSON, line protocol.
//
// What is held is one piece of the file and what the parser holds; a file of any length can be
// read. An interrupted read of the standard input ends it, so that what came is used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "modalities/row_parser.h"
#include "operators/core/result.h"

namespace rill {

class RowFile {
 public:
  static constexpr size_t kPieceBytes = size_t{1} << 16;

  // `path` "-" is the standard input. The rows do not depend on `piece_bytes`.
  static Result<RowFile> Open(const std::string& path, const RowOptions& options,
                              size_t piece_bytes = kPieceBytes);
  RowFile(RowFile&& other) noexcept;
  RowFile& operator=(RowFile&&) = delete;
  ~RowFile();

  // The next row; nothing at the end. Errors name the file and the line. A file without a row is
  // an error.
  Result<std::optional<Row>> Next();

  // Names of the channels; empty before the first row.
  const std::vector<std::string>& columns() const { return parser_.columns(); }
  const RowStats& stats() const { return parser_.stats(); }
  const std::string& name() const { return name_; }
  // Bytes of the file; 0 where they are not known.
  uint64_t file_bytes() const { return file_bytes_; }

 private:
  RowFile(int descriptor, std::string name, uint64_t file_bytes, size_t piece_bytes,
          RowParser parser);

  int descriptor_;  // -1: moved from
  std::string name_;
  uint64_t file_bytes_;
  RowParser parser_;
  std::vector<char> piece_;
  bool ended_ = false;
};

}  // namespace rill

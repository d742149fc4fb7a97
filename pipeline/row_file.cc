#include "pipeline/row_file.h"

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace rill {

Result<RowFile> RowFile::Open(const std::string& path, const RowOptions& options,
                              size_t piece_bytes) {
  Result<RowParser> parser = RowParser::Make(options);
  if (!parser) return parser.error();
  if (path == "-")
    return RowFile(STDIN_FILENO, "standard input", 0, piece_bytes, std::move(*parser));
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return Error{path + ": cannot be opened: " + std::strerror(errno)};
  struct stat status = {};
  if (fstat(descriptor, &status) != 0 || S_ISDIR(status.st_mode)) {
    close(descriptor);
    return Error{path + ": is not a file that can be read"};
  }
  const uint64_t bytes = S_ISREG(status.st_mode) ? static_cast<uint64_t>(status.st_size) : 0;
  return RowFile(descriptor, path, bytes, piece_bytes, std::move(*parser));
}

RowFile::RowFile(int descriptor, std::string name, uint64_t file_bytes, size_t piece_bytes,
                 RowParser parser)
    : descriptor_(descriptor),
      name_(std::move(name)),
      file_bytes_(file_bytes),
      parser_(std::move(parser)),
      piece_(piece_bytes) {}

RowFile::RowFile(RowFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      name_(std::move(other.name_)),
      file_bytes_(other.file_bytes_),
      parser_(std::move(other.parser_)),
      piece_(std::move(other.piece_)),
      ended_(other.ended_) {}

RowFile::~RowFile() {
  if (descriptor_ > STDIN_FILENO) close(descriptor_);
}

Result<std::optional<Row>> RowFile::Next() {
  while (true) {
    Result<std::optional<Row>> row = parser_.Pull();
    if (!row) return Error{name_ + ": " + row.error().message};
    if (*row) return row;
    if (ended_) {
      if (const Result<void> outcome = parser_.Outcome(); !outcome)
        return Error{name_ + ": " + outcome.error().message};
      return std::optional<Row>();
    }
    const ssize_t got = read(descriptor_, piece_.data(), piece_.size());
    if (got < 0 && errno != EINTR)
      return Error{name_ + ": cannot be read: " + std::strerror(errno)};
    if (got > 0) {
      parser_.Push(std::string_view(piece_.data(), static_cast<size_t>(got)));
    } else {
      parser_.Finish();
      ended_ = true;
    }
  }
}

}  // namespace rill

#include "pipeline/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace rill {
namespace {

namespace fs = std::filesystem;

Error System(const std::string& path, const char* what) {
  return Error{path + ": cannot " + what + ": " + std::strerror(errno)};
}

// What a chain of links leads to, whether it is there or not.
fs::path Followed(fs::path path) {
  constexpr int kMostLinks = 40;  // Linux's
  std::error_code failed;
  for (int i = 0; i < kMostLinks && fs::is_symlink(path, failed); ++i) {
    const fs::path target = fs::read_symlink(path, failed);
    if (failed) break;
    path = path.parent_path() / target;
  }
  return path;
}

}  // namespace

OutputFile::OutputFile(const std::string& path) : path_(Followed(path)) {
  std::error_code failed;
  const fs::file_status status = fs::status(path_, failed);
  direct_ = fs::exists(status) && !fs::is_regular_file(status);
  written_ = direct_ ? path_ : path_ + ".part";
}

OutputFile::~OutputFile() {
  if (!direct_ && !done_) unlink(written_.c_str());
}

Result<void> OutputFile::Finish() {
  done_ = direct_ || rename(written_.c_str(), path_.c_str()) == 0;
  if (!done_) return System(path_, "replace");
  return {};
}

Result<void> WriteAtomically(const std::string& path, std::span<const std::byte> bytes) {
  OutputFile output(path);
  const int file = open(output.path().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return System(output.path(), "create");
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const Error error = System(output.path(), "write");
      close(file);
      return error;
    }
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  const bool synced = output.is_direct() || fsync(file) == 0;
  if (close(file) != 0 || !synced) return System(output.path(), "write");
  return output.Finish();
}

Result<std::vector<std::byte>> ReadFile(const std::string& path, size_t most) {
  std::error_code failed;
  if (fs::is_directory(path, failed)) return Error{path + ": is a folder"};
  const uintmax_t size = fs::is_regular_file(path, failed) ? fs::file_size(path, failed)
                                                           : 0;  // of a pipe nobody knows
  const auto too_long = [&](uintmax_t bytes) {
    return Error{path + ": has " + std::to_string(bytes) + " bytes, at most " +
                 std::to_string(most) + " are read"};
  };
  if (size > most) return too_long(size);
  std::ifstream file(path, std::ios::binary);
  if (!file) return System(path, "open");
  constexpr size_t kPiece = 1 << 16;
  std::vector<std::byte> bytes(static_cast<size_t>(size));
  size_t count = 0;
  while (file.peek() != std::ifstream::traits_type::eof()) {
    if (count == bytes.size()) bytes.resize(count + kPiece);
    file.read(reinterpret_cast<char*>(bytes.data() + count),
              static_cast<std::streamsize>(bytes.size() - count));
    count += static_cast<size_t>(file.gcount());
    if (count > most) return too_long(count);
  }
  if (file.bad()) return System(path, "read");
  bytes.resize(count);
  return bytes;
}

}  // namespace rill

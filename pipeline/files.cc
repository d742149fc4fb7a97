#include "pipeline/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

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

Result<OutputFile> OutputFile::Create(const std::string& path) {
  std::error_code failed;
  const fs::file_status status = fs::status(path, failed);
  if (fs::is_directory(status)) return Error{path + ": is a folder"};
  if (fs::exists(status) && !fs::is_regular_file(status)) return OutputFile(path, "");
  const std::string target = Followed(path);
  // Not over a file of somebody else: the first name that is free.
  constexpr int kMostNames = 100;
  std::string beside = target + ".part";
  int file = -1;
  for (int i = 1; i < kMostNames; ++i) {
    file = open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file >= 0 || errno != EEXIST) break;
    beside = target + ".part" + std::to_string(i);
  }
  if (file < 0) return System(beside, "create");
  // The mode of the old file, but that it can be written to until it is finished.
  if (fs::exists(status)) fchmod(file, static_cast<mode_t>(status.permissions()) | S_IWUSR);
  close(file);
  return OutputFile(target, beside);
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)), beside_(std::exchange(other.beside_, {})) {}

OutputFile::~OutputFile() {
  if (!is_direct()) unlink(beside_.c_str());
}

Result<void> OutputFile::Finish() {
  if (is_direct()) return {};
  std::error_code failed;
  const fs::file_status old = fs::status(path_, failed);
  if (fs::exists(old)) chmod(beside_.c_str(), static_cast<mode_t>(old.permissions()));
  if (std::rename(beside_.c_str(), path_.c_str()) != 0) return System(path_, "replace");
  beside_.clear();
  return {};
}

Result<void> WriteAtomically(const std::string& path, std::span<const std::byte> bytes) {
  Result<OutputFile> output = OutputFile::Create(path);
  if (!output) return output.error();
  const int file = open(output->path().c_str(), O_WRONLY | O_CLOEXEC);
  if (file < 0) return System(output->path(), "open");
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const Error error = System(output->path(), "write");
      close(file);
      return error;
    }
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  const bool synced = output->is_direct() || fsync(file) == 0;
  if (close(file) != 0 || !synced) return System(output->path(), "write");
  return output->Finish();
}

Result<std::vector<std::byte>> ReadDescriptor(int file, const std::string& name, size_t most) {
  constexpr size_t kPiece = 1 << 16;
  struct stat about {};
  // Of a pipe nobody knows.
  const size_t size =
      fstat(file, &about) == 0 && S_ISREG(about.st_mode) ? static_cast<size_t>(about.st_size) : 0;
  const auto too_long = [&](size_t bytes) {
    return Error{name + ": has " + std::to_string(bytes) + " bytes, at most " +
                 std::to_string(most) + " are read"};
  };
  if (size > most) return too_long(size);
  std::vector<std::byte> bytes(size + 1);  // one more, to see the end
  for (size_t count = 0;;) {
    if (count == bytes.size()) bytes.resize(count + kPiece);
    const ssize_t got = read(file, bytes.data() + count, bytes.size() - count);
    if (got < 0) return System(name, "read");
    count += static_cast<size_t>(got);
    if (count > most) return too_long(count);
    if (got > 0) continue;
    bytes.resize(count);
    return bytes;
  }
}

Result<std::vector<std::byte>> ReadFile(const std::string& path, size_t most) {
  std::error_code failed;
  if (fs::is_directory(path, failed)) return Error{path + ": is a folder"};
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return System(path, "open");
  auto bytes = ReadDescriptor(file, path, most);
  close(file);
  return bytes;
}

}  // namespace rill

// What the commands share at the terminal: exit codes, errors, tables, progress, interruption.
//
// Results go to the standard output; errors and progress to the standard error, progress only
// where that is a terminal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/model.h"

namespace rill {

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kMisused = 2;

// Prints "rill: <message>" and returns kFailed.
int Fail(const Error& error);
// Prints "rill: note: <message>".
void Note(const std::string& message);

// Lets SIGINT end the work early instead of the process; a second one ends the process.
void CatchInterrupt();
bool Interrupted();

// Rows of cells, aligned; the first column to the left, the others to the right.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header) : header_(std::move(header)) {}
  void Add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  // With a bold header where the standard output is a terminal.
  void Print() const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

// A bar that is redrawn in place and removed at the end.
class Progress {
 public:
  Progress(std::string what, uint64_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void Update(uint64_t done);

 private:
  std::string what_;
  uint64_t total_;
  int64_t drawn_ms_ = 0;  // when last, on the steady clock
  bool shown_ = false;
};

std::string Fixed(double value, int decimals);  // "-" where not finite
std::string Grouped(uint64_t count);            // "957,312"
std::string ReadableBytes(uint64_t bytes);      // "1.93 MB"; MB = 10^6 bytes

}  // namespace rill

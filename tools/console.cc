#include "tools/console.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>

#include <fmt/format.h>
#include <unistd.h>

namespace rill {
namespace {

constexpr int64_t kRedrawMs = 100;
constexpr size_t kBarCells = 30;

volatile std::sig_atomic_t interrupted = 0;

void OnInterrupt(int) { interrupted = 1; }

int64_t NowMs() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

// Characters of UTF-8 text, which is what a terminal gives a cell each.
size_t Width(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char letter) {
    return (static_cast<unsigned char>(letter) & 0xc0) != 0x80;
  }));
}

}  // namespace

int Fail(const Error& error) {
  fmt::print(stderr, "rill: {}\n", error.message);
  return kFailed;
}

void Note(const std::string& message) { fmt::print(stderr, "rill: note: {}\n", message); }

void CatchInterrupt() {
  struct sigaction action = {};
  action.sa_handler = OnInterrupt;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // no SA_RESTART: a blocking read returns
  sigaction(SIGINT, &action, nullptr);
}

bool Interrupted() { return interrupted != 0; }

void TextTable::Print() const {
  std::vector<size_t> widths;
  const auto widen = [&widths](const std::vector<std::string>& cells) {
    widths.resize(std::max(widths.size(), cells.size()));
    for (size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], Width(cells[i]));
  };
  widen(header_);
  for (const auto& cells : rows_) widen(cells);
  const auto line = [&widths](const std::vector<std::string>& cells) {
    std::string text;
    for (size_t i = 0; i < cells.size(); ++i) {
      const std::string blanks(widths[i] - Width(cells[i]), ' ');
      if (i > 0) text += "  ";
      text += i == 0 ? cells[i] + blanks : blanks + cells[i];
    }
    return text;
  };
  const bool bold = isatty(STDOUT_FILENO) != 0;
  fmt::print("{}{}{}\n", bold ? "\x1b[1m" : "", line(header_), bold ? "\x1b[0m" : "");
  for (const auto& cells : rows_) fmt::print("{}\n", line(cells));
}

Progress::Progress(std::string what, uint64_t total)
    : what_(std::move(what)), total_(total), drawn_ms_(NowMs()) {}

Progress::~Progress() {
  if (shown_) fmt::print(stderr, "\r\x1b[K");
}

void Progress::Update(uint64_t done) {
  static const bool terminal = isatty(STDERR_FILENO) != 0;
  if (!terminal || total_ == 0) return;
  const int64_t now = NowMs();
  if (now - drawn_ms_ < kRedrawMs) return;
  drawn_ms_ = now;
  shown_ = true;
  const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total_));
  const size_t cells = static_cast<size_t>(share * kBarCells);
  fmt::print(stderr, "\r{} [{}{}] {:3.0f} %\x1b[K", what_, std::string(cells, '#'),
             std::string(kBarCells - cells, ' '), 100 * share);
  std::fflush(stderr);
}

std::string Fixed(double value, int decimals) {
  return std::isfinite(value) ? fmt::format("{:.{}f}", value, decimals) : "-";
}

std::string Grouped(uint64_t count) {
  std::string text = std::to_string(count);
  for (size_t i = text.size(); i > 3; i -= 3) text.insert(i - 3, 1, ',');
  return text;
}

std::string ReadableBytes(uint64_t bytes) {
  const double value = static_cast<double>(bytes);
  if (bytes < 10'000) return fmt::format("{} B", bytes);
  if (bytes < 10'000'000) return fmt::format("{:.1f} kB", value / 1e3);
  if (bytes < 10'000'000'000) return fmt::format("{:.1f} MB", value / 1e6);
  return fmt::format("{:.1f} GB", value / 1e9);
}

}  // namespace rill

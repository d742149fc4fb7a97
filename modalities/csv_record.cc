#include <algorithm>

#include "modalities/cell_text.h"
#include "modalities/record.h"

namespace rill {
namespace {

Error TooManyCells() { return Error{"more than " + std::to_string(kMostColumns) + " columns"}; }

// Reads a quoted cell that starts at `at`, which it moves behind the closing quote.
Result<std::string_view> ReadQuoted(std::string_view line, size_t& at, Record& record) {
  const size_t begin = ++at;
  bool doubled = false;
  for (; at < line.size(); ++at) {
    if (line[at] != '"') continue;
    if (at + 1 == line.size() || line[at + 1] != '"') break;
    doubled = true;
    ++at;
  }
  if (at >= line.size())
    return Error{"the quote that opens column " + std::to_string(record.cells.size()) +
                 " is not closed on this line"};
  const std::string_view inside = line.substr(begin, at - begin);
  ++at;
  if (!doubled) return inside;
  const size_t start = record.scratch.size();
  for (size_t i = 0; i < inside.size(); ++i) {
    record.scratch += inside[i];
    if (inside[i] == '"') ++i;
  }
  return std::string_view(record.scratch).substr(start);
}

}  // namespace

char SniffDelimiter(std::string_view line) {
  constexpr std::string_view kDelimiters = "\t;,| ";
  line = Trim(line);
  size_t best = kDelimiters.size();
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') quoted = !quoted;
    if (!quoted) best = std::min(best, kDelimiters.find(c));
  }
  return best == kDelimiters.size() ? ',' : kDelimiters[best];
}

Result<void> SplitCsv(std::string_view line, char delimiter, Record& record) {
  record.Clear();
  record.scratch.reserve(line.size());  // so that views into it stay valid
  const bool blanks = delimiter == ' ';
  const auto skip_blanks = [&](size_t at) {
    while (at < line.size() && (line[at] == ' ' || (line[at] == '\t' && delimiter != '\t'))) ++at;
    return at;
  };
  if (blanks) line = Trim(line);
  for (size_t at = 0;; ++at) {
    if (record.cells.size() == kMostColumns) return TooManyCells();
    at = skip_blanks(at);
    if (at < line.size() && line[at] == '"') {
      const Result<std::string_view> cell = ReadQuoted(line, at, record);
      if (!cell) return cell.error();
      record.cells.push_back({{}, *cell});
      if (!blanks) at = skip_blanks(at);
      if (at < line.size() && line[at] != delimiter && !(delimiter != '\t' && line[at] == '\r'))
        return Error{"column " + std::to_string(record.cells.size() - 1) + " goes on with " +
                     Excerpt(line.substr(at, 1)) + " after its closing quote"};
    } else {
      const size_t end = std::min(line.find(delimiter, at), line.size());
      record.cells.push_back({{}, Trim(line.substr(at, end - at))});
      at = end;
    }
    if (at >= line.size()) return {};
  }
}

}  // namespace rill

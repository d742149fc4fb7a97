#include <algorithm>

#include "modalities/cell_text.h"
#include "modalities/record.h"

namespace rill {
namespace {

// The first of `stops` at or after `at` that no backslash stands before; the end when there is
// none.
size_t FindBare(std::string_view line, size_t at, std::string_view stops) {
  for (; at < line.size(); ++at) {
    if (line[at] == '\\' && at + 1 < line.size()) {
      ++at;
    } else if (stops.find(line[at]) != stops.npos) {
      break;
    }
  }
  return at;
}

// Without the backslashes that stand before one of `escaped`.
std::string_view Unescape(std::string_view text, std::string_view escaped, Record& record) {
  if (text.find('\\') == text.npos) return text;
  const size_t begin = record.scratch.size();
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && escaped.find(text[i + 1]) != escaped.npos) ++i;
    record.scratch += text[i];
  }
  return std::string_view(record.scratch).substr(begin);
}

// The value of a field: 1.5, 3i, 3u, true, "text". Moves `at` behind it.
Result<std::string_view> ReadValue(std::string_view line, size_t& at, Record& record) {
  const size_t begin = at;
  if (at < line.size() && line[at] == '"') {
    at = FindBare(line, at + 1, "\"");
    if (at >= line.size()) return Error{"the text of a field is not closed"};
    ++at;
    return Unescape(line.substr(begin + 1, at - begin - 2), "\"\\", record);
  }
  at = std::min(line.find_first_of(", ", at), line.size());
  std::string_view text = line.substr(begin, at - begin);
  if (text.empty()) return Error{"a field has no value"};
  for (const std::string_view word : {"t", "T", "true", "True", "TRUE"})
    if (text == word) return std::string_view("1");
  for (const std::string_view word : {"f", "F", "false", "False", "FALSE"})
    if (text == word) return std::string_view("0");
  const bool integer = text.back() == 'i' || text.back() == 'u';
  if (integer) text.remove_suffix(1);
  const size_t digits = text.find_first_not_of("+-");
  const std::string_view allowed = integer ? "+-0123456789" : "+-.0123456789eE";
  if (digits == text.npos || text.find_first_not_of(allowed) != text.npos)
    return Error{Excerpt(line.substr(begin, at - begin)) + " is not the value of a field"};
  return text;
}

}  // namespace

Result<void> SplitInflux(std::string_view line, Record& record) {
  record.Clear();
  record.scratch.reserve(line.size());  // so that views into it stay valid
  line = Trim(line);
  size_t at = FindBare(line, 0, " ");
  if (at == 0 || line[0] == ',' || at == line.size())
    return Error{"no measurement followed by fields"};
  record.series = line.substr(0, at);
  do {
    ++at;
    const size_t equals = FindBare(line, at, ",= ");
    if (equals >= line.size() || line[equals] != '=' || equals == at)
      return Error{"no key=value where a field should stand"};
    const std::string_view key = Unescape(line.substr(at, equals - at), ",= ", record);
    at = equals + 1;
    const Result<std::string_view> value = ReadValue(line, at, record);
    if (!value) return value.error();
    if (record.cells.size() + 1 >= kMostColumns)
      return Error{"more than " + std::to_string(kMostColumns) + " fields"};
    record.cells.push_back({key, *value});
  } while (at < line.size() && line[at] == ',');
  const std::string_view rest = Trim(line.substr(at));
  if (at < line.size() && line[at] != ' ') return Error{"a field goes on after its closing quote"};
  const size_t digits = rest.substr(0, 1) == "-" ? 1 : 0;
  if (rest.size() > digits && rest.find_first_not_of("0123456789", digits) == rest.npos)
    record.cells.push_back({"time", rest});
  else if (!rest.empty())
    return Error{"timestamp " + Excerpt(rest) + " is not a whole number"};
  return {};
}

RowFormat SniffFormat(std::string_view line, char decimal) {
  const std::string_view text = Trim(line);
  if (text.empty() || (text[0] == '#' && text.find_first_of(",;\t") == text.npos))
    return RowFormat::kAuto;
  if (text[0] == '{') return RowFormat::kNdjson;
  double value = 0.0;
  if (NumberReader(decimal == '\0' ? '.' : decimal, {}).Read(text, value) == NumberKind::kNumber)
    return RowFormat::kNumbers;
  Record record;
  if (SplitInflux(text, record)) return RowFormat::kInflux;
  return RowFormat::kCsv;
}

}  // namespace rill

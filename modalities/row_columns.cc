#include "modalities/row_columns.h"

#include <algorithm>
#include <charconv>

#include "modalities/cell_text.h"
#include "modalities/timestamp.h"

namespace rill {
namespace {

constexpr std::string_view kTimeNames[] = {"time", "timestamp", "datetime", "date_time", "date",
                                           "ts",   "epoch",     "unix",     "unixtime"};
constexpr std::string_view kDateParts[] = {"year", "month", "day", "hour", "minute", "second"};
constexpr std::string_view kLongNames[] = {"parameter", "variable", "name", "channel",
                                           "sensor",    "metric",   "item"};
constexpr std::string_view kCounterNames[] = {"", "no", "index", "row", "unnamed: 0"};

template <size_t N>
bool IsOneOf(std::string_view name, const std::string_view (&names)[N]) {
  return std::any_of(std::begin(names), std::end(names),
                     [&](std::string_view known) { return EqualsIgnoringCase(name, known); });
}

std::optional<size_t> FindIgnoringCase(const std::vector<std::string>& header,
                                       std::string_view name) {
  for (size_t i = 0; i < header.size(); ++i)
    if (EqualsIgnoringCase(header[i], name)) return i;
  return std::nullopt;
}

// The cell a user's word means: a name that is there once, or a place counted from 0.
Result<size_t> Find(const std::vector<std::string>& header, const std::string& word) {
  const auto found = std::find(header.begin(), header.end(), word);
  if (found != header.end()) {
    if (std::find(found + 1, header.end(), word) != header.end())
      return Error{"column " + Excerpt(word) + " is there more than once: give its place, from 0"};
    return static_cast<size_t>(found - header.begin());
  }
  size_t place = 0;
  const auto [end, failure] = std::from_chars(word.data(), word.data() + word.size(), place);
  if (failure == std::errc() && end == word.data() + word.size() && place < header.size())
    return place;
  return Error{"no column " + Excerpt(word) + " among the " + std::to_string(header.size()) + ": " +
               ToUtf8(ListNames(header))};
}

Result<std::vector<size_t>> FindAll(const std::vector<std::string>& header,
                                    const std::vector<std::string>& words) {
  std::vector<size_t> cells;
  for (const std::string& word : words) {
    const Result<size_t> cell = Find(header, word);
    if (!cell) return cell.error();
    cells.push_back(*cell);
  }
  return cells;
}

std::vector<size_t> FindTime(const std::vector<std::string>& header,
                             const std::vector<std::string_view>& first) {
  std::vector<size_t> parts;
  for (const std::string_view name : kDateParts) {
    const std::optional<size_t> cell = FindIgnoringCase(header, name);
    if (!cell) break;
    parts.push_back(*cell);
  }
  if (parts.size() >= 3) return parts;
  for (size_t i = 0; i < first.size(); ++i) {
    const StampShape shape = TimeFormat::ShapeOf(first[i]);
    if (shape == StampShape::kDateAndTime) return {i};
    if (shape != StampShape::kDate) continue;
    if (i + 1 < first.size() && (TimeFormat::ShapeOf(first[i + 1]) == StampShape::kTimeOfDay ||
                                 EqualsIgnoringCase(header[i + 1], "time")))
      return {i, i + 1};
    return {i};
  }
  for (size_t i = 0; i < header.size(); ++i)
    if (IsOneOf(header[i], kTimeNames)) return {i};
  return {};
}

// Fills the cells of long form, where the lines are in it.
Result<void> FindLongForm(const RowOptions& options, const std::vector<std::string>& header,
                          RowColumns& columns) {
  if (options.name_column.empty() != options.value_column.empty())
    return Error{"long form needs both name-column and value-column"};
  if (!options.name_column.empty()) {
    const Result<size_t> name = Find(header, options.name_column);
    if (!name) return name.error();
    const Result<size_t> value = Find(header, options.value_column);
    if (!value) return value.error();
    columns.long_name = *name;
    columns.long_value = *value;
    return {};
  }
  const std::optional<size_t> value = FindIgnoringCase(header, "value");
  if (header.size() != 3 || !value) return {};
  for (size_t i = 0; i < header.size(); ++i) {
    if (!IsOneOf(header[i], kLongNames) || !IsOneOf(header[3 - i - *value], kTimeNames)) continue;
    columns.long_name = i;
    columns.long_value = *value;
  }
  return {};
}

// Every cell that is a number under the rule of the header of this file.
void FindChannels(const RowOptions& options, const std::vector<std::string>& header,
                  const std::vector<std::string_view>& first, RowColumns& columns) {
  const NumberReader numbers(options.decimal, options.missing);
  std::vector<bool> taken(header.size(), false);
  for (const size_t cell : columns.time) taken[cell] = true;
  for (size_t i = 0; i < header.size(); ++i) {
    if (taken[i]) continue;
    double value = 0.0;
    const NumberKind kind = numbers.Read(first[i], value);
    if (kind == NumberKind::kNotANumber) continue;
    if (kind == NumberKind::kMissing && header[i].empty()) continue;
    if (i == 0 && IsOneOf(header[i], kCounterNames) && (value == 0.0 || value == 1.0)) continue;
    columns.channels.push_back(i);
  }
}

}  // namespace

Result<RowColumns> ChooseColumns(const RowOptions& options, const std::vector<std::string>& header,
                                 const std::vector<std::string_view>& first) {
  RowColumns columns;
  if (const Result<void> long_form = FindLongForm(options, header, columns); !long_form)
    return long_form.error();
  if (!options.time_columns.empty()) {
    const Result<std::vector<size_t>> time = FindAll(header, options.time_columns);
    if (!time) return time.error();
    columns.time = *time;
  } else if (options.interval.numerator == 0) {
    columns.time = FindTime(header, first);
  }
  if (columns.long_name) {
    if (options.columns.empty())
      return Error{"one value a line, named by column " + Excerpt(header[*columns.long_name]) +
                   ": name the channels with columns="};
    if (columns.time.empty()) return Error{"one value a line needs a time column"};
    columns.names = options.columns;
    return columns;
  }
  if (options.columns.empty()) {
    FindChannels(options, header, first, columns);
    if (columns.channels.empty())
      return Error{"no column holds a number in the first line of data: " +
                   ToUtf8(ListNames(header))};
  } else {
    const Result<std::vector<size_t>> channels = FindAll(header, options.columns);
    if (!channels) return channels.error();
    columns.channels = *channels;
  }
  for (const size_t cell : columns.channels)
    columns.names.push_back(header[cell].empty() ? std::to_string(cell) : header[cell]);
  return columns;
}

}  // namespace rill

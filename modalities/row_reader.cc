#include "modalities/row_reader.h"

#include <algorithm>
#include <limits>

namespace rill {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool IsKeyed(RowFormat format) {
  return format == RowFormat::kNdjson || format == RowFormat::kInflux;
}

// Nanoseconds of `count` intervals, rounded down; nothing where they do not fit.
std::optional<int64_t> Multiply(uint64_t count, Interval interval) {
  __extension__ using Wide = unsigned __int128;  // holds 2^64 intervals of 2^31 s in ns
  const Wide seconds = Wide{count} * static_cast<uint32_t>(interval.numerator);
  const auto denominator = static_cast<uint32_t>(interval.denominator);
  const Wide ns =
      seconds / denominator * 1'000'000'000 + seconds % denominator * 1'000'000'000 / denominator;
  if (ns > Wide{std::numeric_limits<int64_t>::max()}) return std::nullopt;
  return static_cast<int64_t>(ns);
}

}  // namespace

Result<RowReader> RowReader::Make(RowOptions options) {
  RowReader reader;
  const Result<TimeZone> zone = TimeZone::Make(options.timezone);
  if (!zone) return zone.error();
  reader.zone_ = *zone;
  if (!options.time_format.empty()) {
    const Result<TimeFormat> time = TimeFormat::Make(options.time_format, *zone);
    if (!time) return time.error();
    reader.asked_time_ = *time;
  }
  if (options.decimal != '\0' && options.decimal != '.' && options.decimal != ',')
    return Error{"decimal " + Excerpt({&options.decimal, 1}) + " is neither . nor ,"};
  if (options.delimiter != '\0' && options.delimiter == options.decimal)
    return Error{"delimiter and decimal are both " + Excerpt({&options.decimal, 1})};
  if (options.delimiter == '"' || options.delimiter == '\n')
    return Error{"delimiter " + Excerpt({&options.delimiter, 1}) + " cannot end a cell"};
  if (options.interval.numerator < 0 || options.interval.denominator <= 0)
    return Error{"interval " + std::to_string(options.interval.numerator) + "/" +
                 std::to_string(options.interval.denominator) + " s is not a time"};
  for (const std::vector<std::string>* list :
       {&options.columns, &options.time_columns, &options.missing})
    if (list->size() > kMostColumns)
      return Error{std::to_string(list->size()) + " names were given, " +
                   std::to_string(kMostColumns) + " are allowed"};
  reader.asked_ = std::move(options);
  reader.Reset();
  return reader;
}

void RowReader::Reset() {
  options_ = asked_;
  time_ = asked_time_;
  header_.clear();
  places_.clear();
  channels_.clear();
  columns_.reset();
  series_.clear();
  record_.Clear();
  texts_.clear();
  data_lines_ = 0;
  at_start_ = true;
  merges_ = unusable_ = false;
}

Error RowReader::Unusable(Error error) {
  unusable_ = true;
  return error;
}

Result<void> RowReader::Settle(std::string_view line) {
  if (line.find('\0') != line.npos)
    return Unusable({"a zero byte: the input is binary or UTF-16, not text"});
  if (options_.format == RowFormat::kAuto) options_.format = SniffFormat(line, options_.decimal);
  if (options_.format == RowFormat::kAuto) return {};
  if (options_.format == RowFormat::kCsv) {
    if (options_.delimiter == '\0') options_.delimiter = SniffDelimiter(line);
    if (options_.decimal == '\0' && options_.delimiter != ';') options_.decimal = '.';
  } else if (IsKeyed(options_.format) || options_.decimal == '\0') {
    options_.decimal = '.';
  }
  if (options_.format == RowFormat::kInflux && !time_) {
    const Result<TimeFormat> time = TimeFormat::Make("unix-ns", zone_);
    if (!time) return Unusable(time.error());
    time_ = *time;
  }
  numbers_ = NumberReader(options_.decimal, options_.missing);
  at_start_ = false;
  return {};
}

// Fills the record; false where the line holds none.
Result<bool> RowReader::Split(std::string_view line) {
  if (at_start_) {
    if (line.substr(0, kByteOrderMark.size()) == kByteOrderMark)
      line.remove_prefix(kByteOrderMark.size());
    if (const Result<void> settled = Settle(line); !settled) return settled.error();
    if (at_start_) return false;
  }
  const std::string_view text = Trim(line);
  if (text.empty()) return false;
  Result<void> split;
  switch (options_.format) {
    case RowFormat::kInflux:
      if (text[0] == '#') return false;
      split = SplitInflux(line, record_);
      break;
    case RowFormat::kNdjson: split = SplitNdjson(line, record_); break;
    case RowFormat::kCsv: split = SplitCsv(line, options_.delimiter, record_); break;
    case RowFormat::kNumbers:
    case RowFormat::kAuto:
      record_.Clear();
      record_.cells.push_back({"value", text});
      break;
  }
  if (!split) return split.error();
  return std::any_of(record_.cells.begin(), record_.cells.end(),
                     [](const Cell& cell) { return !cell.text.empty(); });
}

// Names the cells after the record: after its texts or names, or by their place.
Result<void> RowReader::SetHeader(bool named) {
  std::vector<std::string> header;
  const bool by_text = options_.format == RowFormat::kCsv;
  for (const Cell& cell : record_.cells) {
    const std::string_view name = by_text ? cell.text : cell.name;
    if (name.size() > kLongestNameBytes)
      return Unusable({"column " + std::to_string(header.size()) + " has a name of " +
                       std::to_string(name.size()) + " bytes, " +
                       std::to_string(kLongestNameBytes) + " are allowed"});
    header.push_back(named ? ToUtf8(name) : std::to_string(header.size()));
  }
  if (IsKeyed(options_.format)) {  // what the first line lacks may come in a later one
    for (const auto* words : {&options_.columns, &options_.time_columns})
      for (const std::string& word : *words)
        if (std::find(header.begin(), header.end(), word) == header.end()) header.push_back(word);
  }
  header_ = std::move(header);
  for (size_t i = 0; i < header_.size(); ++i) places_.emplace(header_[i], i);
  return {};
}

// Brings the record's texts into the order of the header.
Result<void> RowReader::Align() {
  texts_.assign(header_.size(), {});
  const std::vector<Cell>& cells = record_.cells;
  if (!IsKeyed(options_.format)) {
    for (size_t i = 0; i < std::max(cells.size(), header_.size()); ++i) {
      if (i < cells.size() && i < header_.size()) {
        texts_[i] = cells[i].text;
      } else if (i < cells.size() ? !cells[i].text.empty() : !header_[i].empty()) {
        return Error{std::to_string(cells.size()) + " cells where there are " +
                     std::to_string(header_.size()) + " columns"};
      }
    }
    return {};
  }
  std::string key;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i < header_.size() && header_[i] == cells[i].name) {
      texts_[i] = cells[i].text;
      continue;
    }
    auto place = places_.find(key = cells[i].name);
    const std::string_view measurement = record_.series.substr(0, record_.series.find(','));
    if (place == places_.end() && measurement.size() + key.size() < kLongestNameBytes)
      place = places_.find(key = std::string(measurement) + "." + key);
    if (place != places_.end()) texts_[place->second] = cells[i].text;
  }
  return {};
}

bool RowReader::RepeatsHeader() const {
  return options_.format == RowFormat::kCsv && record_.cells.size() == header_.size() &&
         std::equal(header_.begin(), header_.end(), record_.cells.begin(),
                    [](const std::string& name, const Cell& cell) { return name == cell.text; });
}

Result<void> RowReader::SettleColumns() {
  Result<RowColumns> columns = ChooseColumns(options_, header_, texts_);
  if (!columns) return Unusable(columns.error());
  columns_ = std::move(*columns);
  const bool influx = options_.format == RowFormat::kInflux;
  merges_ = columns_->long_name || (influx && !options_.columns.empty());
  if (influx && !merges_) series_ = record_.series;
  for (size_t i = 0; columns_->long_name && i < columns_->names.size(); ++i)
    channels_.emplace(columns_->names[i], i);
  return {};
}

Result<int64_t> RowReader::Stamp(std::optional<int64_t> arrival_ns) {
  std::string text;
  for (const size_t cell : columns_->time) {
    if (texts_[cell].data() == nullptr) continue;
    if (!text.empty()) text += ' ';
    text += texts_[cell];
  }
  if (text.empty() && options_.interval.numerator > 0) {
    const std::optional<int64_t> ns = Multiply(data_lines_ - 1, options_.interval);
    if (!ns) return Error{"the intervals add up to more than 292 years"};
    return *ns;
  }
  if (text.empty() && arrival_ns) return *arrival_ns;
  if (columns_->time.empty())
    return Unusable({"no time column among " + ListNames(header_) +
                     ": name one with time-column (rill: --time) or give an interval"});
  if (text.empty()) return Error{"the time is missing"};
  if (!time_) {
    const Result<TimeFormat> guess = TimeFormat::Guess(text, zone_);
    if (!guess) {
      const Error error{guess.error().message + " with time-format="};
      return TimeFormat::ShapeOf(text) == StampShape::kNone ? error : Unusable(error);
    }
    time_ = *guess;
  }
  const std::optional<int64_t> ns = time_->Parse(text);
  if (!ns) return Error{"time " + Excerpt(text) + " is not of the format " + time_->name()};
  return *ns;
}

Result<void> RowReader::ReadValues(Reading& reading) const {
  const auto read = [&](std::string_view text, size_t channel) -> Result<void> {
    double value = 0.0;
    const NumberKind kind = numbers_.Read(text, value);
    if (kind != NumberKind::kNumber && kind != NumberKind::kMissing)
      return Error{"column " + Excerpt(columns_->names[channel]) + ": " + Excerpt(text) + " " +
                   Complaint(kind)};
    reading.values.push_back(value);
    if (merges_) reading.channels.push_back(channel);
    return {};
  };
  if (columns_->long_name) {
    const auto channel = channels_.find(std::string(texts_[*columns_->long_name]));
    return channel == channels_.end() ? Result<void>()
                                      : read(texts_[columns_->long_value], channel->second);
  }
  reading.values.reserve(columns_->channels.size());
  for (size_t i = 0; i < columns_->channels.size(); ++i) {
    const std::string_view text = texts_[columns_->channels[i]];
    if (merges_ && text.data() == nullptr) continue;
    if (const Result<void> ok = read(text, i); !ok) return ok.error();
  }
  return {};
}

Result<std::optional<Reading>> RowReader::Read(std::string_view line,
                                               std::optional<int64_t> arrival_ns) {
  const Result<bool> found = Split(line);
  if (!found) return found.error();
  if (!*found) return std::optional<Reading>();
  if (header_.empty()) {
    const bool is_csv = options_.format == RowFormat::kCsv;
    const bool has_number =
        std::any_of(record_.cells.begin(), record_.cells.end(), [&](const Cell& cell) {
          double value = 0.0;
          return numbers_.Read(cell.text, value) == NumberKind::kNumber;
        });
    const bool present = options_.header == RowHeader::kPresent ||
                         (options_.header == RowHeader::kAuto && !has_number);
    if (const Result<void> set = SetHeader(!is_csv || present); !set) return set.error();
    if (is_csv && present) return std::optional<Reading>();
  }
  if (RepeatsHeader()) return std::optional<Reading>();
  ++data_lines_;
  if (const Result<void> aligned = Align(); !aligned) return aligned.error();
  if (!columns_)
    if (const Result<void> settled = SettleColumns(); !settled) return settled.error();
  if (!series_.empty() && record_.series != series_)
    return Error{"series " + Excerpt(record_.series) + " is not the first, " + Excerpt(series_) +
                 ": name the channels of both with columns="};
  Reading reading;
  const Result<int64_t> stamp = Stamp(arrival_ns);
  if (!stamp) return stamp.error();
  reading.unix_ns = *stamp;
  if (const Result<void> ok = ReadValues(reading); !ok) return ok.error();
  return std::optional(std::move(reading));
}

}  // namespace rill

#include "modalities/row_parser.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "modalities/cell_text.h"

namespace rill {

Result<RowParser> RowParser::Make(const RowOptions& options) {
  Result<RowReader> reader = RowReader::Make(options);
  if (!reader) return reader.error();
  return RowParser(options, std::move(*reader));
}

void RowParser::Push(std::string_view bytes, std::optional<int64_t> arrival_ns) {
  stats_.bytes += bytes.size();
  arrival_ns_ = arrival_ns;
  lines_.Push(bytes);
}

void RowParser::EndLine() { lines_.Push("\n"); }

void RowParser::Break() {
  lenient_ = stats_.bytes > 0;
  lines_.DropPartial();
  Complete();
}

void RowParser::Flush() {
  Break();
  ready_.clear();
  order_.Reset();
}

void RowParser::Finish() {
  lines_.Finish();
  ending_ = true;
}

void RowParser::Reset() {
  lines_.Reset();
  reader_.Reset();
  stats_ = {};
  arrival_ns_.reset();
  order_.Reset();
  begun_.reset();
  ready_.clear();
  unusable_.reset();
  ending_ = lenient_ = false;
}

std::optional<Error> RowParser::Refuse(std::string_view why) {
  ++stats_.bad_rows;
  stats_.last_error = why;
  if (on_bad_row_ == BadRow::kSkip || std::exchange(lenient_, false)) return std::nullopt;
  return Error{stats_.last_error};
}

void RowParser::Complete() {
  if (begun_) ready_.push_back(std::move(*begun_));
  begun_.reset();
}

void RowParser::Take(Reading reading) {
  if (!reader_.merges()) {
    ready_.push_back({reading.unix_ns, std::move(reading.values)});
    return;
  }
  if (begun_ && reading.unix_ns > begun_->unix_ns) Complete();
  if (reading.channels.empty()) return;
  const size_t channels = columns().size();
  if (!begun_) {
    begun_ = Row{reading.unix_ns,
                 std::vector<double>(channels, std::numeric_limits<double>::quiet_NaN())};
    given_.assign(channels, false);
    given_count_ = 0;
  }
  for (size_t i = 0; i < reading.channels.size(); ++i) {
    const size_t channel = reading.channels[i];
    begun_->values[channel] = reading.values[i];
    given_count_ += given_[channel] ? 0 : 1;
    given_[channel] = true;
  }
  if (given_count_ == channels) Complete();
}

Result<std::optional<Row>> RowParser::Pull() {
  while (ready_.empty()) {
    if (unusable_) return *unusable_;
    const Result<std::optional<std::string_view>> line = lines_.Pull();
    if (line && !*line) {
      if (ending_) Complete();
      if (ready_.empty()) return std::optional<Row>();
      break;
    }
    if (lines_.lines() <= skip_lines_) continue;
    if (!line) {
      if (const std::optional<Error> error = Refuse(line.error().message)) return *error;
      continue;
    }
    Result<std::optional<Reading>> reading = reader_.Read(**line, arrival_ns_);
    std::string why;
    if (!reading) {
      why = reading.error().message;
    } else if (*reading) {
      why = order_.Refuse((*reading)->unix_ns).value_or("");
    }
    if (!why.empty()) {
      why.insert(0, "line " + std::to_string(lines_.lines()) + ": ");
      if (reader_.unusable()) {
        stats_.last_error = why;
        return *(unusable_ = Error{why});
      }
      if (const std::optional<Error> error = Refuse(why)) return *error;
      continue;
    }
    lenient_ = false;
    if (!*reading) continue;
    Take(std::move(**reading));
  }
  Row row = std::move(ready_.front());
  ready_.pop_front();
  ++stats_.rows;
  return std::optional(std::move(row));
}

Result<void> RowParser::Outcome() const {
  if (stats_.rows > 0) return {};
  if (stats_.bytes == 0) return Error{"the input is empty"};
  if (stats_.bad_rows == 0)
    return Error{columns().empty() ? "the input holds no line of data"
                                   : "no line holds a value of " + ListNames(columns())};
  return Error{"no row could be read: " + std::to_string(stats_.bad_rows) +
               " lines were refused, the last for this: " + stats_.last_error};
}

}  // namespace rill

// Reads one line after another of a known or sniffed format as stamped values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "modalities/cell_text.h"
#include "modalities/record.h"
#include "modalities/row_columns.h"
#include "modalities/row_options.h"
#include "modalities/timestamp.h"
#include "operators/core/result.h"

namespace rill {

// What one line says of one instant: a whole row, or some of its values.
struct Reading {
  int64_t unix_ns = 0;
  std::vector<size_t> channels;  // which the values are of, where merges(); else unused
  std::vector<double> values;
};

// The first lines settle format, delimiter, header, columns and time format, in this order.
class RowReader {
 public:
  static Result<RowReader> Make(RowOptions options);

  // Nothing for a header, a comment, a blank line. `arrival_ns` is the stamp of lines that carry
  // none. An error is the end of a sentence that starts with "line 7: "; it is about this line, or
  // about the stream as a whole where unusable() is true from then on.
  Result<std::optional<Reading>> Read(std::string_view line, std::optional<int64_t> arrival_ns);
  bool unusable() const { return unusable_; }

  // Whether readings of the same instant make one row.
  bool merges() const { return merges_; }
  // The names of the channels; empty until they are settled.
  const std::vector<std::string>& columns() const { return columns_ ? columns_->names : none_; }
  void Reset();

 private:
  Result<bool> Split(std::string_view line);
  Result<void> Settle(std::string_view line);
  Result<void> SetHeader(bool named);
  Result<void> Align();
  bool RepeatsHeader() const;
  Result<void> SettleColumns();
  Result<int64_t> Stamp(std::optional<int64_t> arrival_ns);
  Result<void> ReadValues(Reading& reading) const;
  Error Unusable(Error error);

  RowOptions asked_;
  RowOptions options_;  // asked_ with what the first lines settled
  TimeZone zone_;
  NumberReader numbers_;
  std::optional<TimeFormat> asked_time_;
  std::optional<TimeFormat> time_;
  std::vector<std::string> header_;                   // one a cell
  std::unordered_map<std::string, size_t> places_;    // of the names in header_
  std::unordered_map<std::string, size_t> channels_;  // long form: of the names in columns_
  std::optional<RowColumns> columns_;
  std::string series_;  // Influx without columns=: the only one read
  std::vector<std::string> none_;
  Record record_;
  std::vector<std::string_view> texts_;  // one a header name; no data where a line has no such cell
  uint64_t data_lines_ = 0;
  bool at_start_ = true;
  bool merges_ = false;
  bool unusable_ = false;
};

}  // namespace rill

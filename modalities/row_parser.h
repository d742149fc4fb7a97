// Turns bytes of sensor data, however they are cut into pieces, into rows with a time.
//
//   parser.Push(bytes);
//   while (true) {
//     Result<std::optional<Row>> row = parser.Pull();
//     if (!row) return row.error();
//     if (!*row) break;  // more bytes are needed
//     Use(parser.columns(), **row);
//   }
//
// The rows are the same whatever the pieces. What is held is one line and one row, both bounded,
// and the piece last pushed. Rows come in the order of their time; equal stamps are let through,
// and a line whose stamp lies before the last is a bad one.
//
// In long form, and in line protocol with columns given, lines of one instant make one row: it is
// complete when all its channels are there or a later instant comes; of two values the later holds.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "modalities/row_options.h"
#include "modalities/row_reader.h"
#include "modalities/text_lines.h"
#include "modalities/time_order.h"
#include "operators/core/result.h"

namespace rill {

// A value: a copy goes on by itself from the same place.
class RowParser {
 public:
  static Result<RowParser> Make(const RowOptions& options);

  // Appends bytes of the stream. `arrival_ns` (unix) stamps the lines that end in them, where lines
  // carry no time.
  void Push(std::string_view bytes, std::optional<int64_t> arrival_ns = std::nullopt);
  // Declares the line begun whole: its end of line was left out.
  void EndLine();
  // Declares that bytes were lost: the line begun is dropped, the row begun is complete, and the
  // next line may be a mere tail, so that a fault in it is counted but never an error.
  void Break();
  // The same where time may start anew; the row begun is dropped.
  void Flush();
  // Declares the stream over: what is left is the last line.
  void Finish();

  // The next row; nothing yet; or an error that begins with the line's number. After the error of a
  // bad row (BadRow::kError) parsing can go on; other errors stay.
  Result<std::optional<Row>> Pull();
  // To be asked when all is pulled after Finish(): an error when not one row came.
  Result<void> Outcome() const;
  void Reset();

  const std::vector<std::string>& columns() const {
    return reader_.columns();
  }  // before the first
     // row: empty
  const RowStats& stats() const { return stats_; }

 private:
  RowParser(const RowOptions& options, RowReader reader)
      : on_bad_row_(options.on_bad_row),
        skip_lines_(options.skip_lines),
        order_(options.longest_gap_ns),
        lines_(options.longest_line_bytes),
        reader_(std::move(reader)) {}
  // Nothing where the bad row is to be skipped.
  std::optional<Error> Refuse(std::string_view why);
  void Take(Reading reading);
  void Complete();

  BadRow on_bad_row_;
  size_t skip_lines_;
  TimeOrder order_;
  TextLines lines_;
  RowReader reader_;
  RowStats stats_;
  std::optional<int64_t> arrival_ns_;
  std::optional<Row> begun_;  // where readings merge
  std::vector<bool> given_;   // which of its channels are there
  size_t given_count_ = 0;
  std::deque<Row> ready_;  // at most two
  std::optional<Error> unusable_;
  bool ending_ = false;   // the row begun is complete when the lines are pulled
  bool lenient_ = false;  // the next line may be a tail
};

}  // namespace rill

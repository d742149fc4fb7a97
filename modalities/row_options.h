// What a stream of sensor rows is read as: the choices a user can make, a row, and the counts kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "operators/core/result.h"

namespace rill {

enum class RowFormat { kAuto, kCsv, kNdjson, kInflux, kNumbers };
enum class RowHeader { kAuto, kPresent, kAbsent };
enum class BadRow { kSkip, kError };

// An exact fraction of seconds: 1/360 for 360 rows a second. 0/1 is none.
struct Interval {
  int32_t numerator = 0;
  int32_t denominator = 1;
};

// Columns are given by name or, where no name fits, by their place counted from 0.
struct RowOptions {
  RowFormat format = RowFormat::kAuto;    // kAuto: by the first line
  std::vector<std::string> columns;       // the channels, in this order; empty: all numbers
  std::vector<std::string> time_columns;  // joined with a space; empty: found
  std::string time_format;                // see TimeFormat; empty: found in the first row
  std::string timezone;                   // of stamps without an offset; empty: UTC
  std::string name_column;                // long form: the column that names the channel
  std::string value_column;               // long form: the column that holds its value
  char delimiter = '\0';                  // '\0': tab, semicolon, comma, bar or blanks, if there
  char decimal = '\0';                    // '\0': a comma where cells end with ';', else a point
  std::vector<std::string> missing;       // values that mean missing, beside "", NA, NaN, null
  RowHeader header = RowHeader::kAuto;    // kAuto: a first line without a number
  Interval interval;                      // between rows that carry no time
  BadRow on_bad_row = BadRow::kSkip;      // kSkip counts them and goes on
  int64_t longest_gap_ns = 0;             // see TimeOrder; 0: any
  size_t skip_lines = 0;                  // lines before the first that counts
  size_t longest_line_bytes = size_t{1} << 20;
};

// Bounds on what one stream may make the parser hold.
inline constexpr size_t kMostColumns = 65'536;
inline constexpr size_t kLongestNameBytes = 1'024;

// The names in a list as users write it: `A,B` or `"a,b",c`.
Result<std::vector<std::string>> ParseNames(std::string_view text);
// One character, `tab` or `space`; '\0' for nothing.
Result<char> ParseSeparator(std::string_view text);

struct Row {
  int64_t unix_ns = 0;         // since 1970-01-01T00:00:00Z
  std::vector<double> values;  // one a column; NaN: missing
};

struct RowStats {
  uint64_t rows = 0;
  uint64_t bad_rows = 0;
  uint64_t bytes = 0;
  std::string last_error;  // why the last bad row was refused
};

}  // namespace rill

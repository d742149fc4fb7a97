// One line of a text format cut into cells: what the readers of CSV, NDJSON and line protocol
// share.
//
// | format  | cell names       | cell texts                                                     |
// | CSV     | none             | as written, without quotes                                     |
// | NDJSON  | keys, joined "." | numbers and strings as written; 1 or 0 for a bool; "" for null |
// | Influx  | field keys       | as written without the type's letter; "time" stands last       |
// | numbers | none             | the line                                                       |
//
// Source: RFC 4180 (CSV); ndjson-spec 1.0.0; the InfluxDB v2 line protocol reference.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "modalities/row_options.h"
#include "operators/core/result.h"

namespace rill {

struct Cell {
  std::string_view name;
  std::string_view text;
};

// Its views look into the line and into `scratch`: valid until either changes.
struct Record {
  std::vector<Cell> cells;
  std::string_view series;  // Influx: measurement and tags, as written
  std::string scratch;      // text that does not stand in the line as it is

  void Clear() {
    cells.clear();
    series = {};
    scratch.clear();
  }
};

// The format of a stream by its first line; kAuto where the line is empty or a comment (# ...).
RowFormat SniffFormat(std::string_view line, char decimal);
// The delimiter of a CSV line: a tab, semicolon, comma, bar or blank, the first of these that
// stands in it outside quotes; a comma when none does.
char SniffDelimiter(std::string_view line);

// Each replaces the record; the error is the end of a sentence that starts with "line 7: ".
// A line is a record: a quoted field must end on its line. Blanks around cells are dropped, and
// a run of blanks is one delimiter where the delimiter is a blank.
Result<void> SplitCsv(std::string_view line, char delimiter, Record& record);
// One object a line. Objects and lists inside it are flattened: {"a":{"b":[1,2]}} is a.b.0, a.b.1.
Result<void> SplitNdjson(std::string_view line, Record& record);
Result<void> SplitInflux(std::string_view line, Record& record);

}  // namespace rill

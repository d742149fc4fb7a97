// Which cells of a line are its time and which its channels, settled once by the first line of
// data.
//
// Time is the columns given; else `year`, `month`, `day` and what follows of `hour`, `minute`,
// `second`; else the first column that holds a date, joined with the next where that holds a time
// of day; else the first column called time, timestamp, datetime, date, ts, epoch or unix.
//
// Channels are the columns given; else every column, time aside, whose first cell is a number, or
// is missing under a header with a name. A column of text is left out, and so is one called `No` or
// `index` or without a name that counts the lines.
//
// Long form is one value a line: a stamp, a name, a value. It is taken where name-column and
// value-column are given, or where a header has three columns called, in any order, like
// (time, parameter, value). Its channels must be given: an endless stream never ends the list.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "modalities/row_options.h"
#include "operators/core/result.h"

namespace rill {

struct RowColumns {
  std::vector<size_t> time;         // cells that make the stamp, in order; empty: none
  std::vector<size_t> channels;     // cells that hold a value, in order; empty in long form
  std::vector<std::string> names;   // of the channels
  std::optional<size_t> long_name;  // long form: the cell that names the channel
  size_t long_value = 0;            // long form: the cell that holds its value
};

// `header` names every cell of a line; `first` are the texts of the first line of data.
Result<RowColumns> ChooseColumns(const RowOptions& options, const std::vector<std::string>& header,
                                 const std::vector<std::string_view>& first);

}  // namespace rill

#include "tests/fuzz/row_parser_fuzz.h"

#include <cstdlib>
#include <string_view>

#include "modalities/row_parser.h"

namespace rill {
namespace {

// Of the first bytes: how to read the rest.
RowOptions DrawOptions(const uint8_t* head) {
  RowOptions options;
  options.format = static_cast<RowFormat>(head[0] % 5);
  options.header = static_cast<RowHeader>(head[0] / 5 % 3);
  options.on_bad_row = static_cast<BadRow>(head[0] / 15 % 2);
  if (head[1] & 1) options.interval = {1, 360};
  if (head[1] & 2) options.decimal = ',';
  if (head[1] & 4) options.delimiter = ';';
  if (head[1] & 8) options.columns = {"a", "1"};
  if (head[1] & 16) options.time_columns = {"0", "time"};
  if (head[1] & 32) options.time_format = "%d/%m/%Y %H:%M:%S";
  if (head[1] & 64) options.timezone = "-03:30";
  if (head[1] & 128) options.name_column = options.value_column = "1";
  options.longest_line_bytes = 200;
  return options;
}

}  // namespace

size_t FuzzRowParser(const uint8_t* data, size_t bytes) {
  if (bytes < 3) return 0;
  Result<RowParser> parser = RowParser::Make(DrawOptions(data));
  if (!parser) return 0;
  const size_t piece = 1 + data[2];
  std::string_view text(reinterpret_cast<const char*>(data + 3), bytes - 3);
  size_t rows = 0;
  int64_t last_ns = INT64_MIN;
  for (bool finished = false; !finished;) {
    if (text.empty()) {
      parser->Finish();
      finished = true;
    }
    parser->Push(text.substr(0, piece), 1'000'000);
    text.remove_prefix(text.size() < piece ? text.size() : piece);
    for (size_t errors = 0; errors < 1000;) {
      const Result<std::optional<Row>> row = parser->Pull();
      if (!row) {
        ++errors;
        continue;
      }
      if (!*row) break;
      ++rows;
      if ((*row)->unix_ns < last_ns || (*row)->values.size() != parser->columns().size())
        std::abort();
      last_ns = (*row)->unix_ns;
    }
  }
  if (rows != parser->stats().rows) std::abort();
  return rows;
}

}  // namespace rill

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  rill::FuzzRowParser(data, bytes);
  return 0;
}

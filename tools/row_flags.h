// The options with which every command reads a file of rows.
#pragma once

#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "pipeline/row_file.h"

namespace rill {

// What the user wrote; Settle turns it into what the parser takes.
struct RowFlags {
  RowOptions options;
  std::string input_format = "auto", on_bad_row = "error";
  std::string time, columns, missing;  // lists
  std::string delimiter, decimal, interval, max_gap;
};

void AddRowFlags(CLI::App& command, const std::shared_ptr<RowFlags>& flags);
Result<RowOptions> Settle(const RowFlags& flags);

// "90", "90s", "15m", "1h", "2d", "250ms" as nanoseconds, more than 0.
Result<int64_t> ParseDuration(const std::string& text);

}  // namespace rill

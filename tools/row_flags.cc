#include "tools/row_flags.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "pipeline/clock.h"

namespace rill {
namespace {

constexpr std::array<std::pair<const char*, double>, 6> kUnits = {
    {{"ms", 1e6}, {"s", 1e9}, {"", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 86'400e9}}};
constexpr double kLongestNs = 9e18;  // int64

}  // namespace

Result<int64_t> ParseDuration(const std::string& text) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc())
    for (const auto& [unit, ns] : kUnits)
      if (std::string_view(rest, static_cast<size_t>(end - rest)) == unit)
        if (number * ns >= 1 && number * ns < kLongestNs) return std::llround(number * ns);
  return Error{"\"" + text + "\" is not a duration such as 90s, 15m, 1h, 2d or 250ms"};
}

void AddRowFlags(CLI::App& command, const std::shared_ptr<RowFlags>& flags) {
  const std::string group = "Reading rows";
  RowOptions& rows = flags->options;
  command.add_option("--time", flags->time, "Columns of the time, joined: date,hour")->group(group);
  command
      .add_option("--columns", flags->columns,
                  "Columns to read, by name or from 0; by default all numbers")
      ->group(group);
  command.add_option("--input-format", flags->input_format, "auto, csv, ndjson, influx or numbers")
      ->check(CLI::IsMember({"auto", "csv", "ndjson", "influx", "numbers"}))
      ->group(group);
  command
      .add_option("--time-format", rows.time_format,
                  "iso8601, unix, unix-ms, unix-us, unix-ns or as for strptime; by default found")
      ->group(group);
  command.add_option("--timezone", rows.timezone, "Of times without an offset; by default UTC")
      ->group(group);
  command.add_option("--interval", flags->interval, "Between rows that carry no time: 15m, 0.01s")
      ->group(group);
  command.add_option("--delimiter", flags->delimiter, "Between cells; by default found")
      ->group(group);
  command.add_option("--decimal", flags->decimal, "Decimal point or comma; by default found")
      ->group(group);
  command.add_option("--missing", flags->missing, "Values that mean missing: -200,n/a")
      ->group(group);
  command
      .add_option("--max-gap", flags->max_gap,
                  "A row later by more is a bad one unless the next agrees with it: 30d; any")
      ->group(group);
  command.add_option("--skip-lines", rows.skip_lines, "Lines before the header")->group(group);
  command.add_option("--on-bad-row", flags->on_bad_row, "error or skip")
      ->check(CLI::IsMember({"error", "skip"}))
      ->capture_default_str()
      ->group(group);
}

Result<RowOptions> Settle(const RowFlags& flags) {
  RowOptions options = flags.options;
  const std::string& format = flags.input_format;
  options.format = format == "csv"       ? RowFormat::kCsv
                   : format == "ndjson"  ? RowFormat::kNdjson
                   : format == "influx"  ? RowFormat::kInflux
                   : format == "numbers" ? RowFormat::kNumbers
                                         : RowFormat::kAuto;
  options.on_bad_row = flags.on_bad_row == "skip" ? BadRow::kSkip : BadRow::kError;
  for (const auto& [text, names] :
       {std::pair(&flags.time, &options.time_columns), std::pair(&flags.columns, &options.columns),
        std::pair(&flags.missing, &options.missing)}) {
    Result<std::vector<std::string>> parsed = ParseNames(*text);
    if (!parsed) return parsed.error();
    *names = std::move(*parsed);
  }
  const Result<char> delimiter = ParseSeparator(flags.delimiter);
  if (!delimiter) return Error{"--delimiter: " + delimiter.error().message};
  const Result<char> decimal = ParseSeparator(flags.decimal);
  if (!decimal) return Error{"--decimal: " + decimal.error().message};
  options.delimiter = *delimiter;
  options.decimal = *decimal;
  if (!flags.max_gap.empty()) {
    const Result<int64_t> gap = ParseDuration(flags.max_gap);
    if (!gap) return gap.error();
    options.longest_gap_ns = *gap;
  }
  if (!flags.interval.empty()) {
    const Result<int64_t> interval = ParseDuration(flags.interval);
    if (!interval) return interval.error();
    const int64_t divisor = std::gcd(*interval, kNanosecondsPerSecond);
    if (*interval / divisor > std::numeric_limits<int32_t>::max())
      return Error{"an interval of " + flags.interval + " is too long or too finely given"};
    options.interval = {static_cast<int32_t>(*interval / divisor),
                        static_cast<int32_t>(kNanosecondsPerSecond / divisor)};
  }
  return options;
}

}  // namespace rill

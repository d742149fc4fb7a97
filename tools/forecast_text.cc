#include "tools/forecast_text.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "pipeline/clock.h"
#include "tools/console.h"
#include "tools/metrics.h"

namespace rill {
namespace {

std::string Quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string CsvCell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string cell = "\"";
  for (const char letter : text)
    cell += letter == '"' ? std::string("\"\"") : std::string(1, letter);
  return cell + '"';
}

std::string TimeOf(const Forecast& forecast, size_t h) {
  return Iso8601(SaturatedSum(forecast.last_ns,
                              SaturatedProduct(static_cast<int64_t>(h + 1), forecast.step_ns)));
}

std::string LevelName(float level) { return fmt::format("q{}", DecimalLevel(level)); }

}  // namespace

size_t MedianIndex(std::span<const float> levels) {
  const auto nearest = std::min_element(levels.begin(), levels.end(), [](float one, float other) {
    return std::fabs(one - 0.5f) < std::fabs(other - 0.5f);
  });
  return static_cast<size_t>(nearest - levels.begin());
}

Forecast Thinned(const Forecast& forecast, size_t stride) {
  Forecast thin = forecast;
  thin.horizon = forecast.horizon / stride;
  thin.step_ns = SaturatedProduct(forecast.step_ns, static_cast<int64_t>(stride));
  thin.values.clear();
  for (size_t c = 0; c < forecast.channels; ++c) {
    for (size_t h = stride - 1; h < forecast.horizon; h += stride) {
      const std::span<const float> step = forecast.at(c, h);
      thin.values.insert(thin.values.end(), step.begin(), step.end());
    }
  }
  return thin;
}

void PrintJson(const Forecast& forecast, const std::vector<std::string>& columns) {
  std::vector<double> levels;
  for (const float level : forecast.levels) levels.push_back(DecimalLevel(level));
  for (size_t c = 0; c < forecast.channels; ++c) {
    fmt::print(R"({{"column":{},"at":{},"time":"{}","step_seconds":{},"quantile_levels":[{}],)",
               Quoted(columns[c]), forecast.position, Iso8601(forecast.last_ns),
               static_cast<double>(forecast.step_ns) / kNanosecondsPerSecond,
               fmt::join(levels, ","));
    fmt::print(R"("quantiles":[)");
    for (size_t h = 0; h < forecast.horizon; ++h) {
      const std::span<const float> step = forecast.at(c, h);
      fmt::print("{}[{}]", h == 0 ? "" : ",", fmt::join(step.begin(), step.end(), ","));
    }
    fmt::print("]}}\n");
  }
}

void PrintCsvHeader(const Forecast& forecast) {
  fmt::print("time,column,step");
  for (const float level : forecast.levels) fmt::print(",{}", LevelName(level));
  fmt::print("\n");
}

void PrintCsv(const Forecast& forecast, const std::vector<std::string>& columns) {
  for (size_t c = 0; c < forecast.channels; ++c) {
    for (size_t h = 0; h < forecast.horizon; ++h) {
      const std::span<const float> step = forecast.at(c, h);
      fmt::print("{},{},{},{}\n", TimeOf(forecast, h), CsvCell(columns[c]), h + 1,
                 fmt::join(step.begin(), step.end(), ","));
    }
  }
}

void PrintTable(const Forecast& forecast, const std::vector<std::string>& columns) {
  const size_t median = MedianIndex(forecast.levels);
  const auto digits = [](float value) { return fmt::format("{:.6g}", value); };
  for (size_t c = 0; c < forecast.channels; ++c) {
    fmt::print("{}, after {} rows, {}\n", columns[c],
               Grouped(static_cast<uint64_t>(forecast.position)), Iso8601(forecast.last_ns));
    TextTable table(
        {"time", LevelName(forecast.levels.front()), "median", LevelName(forecast.levels.back())});
    for (size_t h = 0; h < forecast.horizon; ++h) {
      const std::span<const float> step = forecast.at(c, h);
      table.Add(
          {TimeOf(forecast, h), digits(step.front()), digits(step[median]), digits(step.back())});
    }
    table.Print();
    fmt::print("\n");
  }
}

}  // namespace rill

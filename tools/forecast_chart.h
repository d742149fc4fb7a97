// A fan chart of a forecast as an image: what was seen, the median, bands between quantiles.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/forecast.h"

namespace rill {

struct ChartRow {
  int64_t unix_ns = 0;
  std::vector<double> values;  // one a column, NaN where missing
};

struct Chart {
  Forecast forecast;
  std::vector<std::string> columns;
  std::vector<ChartRow> history;  // up to the forecast
  std::vector<ChartRow> actual;   // after it, as far as known
};

inline constexpr size_t kMostPanels = 32;

// One panel a column, at most kMostPanels, one under the other; the file's ending chooses the
// format: png, jpg, …
Result<void> WriteChart(const Chart& chart, const std::string& path);

}  // namespace rill

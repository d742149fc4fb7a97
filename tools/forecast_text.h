// Forecasts as text: a table for people, JSON lines and CSV for machines.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "pipeline/forecast.h"

namespace rill {

// One line a column:
// {"column":…,"at":…,"time":…,"step_seconds":…,"quantile_levels":[…],"quantiles":[h][q]}
// where `at` is the rows seen and `time` that of the last of them.
void PrintJson(const Forecast& forecast, const std::vector<std::string>& columns);
// A line a column and step: time,column,step,q0.1,… under the header.
void PrintCsvHeader(const Forecast& forecast);
void PrintCsv(const Forecast& forecast, const std::vector<std::string>& columns);
// A table a column: time, lowest quantile, median, highest quantile.
void PrintTable(const Forecast& forecast, const std::vector<std::string>& columns);

// Every `stride`-th step of a forecast: `step_ns` grows as much.
Forecast Thinned(const Forecast& forecast, size_t stride);

// Place of the median, or of the level nearest to it.
size_t MedianIndex(std::span<const float> levels);

}  // namespace rill

// Evaluation windows, and what a model forecasts at each of them as it streams.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "pipeline/session.h"
#include "tools/series_table.h"

namespace rill {

// Cutoffs first, first + step, … of the windows [cutoff, cutoff + horizon) that end by `end`.
std::vector<size_t> Cutoffs(size_t first, size_t end, size_t horizon, size_t step);

enum class DropAs {
  kNan,   // cells become missing, each by itself
  kRows,  // rows are not there: only the times of the others tell
};

// Samples withheld from the model at random.
struct Dropping {
  double rate = 0;
  DropAs as = DropAs::kNan;
  uint64_t seed = 1;
};

// One session over all columns sees the series from its first row and forecasts `horizon` steps
// after each cutoff (rows of the whole series, ascending). Where the row before a cutoff was
// dropped, a fork of the session is told the time by an empty row.
Result<std::vector<Forecast>> StreamForecasts(std::shared_ptr<const Model> model,
                                              const SeriesTable& series,
                                              std::span<const size_t> cutoffs, size_t horizon,
                                              const Dropping& dropping);

}  // namespace rill

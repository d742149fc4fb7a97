// A whole series in memory, for measurements that need its future: rows of a file or of a test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "pipeline/row_file.h"

namespace rill {

struct SeriesTable {
  std::string name;
  std::vector<std::string> columns;
  std::vector<int64_t> unix_ns;  // [rows]
  std::vector<double> values;    // [rows, columns], NaN where missing

  size_t rows() const { return unix_ns.size(); }
  std::span<const double> row(size_t t) const {
    return std::span(values).subspan(t * columns.size(), columns.size());
  }
  // One column as it runs in time, rows [0, end).
  std::vector<double> Column(size_t c, size_t end) const;
};

// Reads at most `most_rows` rows.
Result<SeriesTable> ReadSeries(const std::string& path, const RowOptions& options,
                               size_t most_rows = SIZE_MAX);

// Where the public data sets are: RILL_DATA_DIR, else ../shared/data beside the source tree.
std::string DataDirectory();

}  // namespace rill

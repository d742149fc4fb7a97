#include "tools/series_table.h"

#include <cstdlib>
#include <filesystem>

namespace rill {

std::vector<double> SeriesTable::Column(size_t c, size_t end) const {
  std::vector<double> column(end);
  for (size_t t = 0; t < end; ++t) column[t] = row(t)[c];
  return column;
}

Result<SeriesTable> ReadSeries(const std::string& path, const RowOptions& options,
                               size_t most_rows) {
  Result<RowFile> file = RowFile::Open(path, options);
  if (!file) return file.error();
  SeriesTable table;
  table.name = std::filesystem::path(path).stem().string();
  while (table.rows() < most_rows) {
    const Result<std::optional<Row>> row = file->Next();
    if (!row) return row.error();
    if (!*row) break;
    table.unix_ns.push_back((*row)->unix_ns);
    table.values.insert(table.values.end(), (*row)->values.begin(), (*row)->values.end());
  }
  table.columns = file->columns();
  return table;
}

std::string DataDirectory() {
  const char* given = std::getenv("RILL_DATA_DIR");
  return given != nullptr ? given : RILL_SOURCE_DIR "/../shared/data";
}

}  // namespace rill

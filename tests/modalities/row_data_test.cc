// The data sets of real sensors, as they are published. Skipped where they are not at hand.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "modalities/row_parser.h"

namespace rill {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kHour_ns = 3'600'000'000'000;

fs::path SeriesFolder() {
  const char* named = std::getenv("RILL_DATA_DIR");
  return fs::path(named != nullptr ? named : RILL_SOURCE_DIR "/../shared/data") / "series";
}

// A folder that goes away with the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "rill-rows-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TemporaryFolder() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }
  bool Unpack(const fs::path& archive) const {
    const std::string command =
        "tar -C '" + path_.string() + "' -xf '" + archive.string() + "' 2>/dev/null";
    return std::system(command.c_str()) == 0;
  }

 private:
  fs::path path_;
};

struct Table {
  std::vector<Row> rows;
  std::vector<std::string> columns;
  RowStats stats;
  std::string error;
};

Table ReadFile(const fs::path& path, const RowOptions& options) {
  Result<RowParser> parser = RowParser::Make(options);
  if (!parser) return {{}, {}, {}, parser.error().message};
  std::ifstream stream(path, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(stream), {});
  Table table;
  for (size_t at = 0; at <= text.size() && table.error.empty(); at += 4096) {
    parser->Push(std::string_view(text).substr(at, 4096));
    if (at + 4096 > text.size()) parser->Finish();
    while (true) {
      Result<std::optional<Row>> row = parser->Pull();
      if (!row) table.error = row.error().message;
      if (!row || !*row) break;
      table.rows.push_back(std::move(**row));
    }
  }
  table.columns = parser->columns();
  table.stats = parser->stats();
  return table;
}

class RowData : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(SeriesFolder()))
      GTEST_SKIP() << SeriesFolder() << " is not there: set RILL_DATA_DIR";
  }
};

TEST_F(RowData, ReadsElectricityTransformerTemperature) {
  for (const char* name : {"ETT/ETTh1.csv", "ETT/ETTh2.csv"}) {
    const Table table = ReadFile(SeriesFolder() / name, {});
    EXPECT_EQ(table.error, "");
    ASSERT_EQ(table.rows.size(), 17'420u);
    EXPECT_EQ(table.columns.size(), 7u);
    EXPECT_EQ(table.columns.back(), "OT");
    EXPECT_EQ(table.rows[1].unix_ns - table.rows[0].unix_ns, kHour_ns);
    EXPECT_EQ(table.rows[0].unix_ns, 1'467'331'200'000'000'000);
    EXPECT_EQ(table.stats.bad_rows, 0u);
  }
}

TEST_F(RowData, ReadsItalianAirQuality) {
  RowOptions options;
  options.time_format = "%d/%m/%Y %H.%M.%S";
  options.missing = {"-200"};
  const Table table = ReadFile(SeriesFolder() / "UCIAirQuality/AirQualityUCI.csv", options);
  EXPECT_EQ(table.error, "");
  ASSERT_EQ(table.rows.size(), 9'357u);
  EXPECT_EQ(table.columns.size(), 13u);
  EXPECT_EQ(table.columns[0], "CO(GT)");
  EXPECT_EQ(table.rows[0].values[0], 2.6);
  EXPECT_EQ(table.rows[0].values[12], 0.7578);
  EXPECT_EQ(table.rows[9'356].unix_ns - table.rows[0].unix_ns, 9'356 * kHour_ns);
  for (const Row& row : table.rows)
    for (const double value : row.values) ASSERT_NE(value, -200.0);
}

TEST_F(RowData, ReadsBeijingAirQuality) {
  const TemporaryFolder folder;
  if (!folder.Unpack(SeriesFolder() / "BeijingAQ.tar.xz")) GTEST_SKIP() << "no BeijingAQ.tar.xz";
  size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder.path())) {
    if (entry.path().extension() != ".csv") continue;
    const Table table = ReadFile(entry.path(), {});
    EXPECT_EQ(table.error, "");
    ASSERT_EQ(table.rows.size(), 35'064u) << entry.path();
    EXPECT_EQ(table.columns, (std::vector<std::string>{"PM2.5", "PM10", "SO2", "NO2", "CO", "O3",
                                                       "TEMP", "PRES", "DEWP", "RAIN", "WSPM"}));
    EXPECT_EQ(table.rows.back().unix_ns - table.rows.front().unix_ns, 35'063 * kHour_ns);
    EXPECT_EQ(table.stats.bad_rows, 0u);
    ++files;
  }
  EXPECT_EQ(files, 12u);
}

TEST_F(RowData, ReadsNumentaAnomalies) {
  const TemporaryFolder folder;
  if (!folder.Unpack(SeriesFolder() / "NAB.tar.xz")) GTEST_SKIP() << "no NAB.tar.xz";
  size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder.path())) {
    if (entry.path().extension() != ".csv") continue;
    const Table table = ReadFile(entry.path(), {});
    EXPECT_EQ(table.error, "");
    EXPECT_GT(table.rows.size(), 1'000u) << entry.path();
    EXPECT_EQ(table.columns, (std::vector<std::string>{"value"}));
    // One clock of the set goes back by 55 minutes: its next rows are refused until it catches up.
    const bool goes_back = entry.path().stem() == "machine_temperature_system_failure";
    EXPECT_EQ(table.stats.bad_rows, goes_back ? 11u : 0u) << table.stats.last_error;
    ++files;
  }
  EXPECT_EQ(files, 58u);
}

TEST_F(RowData, ReadsIntensiveCare) {
  const TemporaryFolder folder;
  if (!folder.Unpack(SeriesFolder() / "PhysioNet2012.tar.xz"))
    GTEST_SKIP() << "no PhysioNet2012.tar.xz";
  RowOptions options;
  options.columns = {"HR", "Temp", "RespRate", "NISysABP", "GCS"};
  size_t files = 0;
  size_t rows = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder.path())) {
    if (entry.path().extension() != ".txt" ||
        !entry.path().parent_path().stem().string().starts_with("set-"))
      continue;
    const Table table = ReadFile(entry.path(), options);
    ASSERT_EQ(table.error, "") << entry.path();
    ASSERT_EQ(table.stats.bad_rows, 0u) << entry.path() << table.stats.last_error;
    rows += table.rows.size();
    ++files;
  }
  EXPECT_EQ(files, 8'000u);
  EXPECT_GT(rows, 400'000u);
}

TEST_F(RowData, ReadsAnElectrocardiogram) {
  const TemporaryFolder folder;
  const fs::path text = folder.path() / "ecg.txt";
  const std::string command = "xz -dc '" + (SeriesFolder() / "ecg_360hz_mV.txt.xz").string() +
                              "' > '" + text.string() + "' 2>/dev/null";
  if (std::system(command.c_str()) != 0) GTEST_SKIP() << "no ecg_360hz_mV.txt.xz";
  RowOptions options;
  options.interval = {1, 360};
  const Table table = ReadFile(text, options);
  EXPECT_EQ(table.error, "");
  ASSERT_EQ(table.rows.size(), 108'000u);
  EXPECT_EQ(table.rows[360].unix_ns, 1'000'000'000);
  EXPECT_EQ(table.rows[0].values[0], -0.245);
}

}  // namespace
}  // namespace rill

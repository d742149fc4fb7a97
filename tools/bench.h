// What the measurements have in common, and those of `rill bench forecast`, one file a task:
// bench_NAME.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "pipeline/model.h"
#include "tools/console.h"

namespace rill {

struct BenchOptions {
  std::string task;
  std::string model = "sensor-forecast";
  std::string split = "test";  // or validation
  bool baseline_only = false;
  std::string data;  // directory; empty: DataDirectory()
  // Tasks of fev-bench.
  double drop = 0;
  std::string drop_as = "nan";  // or rows
  uint64_t seed = 1;
  // ltsf
  std::string series = "ETTh1";
  std::string point = "median";  // or mean
  size_t context = 504;          // rows fed before each window
  size_t stride = 1;
  // speed
  size_t samples = 1'000'000;
  // equality
  std::string file;
};

struct BenchReport {
  nlohmann::ordered_json json;
  TextTable table;
  bool passed = true;
};

Result<BenchReport> BenchFev(const BenchOptions& options);       // ett_1h, uci_air_quality_1H
Result<BenchReport> BenchLtsf(const BenchOptions& options);      // ltsf
Result<BenchReport> BenchSpeed(const BenchOptions& options);     // speed
Result<BenchReport> BenchEquality(const BenchOptions& options);  // equality

// The value that so large a share of the values does not exceed; there must be some.
double Quantile(std::vector<double> values, double share);
// Resident memory of this process.
uint64_t ResidentBytes();

// Finds and loads the model of the options, which must forecast at least `horizon` steps.
Result<std::shared_ptr<const Model>> BenchModel(const BenchOptions& options, size_t horizon);
// Path of a file of the public data sets, after a look that it is there.
Result<std::string> BenchData(const BenchOptions& options, const std::string& file);

}  // namespace rill

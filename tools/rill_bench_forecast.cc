// `rill bench forecast`: forecast quality on public benchmarks, speed, and exactness.
#include <filesystem>
#include <memory>

#include <fmt/format.h>

#include "tools/bench.h"
#include "tools/rill_bench.h"
#include "tools/series_table.h"

namespace rill {
namespace {

constexpr const char* kExamples = R"(Examples:
  rill bench forecast --task ett_1h
  rill bench forecast --task ett_1h --drop 0.4 --drop-as rows
  rill bench forecast --task ltsf --series ETTh2 --point mean --json

The data sets are looked for in RILL_DATA_DIR, by default ../shared/data beside the source tree.)";

Result<BenchReport> RunTask(const BenchOptions& options) {
  if (options.task == "ltsf") return BenchLtsf(options);
  if (options.task == "speed") return BenchSpeed(options);
  if (options.task == "equality") return BenchEquality(options);
  return BenchFev(options);
}

}  // namespace

Result<std::shared_ptr<const Model>> BenchModel(const BenchOptions& options, size_t horizon) {
  const Result<std::string> path = FindModel(options.model);
  if (!path) return path.error();
  Result<std::shared_ptr<const Model>> model = Model::Shared(*path);
  if (!model) return model;
  if ((*model)->sensor() == nullptr || (*model)->forecast() == nullptr)
    return (*model)->weights().Complain("the model does not forecast sensor series");
  if ((*model)->forecast()->horizon() < horizon)
    return (*model)->weights().Complain(
        fmt::format("the model forecasts 1 to {} steps, the task needs {}",
                    (*model)->forecast()->horizon(), horizon));
  return model;
}

Result<std::string> BenchData(const BenchOptions& options, const std::string& file) {
  const std::string path = (options.data.empty() ? DataDirectory() : options.data) + "/" + file;
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) return path;
  return Error{"the data set " + path + " is not there; RILL_DATA_DIR or --data says where it is"};
}

void AddBenchForecast(CLI::App& bench, int& code) {
  auto options = std::make_shared<BenchOptions>();
  auto json = std::make_shared<bool>(false);
  CLI::App* command = bench.add_subcommand("forecast", "Forecast quality, speed and exactness");
  command->footer(kExamples);
  command->add_option("--task", options->task, "What to measure")
      ->required()
      ->check(CLI::IsMember({"ett_1h", "uci_air_quality_1H", "ltsf", "speed", "equality"}));
  command->add_option("-m,--model", options->model, "Model file or name")->capture_default_str();
  command->add_option("--data", options->data, "Directory of the data sets");
  command->add_flag("--json", *json, "One JSON object instead of a table");
  command->add_option("--split", options->split, "Rows that are scored")
      ->check(CLI::IsMember({"test", "validation"}))
      ->capture_default_str();
  command->add_flag("--baseline-only", options->baseline_only, "Only the seasonal-naive baseline");
  command->add_option("--drop", options->drop, "Share of samples the model does not see")
      ->check(CLI::Range(0.0, 0.95))
      ->capture_default_str();
  command->add_option("--drop-as", options->drop_as, "Dropped as cells without value or as rows")
      ->check(CLI::IsMember({"nan", "rows"}))
      ->capture_default_str();
  command->add_option("--seed", options->seed, "Of what is dropped")->capture_default_str();
  command->add_option("--series", options->series, "ltsf: the series")
      ->check(CLI::IsMember({"ETTh1", "ETTh2"}))
      ->capture_default_str();
  command->add_option("--point", options->point, "ltsf: point forecast made of the quantiles")
      ->check(CLI::IsMember({"median", "mean"}))
      ->capture_default_str();
  command->add_option("--context", options->context, "ltsf: rows seen before each window")
      ->check(CLI::Range(1, 512))
      ->capture_default_str();
  command->add_option("--stride", options->stride, "ltsf: rows between windows")
      ->check(CLI::Range(1, 2880))
      ->capture_default_str();
  command->add_option("--samples", options->samples, "speed: samples of the long stream")
      ->check(CLI::Range(1000, 1'000'000'000))
      ->capture_default_str();
  command->add_option("--file", options->file, "equality: a file of rows; default ETTh1");
  command->callback([options, json, &code] {
    CatchInterrupt();
    const Result<BenchReport> report = RunTask(*options);
    if (!report) {
      code = Fail(report.error());
      return;
    }
    if (*json)
      fmt::print("{}\n", report->json.dump(2));
    else
      report->table.Print();
    code = report->passed ? kDone : kFailed;
  });
}

}  // namespace rill

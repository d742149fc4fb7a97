// Tasks ETT_1H and uci_air_quality_1H of fev-bench: 168 steps, windows 168 rows apart.
//
// The model streams each file from its first row, all target columns as channels of one session,
// and forecasts at every cutoff. The seasonal-naive row is computed beside it from the same data;
// on the test split it equals the published one (MASE 1.3227158902 and 1.4424742215, SQL 1.207 and
// 1.384).
//
// Source: Shchur et al. 2025, fev-bench; its task definitions.
#include <array>
#include <chrono>

#include <fmt/format.h>

#include "pipeline/files.h"
#include "tools/bench.h"
#include "tools/metrics.h"
#include "tools/seasonal_naive.h"
#include "tools/windows.h"

namespace rill {
namespace {

constexpr size_t kHorizon = 168, kStep = 168, kSeason = 24;
constexpr size_t kTestRows = 20 * kStep;  // at the end of every file
// Choices are made on ETT rows from here to the test rows.
constexpr size_t kValidationFirst = 11'248;
constexpr std::array<float, 9> kLevels = {0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f, 0.7f, 0.8f, 0.9f};

struct FevTask {
  std::vector<std::string> files;
  RowOptions rows;
  size_t file_rows;  // of each file, as the benchmark counts them
};

FevTask TaskOf(const std::string& name) {
  RowOptions rows;
  rows.format = RowFormat::kCsv;
  rows.on_bad_row = BadRow::kError;
  if (name == "ett_1h") {
    rows.time_columns = {"date"};
    return {{"series/ETT/ETTh1.csv", "series/ETT/ETTh2.csv"}, rows, 17'420};
  }
  rows.time_columns = {"0", "Time"};  // the first column has no name
  rows.time_format = "%d/%m/%Y %H.%M.%S";
  rows.delimiter = ';';
  rows.decimal = ',';
  rows.missing = {"-200"};
  rows.columns = {"CO(GT)", "C6H6(GT)", "NOx(GT)", "NO2(GT)"};
  return {{"series/UCIAirQuality/AirQualityUCI.csv"}, rows, 9'357};
}

// Per window, the scores of every target of every file.
struct Scores {
  explicit Scores(size_t windows) : of_windows(windows) {}

  void Add(size_t window, const std::optional<Score>& score) {
    if (score) of_windows[window].push_back(*score);
  }
  Score Mean() const {
    std::vector<Score> means;
    for (const std::vector<Score>& window : of_windows)
      if (!window.empty()) means.push_back(MeanScore(window));
    return MeanScore(means);
  }

  std::vector<std::vector<Score>> of_windows;
};

nlohmann::ordered_json ToJson(const Score& score) {
  return {{"sql", score.sql},
          {"mase", score.mase},
          {"wql", score.wql},
          {"coverage_80", score.coverage}};
}

void AddRow(TextTable& table, const std::string& name, const Score& score) {
  table.Add({name, Fixed(score.sql, 4), Fixed(score.mase, 4), Fixed(score.wql, 4),
             Fixed(100 * score.coverage, 1) + " %"});
}

std::string Percent(double share) { return fmt::format("{:+.1f} %", 100 * share); }

struct Window {
  std::vector<double> history, truth;
  double seasonal_error;
};

Window WindowOf(const SeriesTable& series, size_t column, size_t cutoff) {
  std::vector<double> history = series.Column(column, cutoff + kHorizon);
  std::vector<double> truth(history.end() - kHorizon, history.end());
  history.resize(cutoff);
  const double error = SeasonalError(history, kSeason);
  return {std::move(history), std::move(truth), error};
}

std::optional<Score> ScoreModel(const Window& window, const Forecast& forecast, size_t column) {
  const size_t levels = forecast.levels.size();
  const std::span<const float> mine =
      std::span(forecast.values).subspan(column * kHorizon * levels, kHorizon * levels);
  std::vector<double> quantiles(mine.begin(), mine.end());
  return ScoreTarget(window.truth, {quantiles.data(), kHorizon, levels}, forecast.levels,
                     window.seasonal_error);
}

std::optional<Score> ScoreNaive(const Window& window) {
  std::vector<double> quantiles = SeasonalNaive(window.history, kSeason, kHorizon, kLevels);
  return ScoreTarget(window.truth, {quantiles.data(), kHorizon, kLevels.size()}, kLevels,
                     window.seasonal_error);
}

// The benchmark stores its data in float32.
Result<SeriesTable> ReadFile(const BenchOptions& options, const FevTask& task,
                             const std::string& name, size_t end) {
  const Result<std::string> path = BenchData(options, name);
  if (!path) return path.error();
  Result<SeriesTable> series = ReadSeries(*path, task.rows, end);
  if (!series) return series.error();
  if (series->rows() != end)
    return Error{*path + ": has " + std::to_string(series->rows()) + " rows, the task needs " +
                 std::to_string(end)};
  for (double& value : series->values) value = static_cast<double>(static_cast<float>(value));
  return series;
}

}  // namespace

Result<BenchReport> BenchFev(const BenchOptions& options) {
  const FevTask task = TaskOf(options.task);
  const bool validation = options.split == "validation";
  if (validation && options.task != "ett_1h")
    return Error{options.task + " has no validation split: nothing is chosen on it"};
  const size_t test_first = task.file_rows - kTestRows;
  const size_t end = validation ? test_first : task.file_rows;
  const std::vector<size_t> cutoffs =
      Cutoffs(validation ? kValidationFirst : test_first, end, kHorizon, kStep);

  std::shared_ptr<const Model> model;
  if (!options.baseline_only) {
    Result<std::shared_ptr<const Model>> loaded = BenchModel(options, kHorizon);
    if (!loaded) return loaded.error();
    model = std::move(*loaded);
  }
  const Dropping dropping{options.drop, options.drop_as == "rows" ? DropAs::kRows : DropAs::kNan,
                          options.seed};
  Scores naive(cutoffs.size()), whole(cutoffs.size()), dropped(cutoffs.size());
  nlohmann::ordered_json targets = nlohmann::ordered_json::object();
  double seconds = 0;
  for (const std::string& name : task.files) {
    const Result<SeriesTable> series = ReadFile(options, task, name, end);
    if (!series) return series.error();
    std::vector<Forecast> forecasts, with_drops;
    if (model != nullptr) {
      const auto start = std::chrono::steady_clock::now();
      Result<std::vector<Forecast>> all = StreamForecasts(model, *series, cutoffs, kHorizon, {});
      if (!all) return all.error();
      forecasts = std::move(*all);
      seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }
    if (model != nullptr && dropping.rate > 0) {
      Result<std::vector<Forecast>> some =
          StreamForecasts(model, *series, cutoffs, kHorizon, dropping);
      if (!some) return some.error();
      with_drops = std::move(*some);
    }
    for (size_t c = 0; c < series->columns.size(); ++c) {
      std::vector<Score> target;
      for (size_t w = 0; w < cutoffs.size(); ++w) {
        const Window window = WindowOf(*series, c, cutoffs[w]);
        naive.Add(w, ScoreNaive(window));
        if (forecasts.empty()) continue;
        const std::optional<Score> score = ScoreModel(window, forecasts[w], c);
        whole.Add(w, score);
        if (score) target.push_back(*score);
        if (!with_drops.empty()) dropped.Add(w, ScoreModel(window, with_drops[w], c));
      }
      if (!target.empty())
        targets[series->name + "." + series->columns[c]] = ToJson(MeanScore(target));
    }
  }

  BenchReport report{{}, TextTable({"", "SQL", "MASE", "WQL", "coverage 80"}), true};
  report.json = {{"task", options.task}, {"split", options.split},
                 {"season", kSeason},    {"windows", cutoffs.size()},
                 {"horizon", kHorizon},  {"first_cutoff", cutoffs[0]}};
  if (model != nullptr) {
    const Score mean = whole.Mean();
    report.json["model"] = model->name();
    report.json["fingerprint"] = model->space();
    report.json["parameters"] = model->parameters();
    report.json.update(ToJson(mean));
    AddRow(report.table, model->name(), mean);
    if (dropping.rate > 0) {
      const Score less = dropped.Mean();
      const double loss = less.sql / mean.sql - 1;
      report.json["dropped"] = {{"rate", dropping.rate},
                                {"as", options.drop_as},
                                {"seed", dropping.seed},
                                {"relative_sql_loss", loss}};
      report.json["dropped"].update(ToJson(less));
      AddRow(report.table,
             Fixed(100 * dropping.rate, 0) + " % of samples dropped as " + options.drop_as, less);
      report.table.Add({"  change", Percent(loss), Percent(less.mase / mean.mase - 1),
                        Percent(less.wql / mean.wql - 1), Percent(less.coverage - mean.coverage)});
    }
    report.json["targets"] = targets;
    report.json["seconds"] = seconds;
  }
  const Score baseline = naive.Mean();
  report.json["seasonal_naive"] = ToJson(baseline);
  AddRow(report.table, "seasonal naive", baseline);
  return report;
}

}  // namespace rill

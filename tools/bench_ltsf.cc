// The customary long-term forecasting benchmark on ETTh1 and ETTh2, horizon 96.
//
// Values are z-scored with the mean and deviation of the first 8,640 rows of each channel; errors
// are MSE and MAE of a point forecast on that scale. Every window starts from an empty state and
// sees `context` rows, whatever came before; windows are `stride` rows apart. Many windows run as
// channels of one session.
//
// Source: Zhou et al. 2021, arXiv:2012.07436 (data and splits); Wu et al. 2021, arXiv:2106.13008.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "pipeline/clock.h"
#include "pipeline/session.h"
#include "tools/bench.h"
#include "tools/series_table.h"
#include "tools/windows.h"

namespace rill {
namespace {

constexpr size_t kHorizon = 96;
constexpr size_t kTrainEnd = 8'640, kValidationEnd = 11'520, kTestEnd = 14'400;
constexpr size_t kWindowsTogether = 64;
constexpr int64_t kHourNs = 3600 * kNanosecondsPerSecond;

void Standardize(SeriesTable& series) {
  const size_t columns = series.columns.size();
  for (size_t c = 0; c < columns; ++c) {
    const std::vector<double> train = series.Column(c, kTrainEnd);
    const double count = static_cast<double>(train.size());
    const double mean = std::accumulate(train.begin(), train.end(), 0.0) / count;
    double squares = 0;
    for (const double value : train) squares += (value - mean) * (value - mean);
    const double deviation = std::sqrt(squares / count);
    for (size_t t = 0; t < series.rows(); ++t)
      series.values[t * columns + c] = (series.values[t * columns + c] - mean) / deviation;
  }
}

double PointOf(std::span<const float> quantiles, size_t median, bool mean) {
  if (!mean) return static_cast<double>(quantiles[median]);
  return std::accumulate(quantiles.begin(), quantiles.end(), 0.0) /
         static_cast<double>(quantiles.size());
}

struct Errors {
  double squares = 0, absolutes = 0;
  size_t count = 0;
};

// The windows at `cutoffs`, all columns, as channels of one session.
Result<void> ScoreTogether(const std::shared_ptr<const Model>& model, const SeriesTable& series,
                           std::span<const size_t> cutoffs, const BenchOptions& options,
                           Errors& errors) {
  const size_t columns = series.columns.size();
  Result<Session> session = Session::Open(model, {.channels = cutoffs.size() * columns});
  if (!session) return session.error();
  std::vector<double> row;
  for (size_t t = 0; t < options.context; ++t) {
    row.clear();
    for (const size_t cutoff : cutoffs) {
      const std::span<const double> values = series.row(cutoff - options.context + t);
      row.insert(row.end(), values.begin(), values.end());
    }
    const int64_t time_ns = static_cast<int64_t>(t) * kHourNs;
    if (const Result<void> pushed = session->Push(time_ns, row); !pushed) return pushed;
  }
  const Result<Forecast> forecast = session->Peek(kHorizon);
  if (!forecast) return forecast.error();
  const auto middle = std::find(forecast->levels.begin(), forecast->levels.end(), 0.5f);
  const size_t median = static_cast<size_t>(middle - forecast->levels.begin());
  for (size_t w = 0; w < cutoffs.size(); ++w) {
    for (size_t c = 0; c < columns; ++c) {
      for (size_t h = 0; h < kHorizon; ++h) {
        const double point =
            PointOf(forecast->at(w * columns + c, h), median, options.point == "mean");
        const double miss = series.row(cutoffs[w] + h)[c] - point;
        errors.squares += miss * miss;
        errors.absolutes += std::fabs(miss);
        ++errors.count;
      }
    }
  }
  return {};
}

}  // namespace

Result<BenchReport> BenchLtsf(const BenchOptions& options) {
  if (options.baseline_only) return Error{"ltsf has no baseline"};
  const bool validation = options.split == "validation";
  const size_t first = validation ? kTrainEnd : kValidationEnd;
  const size_t end = validation ? kValidationEnd : kTestEnd;
  const Result<std::shared_ptr<const Model>> model = BenchModel(options, kHorizon);
  if (!model) return model.error();
  const Result<std::string> path = BenchData(options, "series/ETT/" + options.series + ".csv");
  if (!path) return path.error();
  Result<SeriesTable> series = ReadSeries(*path, {}, end);
  if (!series) return series.error();
  if (series->rows() != end)
    return Error{*path + ": has " + std::to_string(series->rows()) + " rows, the task needs " +
                 std::to_string(end)};
  Standardize(*series);

  const std::vector<size_t> cutoffs = Cutoffs(first, end, kHorizon, options.stride);
  const auto start = std::chrono::steady_clock::now();
  Progress progress(options.series, cutoffs.size());
  Errors errors;
  size_t done = 0;
  for (; done < cutoffs.size() && !Interrupted(); progress.Update(done)) {
    const size_t count = std::min(kWindowsTogether, cutoffs.size() - done);
    const auto together = std::span(cutoffs).subspan(done, count);
    if (const Result<void> ok = ScoreTogether(*model, *series, together, options, errors); !ok)
      return ok.error();
    done += count;
  }
  if (done == 0) return Error{"interrupted before the first window"};
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const double mse = errors.squares / static_cast<double>(errors.count);
  const double mae = errors.absolutes / static_cast<double>(errors.count);

  BenchReport report{{}, TextTable({"series", "split", "windows", "point", "MSE", "MAE"}), true};
  report.json = {{"task", "ltsf"},
                 {"series", options.series},
                 {"split", options.split},
                 {"horizon", kHorizon},
                 {"context", options.context},
                 {"stride", options.stride},
                 {"windows", done},
                 {"of_windows", cutoffs.size()},
                 {"point", options.point},
                 {"model", (*model)->name()},
                 {"fingerprint", (*model)->space()},
                 {"parameters", (*model)->parameters()},
                 {"mse", mse},
                 {"mae", mae},
                 {"seconds", seconds.count()}};
  report.table.Add(
      {options.series, options.split, Grouped(done), options.point, Fixed(mse, 4), Fixed(mae, 4)});
  return report;
}

}  // namespace rill

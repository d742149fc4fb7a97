#include "tools/windows.h"

#include <limits>
#include <random>

#include "tools/console.h"

namespace rill {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

// Uniform in [0, 1), the same in every standard library.
double Uniform(std::mt19937_64& random) {
  return static_cast<double>(random() >> 11) * 0x1p-53;  // 53 bits fill a double
}

}  // namespace

std::vector<size_t> Cutoffs(size_t first, size_t end, size_t horizon, size_t step) {
  std::vector<size_t> cutoffs;
  for (size_t cutoff = first; cutoff + horizon <= end; cutoff += step) cutoffs.push_back(cutoff);
  return cutoffs;
}

Result<std::vector<Forecast>> StreamForecasts(std::shared_ptr<const Model> model,
                                              const SeriesTable& series,
                                              std::span<const size_t> cutoffs, size_t horizon,
                                              const Dropping& dropping) {
  Result<Session> session = Session::Open(std::move(model), {.channels = series.columns.size()});
  if (!session) return session.error();
  std::mt19937_64 random(dropping.seed);
  Progress progress(series.name, cutoffs.empty() ? 0 : cutoffs.back());
  std::vector<Forecast> forecasts;
  std::vector<double> row;
  for (size_t t = 0; forecasts.size() < cutoffs.size(); ++t) {
    row.assign(series.row(t).begin(), series.row(t).end());
    bool there = true;
    if (dropping.rate > 0 && dropping.as == DropAs::kRows) {
      there = Uniform(random) >= dropping.rate;
    } else if (dropping.rate > 0) {
      for (double& value : row)
        if (Uniform(random) < dropping.rate) value = kMissing;
    }
    if (there)
      if (const Result<void> ok = session->Push(series.unix_ns[t], row); !ok) return ok.error();
    if (t + 1 != cutoffs[forecasts.size()]) continue;
    progress.Update(t);
    if (Interrupted()) return Error{"interrupted after " + std::to_string(t + 1) + " rows"};
    Session now = session->Fork();
    if (!there) {
      row.assign(row.size(), kMissing);
      if (const Result<void> ok = now.Push(series.unix_ns[t], row); !ok) return ok.error();
    }
    Result<Forecast> forecast = now.Peek(horizon);
    if (!forecast) return forecast.error();
    forecasts.push_back(std::move(*forecast));
  }
  return forecasts;
}

}  // namespace rill

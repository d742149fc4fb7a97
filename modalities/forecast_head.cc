#include "modalities/forecast_head.h"

#include <algorithm>
#include <cassert>

namespace rill {

Result<ForecastHead> ForecastHead::Load(const Weights& weights, size_t width, size_t patch) {
  constexpr int64_t kMostSteps = 1 << 16;
  constexpr size_t kMostLevels = 99;
  const Result<int64_t> horizon = weights.Integer("rill.forecast.horizon", 1, kMostSteps);
  if (!horizon) return horizon.error();
  const Result<std::vector<double>> numbers = weights.Numbers("rill.forecast.quantiles");
  if (!numbers) return numbers.error();
  std::vector<float> levels;
  for (const double level : *numbers) {
    if (!(level > 0 && level < 1) || (!levels.empty() && level <= levels.back()))
      return weights.Complain("rill.forecast.quantiles must ascend within (0, 1), level " +
                              std::to_string(levels.size()) + " is " + std::to_string(level));
    levels.push_back(static_cast<float>(level));
  }
  if (levels.empty() || levels.size() > kMostLevels)
    return weights.Complain("rill.forecast.quantiles has " + std::to_string(levels.size()) +
                            " levels, 1 to " + std::to_string(kMostLevels) + " are read");
  const size_t steps = static_cast<size_t>(*horizon);
  Result<Linear> out =
      Linear::Load(weights, "forecast.out", (patch + steps) * levels.size(), width, Bias::kPresent);
  if (!out) return out.error();
  return ForecastHead(steps, std::move(levels), std::move(*out));
}

void ForecastHead::Run(View<const float> hidden, size_t elapsed,
                       std::span<const SensorScale> scales, Scratch& scratch,
                       std::span<float> quantiles) const {
  const size_t levels = levels_.size(), steps = quantiles.size() / hidden.rows / levels;
  assert(steps <= horizon_ && quantiles.size() == hidden.rows * steps * levels);
  Scratch::Frame frame(scratch);
  const std::span<float> all = frame.Take(1, out_.outputs())[0];
  for (size_t c = 0; c < hidden.rows; ++c) {
    out_.Step(hidden[c], all);
    const std::span<float> to = quantiles.subspan(c * steps * levels, steps * levels);
    std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(elapsed * levels), to.size(), to.begin());
    for (size_t h = 0; h < steps; ++h) {
      const std::span<float> step = to.subspan(h * levels, levels);
      std::sort(step.begin(), step.end());
      for (float& value : step)
        value =
            static_cast<float>(scales[c].location + scales[c].scale * static_cast<double>(value));
    }
  }
}

}  // namespace rill

#include "modalities/audio_mel.h"

#include <fftw3.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cmath>
#include <mutex>
#include <numbers>
#include <numeric>
#include <string>

namespace rill {
namespace {

constexpr double kLeastEnergy = 0x1p-23;  // Kaldi's: the epsilon of float32
constexpr double kPoveyPower = 0.85;

double Mel(double hz) { return 1127 * std::log1p(hz / 700); }

// FFTW's planner is the one part of it that threads may not share.
std::mutex& PlannerMutex() {
  static std::mutex mutex;
  return mutex;
}

}  // namespace

// Estimated, not measured: which algorithm runs must not depend on how busy the machine is.
struct AudioMel::Transform {
  explicit Transform(size_t count) {
    alignas(64) std::array<double, kMostWindow> samples;
    alignas(64) std::array<std::array<double, 2>, kMostWindow / 2 + 1> spectrum;
    const std::scoped_lock lock(PlannerMutex());
    plan = fftw_plan_dft_r2c_1d(static_cast<int>(count), samples.data(), Complex(spectrum),
                                FFTW_ESTIMATE | FFTW_DESTROY_INPUT);
  }
  ~Transform() {
    const std::scoped_lock lock(PlannerMutex());
    fftw_destroy_plan(plan);
  }
  Transform(const Transform&) = delete;
  Transform& operator=(const Transform&) = delete;

  template <typename Spectrum>
  static fftw_complex* Complex(Spectrum& spectrum) {
    return reinterpret_cast<fftw_complex*>(spectrum.data());
  }

  fftw_plan plan;
};

AudioMel::AudioMel(const MelConfig& config)
    : config_(config),
      fft_(std::bit_ceil(config.window)),
      mean_(config.bins, 0.0f),
      inverse_deviation_(config.bins, 1.0f),
      transform_(std::make_shared<const Transform>(fft_)) {
  const double last = static_cast<double>(config.window - 1);
  for (size_t i = 0; i < config.window; ++i) {
    const double angle = 2 * std::numbers::pi * static_cast<double>(i) / last;
    taper_.push_back(std::pow(0.5 - 0.5 * std::cos(angle), kPoveyPower));
  }
  const double low = Mel(config.low_hz), high = Mel(config.high_hz);
  const double step = (high - low) / static_cast<double>(config.bins + 1);
  const double bin_hz = static_cast<double>(config.rate_hz) / static_cast<double>(fft_);
  for (size_t m = 0; m < config.bins; ++m) {
    const double left = low + step * static_cast<double>(m), centre = left + step;
    Triangle triangle;
    for (size_t k = 0; k < fft_ / 2; ++k) {
      const double mel = Mel(bin_hz * static_cast<double>(k));
      const double weight = 1 - std::fabs(mel - centre) / step;
      if (weight <= 0) continue;
      if (triangle.weights.empty()) triangle.first = k;
      triangle.weights.push_back(weight);
    }
    triangles_.push_back(std::move(triangle));
  }
}

Result<AudioMel> AudioMel::Make(const MelConfig& config) {
  const double nyquist_hz = static_cast<double>(config.rate_hz) / 2;
  if (config.window < 2 || config.window > kMostWindow || config.hop < 1 ||
      config.hop > config.window)
    return Error{"a window of " + std::to_string(config.window) + " samples every " +
                 std::to_string(config.hop) + ", at most " + std::to_string(kMostWindow) +
                 " and no gaps"};
  if (config.bins < 1 || config.bins > kMostBins)
    return Error{std::to_string(config.bins) + " mel bins, 1 to " + std::to_string(kMostBins)};
  if (!(config.low_hz >= 0 && config.low_hz < config.high_hz && config.high_hz <= nyquist_hz))
    return Error{"mel bins from " + std::to_string(config.low_hz) + " to " +
                 std::to_string(config.high_hz) + " Hz do not lie between 0 and " +
                 std::to_string(nyquist_hz)};
  return AudioMel(config);
}

Result<AudioMel> AudioMel::Load(const Weights& weights) {
  MelConfig config;
  const std::pair<const char*, size_t*> counts[] = {{"rill.audio.rate", &config.rate_hz},
                                                    {"rill.audio.window", &config.window},
                                                    {"rill.audio.hop", &config.hop},
                                                    {"rill.audio.bins", &config.bins}};
  constexpr int64_t kMostCount = 1 << 20;
  for (const auto& [key, to] : counts) {
    const Result<int64_t> count = weights.Integer(key, 1, kMostCount);
    if (!count) return count.error();
    *to = static_cast<size_t>(*count);
  }
  const std::pair<const char*, double*> numbers[] = {{"rill.audio.low_hz", &config.low_hz},
                                                     {"rill.audio.high_hz", &config.high_hz},
                                                     {"rill.audio.emphasis", &config.emphasis}};
  for (const auto& [key, to] : numbers) {
    const Result<double> number = weights.Number(key, 0, kMostCount);
    if (!number) return number.error();
    *to = *number;
  }
  Result<AudioMel> mel = Make(config);
  if (!mel) return weights.Complain(mel.error().message);
  const Result<std::vector<float>> mean = weights.Vector("audio.mean", config.bins);
  if (!mean) return mean.error();
  const Result<std::vector<float>> deviation = weights.Vector("audio.deviation", config.bins);
  if (!deviation) return deviation.error();
  mel->mean_ = *mean;
  for (size_t m = 0; m < config.bins; ++m) {
    if (!((*deviation)[m] > 0))
      return weights.Complain("audio.deviation is " + std::to_string((*deviation)[m]) + " at bin " +
                              std::to_string(m) + ", it must be positive");
    mel->inverse_deviation_[m] = 1 / (*deviation)[m];
  }
  return mel;
}

void AudioMel::Run(std::span<const float> window, std::span<float> frame) const {
  assert(window.size() == config_.window && frame.size() == config_.bins);
  alignas(64) std::array<double, kMostWindow> x;
  alignas(64) std::array<std::array<double, 2>, kMostWindow / 2 + 1> spectrum;
  const double mean =
      std::accumulate(window.begin(), window.end(), 0.0) / static_cast<double>(window.size());
  double before = static_cast<double>(window[0]) - mean;
  for (size_t i = 0; i < window.size(); ++i) {
    const double here = static_cast<double>(window[i]) - mean;
    x[i] = (here - config_.emphasis * before) * taper_[i];
    before = here;
  }
  std::fill(x.begin() + static_cast<std::ptrdiff_t>(window.size()),
            x.begin() + static_cast<std::ptrdiff_t>(fft_), 0.0);
  fftw_execute_dft_r2c(transform_->plan, x.data(), Transform::Complex(spectrum));
  for (size_t k = 0; k < fft_ / 2; ++k)
    x[k] = spectrum[k][0] * spectrum[k][0] + spectrum[k][1] * spectrum[k][1];
  for (size_t m = 0; m < frame.size(); ++m) {
    const Triangle& triangle = triangles_[m];
    double energy = 0;
    for (size_t i = 0; i < triangle.weights.size(); ++i)
      energy += triangle.weights[i] * x[triangle.first + i];
    const float log_energy = static_cast<float>(std::log(std::max(energy, kLeastEnergy)));
    frame[m] = (log_energy - mean_[m]) * inverse_deviation_[m];
  }
}

}  // namespace rill

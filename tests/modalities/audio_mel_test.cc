// The audio front end: windows from samples in any pieces, and log-mel frames against the formula
// written out with a plain Fourier sum.
#include "modalities/audio_mel.h"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <numbers>

#include "tests/support/gguf_builder.h"
#include "tests/support/random.h"

namespace rill {
namespace {

using rill::testing::GgufBuilder;
using rill::testing::Random;

// A chirp in noise: energy in every bin at some time.
std::vector<float> Signal(size_t count) {
  Random random(4);
  std::vector<float> samples;
  for (size_t i = 0; i < count; ++i) {
    const double t = static_cast<double>(i) / 16000;
    samples.push_back(
        static_cast<float>(0.05 + 0.4 * std::sin(2 * std::numbers::pi * (100 * t + 2000 * t * t)) +
                           0.01 * random.Uniform(-1, 1)));
  }
  return samples;
}

// Every complete window of the samples, which come in pieces of `piece`.
std::vector<std::vector<float>> Windows(std::span<const float> samples, size_t length, size_t hop,
                                        size_t piece, State* kept = nullptr) {
  StateLayout layout;
  const Framer framer(length, hop, "audio", layout);
  State state(layout);
  const Lane lane = state.lane(0);
  std::vector<std::vector<float>> windows;
  for (size_t at = 0; at < samples.size(); at += piece) {
    std::span<const float> left = samples.subspan(at, std::min(piece, samples.size() - at));
    while (!left.empty()) {
      left = left.subspan(framer.Take(left, lane));
      if (!framer.IsComplete(lane)) continue;
      const std::span<const float> window = framer.Window(lane);
      windows.emplace_back(window.begin(), window.end());
      framer.Next(lane);
    }
  }
  if (kept != nullptr) *kept = state;
  return windows;
}

struct Framing {
  size_t length, hop;
};

class FramerPieces : public ::testing::TestWithParam<std::tuple<Framing, size_t>> {};

TEST_P(FramerPieces, WindowsEndAtTheirHopWhateverThePieces) {
  const auto& [framing, piece] = GetParam();
  const auto& [length, hop] = framing;
  const std::vector<float> samples = Signal(1003);
  State state{StateLayout()}, whole{StateLayout()};
  const auto windows = Windows(samples, length, hop, piece, &state);
  ASSERT_EQ(windows.size(), samples.size() / hop);
  for (size_t t = 0; t < windows.size(); ++t)
    for (size_t i = 0; i < length; ++i) {
      const size_t end = hop * (t + 1);
      const float want = end + i < length ? 0.0f : samples[end + i - length];
      ASSERT_EQ(windows[t][i], want) << "window " << t << ", sample " << i;
    }
  Windows(samples, length, hop, samples.size(), &whole);
  EXPECT_EQ(state, whole);
}

std::string NameOf(const ::testing::TestParamInfo<std::tuple<Framing, size_t>>& info) {
  const auto& [framing, piece] = info.param;
  return "L" + std::to_string(framing.length) + "_H" + std::to_string(framing.hop) + "_piece" +
         std::to_string(piece);
}

INSTANTIATE_TEST_SUITE_P(Sizes, FramerPieces,
                         ::testing::Combine(::testing::Values(Framing{400, 160}, Framing{7, 7},
                                                              Framing{5, 1}, Framing{64, 63}),
                                            ::testing::Values(1, 2, 3, 16, 159, 160, 161, 1003)),
                         NameOf);

// The formulas of audio_mel.h, one after another.
std::vector<double> Reference(std::span<const float> window, const MelConfig& config) {
  const size_t n = window.size();
  size_t fft = 1;
  while (fft < n) fft *= 2;
  std::vector<double> x(window.begin(), window.end());
  double mean = 0;
  for (const double value : x) mean += value / static_cast<double>(n);
  for (double& value : x) value -= mean;
  for (size_t i = n - 1; i > 0; --i) x[i] -= config.emphasis * x[i - 1];
  x[0] -= config.emphasis * x[0];
  for (size_t i = 0; i < n; ++i)
    x[i] *= std::pow(0.5 - 0.5 * std::cos(2 * std::numbers::pi * static_cast<double>(i) /
                                          static_cast<double>(n - 1)),
                     0.85);
  const auto mel = [](double hz) { return 1127 * std::log(1 + hz / 700); };
  std::vector<double> power, mels;
  for (size_t k = 0; k < fft / 2; ++k) {
    std::complex<double> sum = 0;
    for (size_t i = 0; i < n; ++i)
      sum += x[i] * std::polar(1.0, -2 * std::numbers::pi * static_cast<double>(k * i % fft) /
                                        static_cast<double>(fft));
    power.push_back(std::norm(sum));
    mels.push_back(mel(static_cast<double>(k * config.rate_hz) / static_cast<double>(fft)));
  }
  const double low = mel(config.low_hz), high = mel(config.high_hz);
  std::vector<double> frame;
  for (size_t m = 0; m < config.bins; ++m) {
    const auto edge = [&](size_t i) {
      return low + (high - low) * static_cast<double>(i) / static_cast<double>(config.bins + 1);
    };
    double energy = 0;
    for (size_t k = 0; k < power.size(); ++k) {
      const double rise = (mels[k] - edge(m)) / (edge(m + 1) - edge(m));
      const double fall = (edge(m + 2) - mels[k]) / (edge(m + 2) - edge(m + 1));
      energy += std::max(0.0, std::min(rise, fall)) * power[k];
    }
    frame.push_back(std::log(std::max(energy, 0x1p-23)));
  }
  return frame;
}

TEST(AudioMel, AgreesWithTheFormula) {
  for (const MelConfig& config :
       {MelConfig{},
        MelConfig{.rate_hz = 8000, .window = 200, .hop = 80, .bins = 40, .high_hz = 3700},
        MelConfig{.window = 512, .hop = 512, .bins = 23, .emphasis = 0}}) {
    const AudioMel mel = *AudioMel::Make(config);
    std::vector<float> frame(config.bins);
    size_t windows = 0;
    for (const auto& window : Windows(Signal(8000), config.window, config.hop, 8000)) {
      mel.Run(window, frame);
      const std::vector<double> want = Reference(window, config);
      for (size_t m = 0; m < config.bins; ++m)
        ASSERT_NEAR(static_cast<double>(frame[m]), want[m], 1e-5) << "bin " << m;
      ++windows;
    }
    EXPECT_EQ(windows, 8000 / config.hop);
  }
}

TEST(AudioMel, SilenceAndAConstantAreTheFloor) {
  const AudioMel mel = *AudioMel::Make({});
  std::vector<float> frame(80);
  for (const float level : {0.0f, 0.7f}) {
    mel.Run(std::vector<float>(400, level), frame);
    for (const float value : frame) EXPECT_EQ(value, static_cast<float>(std::log(0x1p-23)));
  }
}

TEST(AudioMel, NormalisesAsTheModelSays) {
  GgufBuilder builder;
  for (const auto& [key, value] : {std::pair("rate", 16000u), {"window", 400u}, {"hop", 160u}})
    builder.Key("rill.audio." + std::string(key), value);
  builder.Key("rill.audio.bins", 2u);
  builder.Key("rill.audio.low_hz", 20.0f);
  builder.Key("rill.audio.high_hz", 7600.0f);
  builder.Key("rill.audio.emphasis", 0.97f);
  builder.Tensor("audio.mean", {2}, {-3, 5});
  builder.Tensor("audio.deviation", {2}, {2, 4});
  const auto bytes = builder.Bytes();
  const auto mel = AudioMel::Load(**Weights::Parse(bytes, "m.gguf"));
  ASSERT_TRUE(mel) << mel.error().message;
  MelConfig config;
  config.bins = 2;
  config.emphasis = static_cast<double>(0.97f);
  const auto window = Windows(Signal(1600), 400, 160, 1600)[7];
  std::vector<float> frame(2);
  mel->Run(window, frame);
  const std::vector<double> plain = Reference(window, config);
  EXPECT_NEAR(static_cast<double>(frame[0]), (plain[0] + 3) / 2, 1e-5);
  EXPECT_NEAR(static_cast<double>(frame[1]), (plain[1] - 5) / 4, 1e-5);
}

TEST(AudioMel, RefusesWhatMakesNoSense) {
  EXPECT_EQ(AudioMel::Make({.window = 5000}).error().message,
            "a window of 5000 samples every 160, at most 4096 and no gaps");
  EXPECT_EQ(AudioMel::Make({.window = 100}).error().message,
            "a window of 100 samples every 160, at most 4096 and no gaps");
  EXPECT_EQ(AudioMel::Make({.bins = 0}).error().message, "0 mel bins, 1 to 256");
  EXPECT_EQ(AudioMel::Make({.high_hz = 9000}).error().message,
            "mel bins from 20.000000 to 9000.000000 Hz do not lie between 0 and 8000.000000");
}

}  // namespace
}  // namespace rill

// Sound for tests of transcription, made and not recorded.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

namespace rill::testing {

// Bursts of tones in noise at 16 kHz, so that decoders meet pieces and pauses.
inline std::vector<float> MakeSound(size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> noise(0, 0.05f);
  std::vector<float> samples(count);
  for (size_t i = 0; i < count; ++i) {
    const bool loud = i / 7000 % 3 != 2;
    const float pitch = 0.05f + 0.02f * static_cast<float>(i / 1900 % 5);
    samples[i] = loud ? noise(random) + 0.3f * std::sin(static_cast<float>(i) * pitch)
                      : 0.001f * noise(random);
  }
  return samples;
}

}  // namespace rill::testing

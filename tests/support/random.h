// Seeded random numbers for tests: the same on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rill::testing {

// Source: Steele, Lea & Flood 2014 (splitmix64).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Bits() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  size_t Below(size_t bound) { return static_cast<size_t>(Bits() % bound); }
  double Uniform(double low = 0, double high = 1) {
    return low + (high - low) * static_cast<double>(Bits() >> 11) * 0x1p-53;
  }
  std::vector<float> Floats(size_t count, double low = -1, double high = 1) {
    std::vector<float> values(count);
    for (float& value : values) value = static_cast<float>(Uniform(low, high));
    return values;
  }

 private:
  uint64_t state_;
};

}  // namespace rill::testing

#include "operators/core/quantize.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstring>

namespace rill {
namespace {

template <typename T>
void Write(std::byte* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

uint8_t Code(float value, int most) {
  return static_cast<uint8_t>(std::clamp(static_cast<int>(std::lround(value)), 0, most));
}

float Inverse(float step) { return step != 0 ? 1 / step : 0; }

// The number that is farthest from zero.
float Extreme(std::span<const float> x) {
  return *std::ranges::max_element(x, {}, [](float value) { return std::fabs(value); });
}

void Q8Block(const float* x, std::byte* block) {
  const uint16_t half = FloatToHalf(std::fabs(Extreme({x, 32})) / 127);
  const float inverse = Inverse(HalfToFloat(half));
  Write(block, half);
  for (size_t i = 0; i < 32; ++i) {
    const long code = std::lround(x[i] * inverse);
    Write(block + 2 + i, static_cast<int8_t>(std::clamp(code, -127L, 127L)));
  }
}

// The extreme gets the code 0, which alone is as far as -8 from the middle.
void Q4Block(const float* x, std::byte* block) {
  const uint16_t half = FloatToHalf(Extreme({x, 32}) / -8);
  const float inverse = Inverse(HalfToFloat(half));
  Write(block, half);
  for (size_t i = 0; i < 16; ++i) {
    const uint8_t low = Code(x[i] * inverse + 8, 15), high = Code(x[i + 16] * inverse + 8, 15);
    Write(block + 2 + i, static_cast<uint8_t>(low | high << 4));
  }
}

// x ≈ step · code - offset, step and offset at least 0.
struct Line {
  float step = 0, offset = 0;
};

// The line with the least squared error for the codes; false where there is none.
bool Fit(std::span<const float> x, std::span<const uint8_t> codes, Line& line) {
  double n = static_cast<double>(x.size()), c = 0, cc = 0, v = 0, cv = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double code = codes[i], value = static_cast<double>(x[i]);
    c += code, cc += code * code, v += value, cv += code * value;
  }
  const double determinant = n * cc - c * c;
  if (determinant <= 0) return false;
  double step = (n * cv - c * v) / determinant, offset = (step * c - v) / n;
  if (offset < 0) step = cv / cc, offset = 0;
  if (!(step > 0)) return false;
  line = {static_cast<float>(step), static_cast<float>(offset)};
  return true;
}

void ChooseCodes(std::span<const float> x, const Line& line, int most, std::span<uint8_t> codes) {
  const float inverse = Inverse(line.step);
  for (size_t i = 0; i < x.size(); ++i) codes[i] = Code((x[i] + line.offset) * inverse, most);
}

double SquaredError(std::span<const float> x, const Line& line, std::span<const uint8_t> codes) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const float error = line.step * static_cast<float>(codes[i]) - line.offset - x[i];
    sum += static_cast<double>(error) * static_cast<double>(error);
  }
  return sum;
}

// The best line found for codes of 0 to `most`: that of the range, and of ranges a little wider or
// narrower, each fitted once to the codes that it gives.
Line BestLine(std::span<const float> x, int most) {
  constexpr int kTries = 10;
  const auto [least, largest] = std::ranges::minmax(x);
  const float low = std::min(least, 0.0f), high = std::max(largest, 0.0f);
  Line best{(high - low) / static_cast<float>(most), -low};
  if (high == low) return {0, -low};
  std::array<uint8_t, 32> memory;
  const std::span<uint8_t> codes = std::span(memory).first(x.size());
  ChooseCodes(x, best, most, codes);
  double best_error = SquaredError(x, best, codes);
  for (int i = 0; i < kTries; ++i) {
    Line line{(high - low) / (static_cast<float>(most) - 1 + 0.2f * static_cast<float>(i)), -low};
    ChooseCodes(x, line, most, codes);
    if (!Fit(x, codes, line)) continue;
    ChooseCodes(x, line, most, codes);
    const double error = SquaredError(x, line, codes);
    if (error < best_error) best = line, best_error = error;
  }
  return best;
}

// Eight parts of six bits each in 12 bytes, as UnpackKScales reads them.
void PackKScales(const KScales& parts, std::byte* twelve) {
  for (size_t i = 0; i < 4; ++i) {
    const int s = parts.scales[i + 4], m = parts.mins[i + 4];
    Write(twelve + i, static_cast<uint8_t>(parts.scales[i] | s >> 4 << 6));
    Write(twelve + i + 4, static_cast<uint8_t>(parts.mins[i] | m >> 4 << 6));
    Write(twelve + i + 8, static_cast<uint8_t>((s & 15) | (m & 15) << 4));
  }
}

// Q4_K, and Q5_K, whose fifth bits lie apart.
template <bool kFifthBits>
void KBlock(const float* x, std::byte* block) {
  constexpr int kMost = kFifthBits ? 31 : 15;
  std::array<Line, 8> lines;
  float step = 0, offset = 0;
  for (size_t part = 0; part < 8; ++part) {
    lines[part] = BestLine({x + part * 32, 32}, kMost);
    step = std::max(step, lines[part].step), offset = std::max(offset, lines[part].offset);
  }
  const uint16_t d = FloatToHalf(step / 63), dmin = FloatToHalf(offset / 63);
  const float inverse_d = Inverse(HalfToFloat(d)), inverse_dmin = Inverse(HalfToFloat(dmin));
  std::memset(block, 0, kFifthBits ? 176 : 144);
  Write(block, d);
  Write(block + 2, dmin);
  KScales parts{};
  std::byte* fifths = block + 16;
  std::byte* fours = fifths + (kFifthBits ? 32 : 0);
  for (size_t part = 0; part < 8; ++part) {
    parts.scales[part] = Code(lines[part].step * inverse_d, 63);
    parts.mins[part] = Code(lines[part].offset * inverse_dmin, 63);
    const Line rounded{HalfToFloat(d) * static_cast<float>(parts.scales[part]),
                       HalfToFloat(dmin) * static_cast<float>(parts.mins[part])};
    std::array<uint8_t, 32> codes;
    ChooseCodes({x + part * 32, 32}, rounded, kMost, codes);
    for (size_t i = 0; i < 32; ++i) {
      fours[part / 2 * 32 + i] |= static_cast<std::byte>((codes[i] & 15) << (part % 2 * 4));
      if (kFifthBits) fifths[i] |= static_cast<std::byte>(codes[i] >> 4 << part);
    }
  }
  PackKScales(parts, block + 4);
}

// The step with the least squared error found for codes of -32 to 31.
float BestStep(std::span<const float> x) {
  constexpr int kTries = 9;
  const float extreme = Extreme(x);
  float best = 0;
  double vv = 0;
  for (const float value : x) vv += static_cast<double>(value) * static_cast<double>(value);
  double best_error = vv;
  for (int i = 0; i < kTries && extreme != 0; ++i) {
    const float inverse = -(31.2f + 0.2f * static_cast<float>(i)) / extreme;
    double cc = 0, cv = 0;
    for (const float value : x) {
      const double code = std::clamp(std::lround(value * inverse), -32L, 31L);
      cc += code * code, cv += code * static_cast<double>(value);
    }
    if (cc == 0) continue;
    const double error = vv - cv * cv / cc;
    if (error < best_error) best = static_cast<float>(cv / cc), best_error = error;
  }
  return best;
}

void Q6Block(const float* x, std::byte* block) {
  std::array<float, 16> steps;
  for (size_t part = 0; part < 16; ++part) steps[part] = BestStep({x + part * 16, 16});
  // As with Q4_0, the extreme gets the code that is farthest from zero.
  const uint16_t d = FloatToHalf(Extreme(steps) / -128);
  const float inverse_d = Inverse(HalfToFloat(d));
  std::memset(block, 0, 210);
  Write(block + 208, d);
  for (size_t part = 0; part < 16; ++part) {
    const auto scale =
        static_cast<int8_t>(std::clamp(std::lround(steps[part] * inverse_d), -128L, 127L));
    Write(block + 192 + part, scale);
    const float inverse = Inverse(HalfToFloat(d) * static_cast<float>(scale));
    for (size_t i = part * 16; i < (part + 1) * 16; ++i) {
      const size_t half = i / 128, quarter = i / 32 % 4, at = i % 32;
      const unsigned code = Code(x[i] * inverse + 32, 63);
      block[half * 64 + quarter % 2 * 32 + at] |=
          static_cast<std::byte>((code & 15) << (quarter / 2 * 4));
      block[128 + half * 32 + at] |= static_cast<std::byte>(code >> 4 << (quarter * 2));
    }
  }
}

}  // namespace

void FromFloat(TensorType type, std::span<const float> values, std::span<std::byte> bytes) {
  const TensorTypeInfo info = *InfoOf(static_cast<uint32_t>(type));
  assert(values.size() / info.block_elements * info.block_bytes == bytes.size());
  const auto each = [&](auto convert) {
    std::byte* to = bytes.data();
    for (size_t i = 0; i < values.size(); i += info.block_elements, to += info.block_bytes)
      convert(values.data() + i, to);
  };
  switch (type) {
    case TensorType::kF32: std::ranges::copy(std::as_bytes(values), bytes.begin()); return;
    case TensorType::kF16:
      return each([](const float* x, std::byte* to) { Write(to, FloatToHalf(*x)); });
    case TensorType::kBF16:
      return each([](const float* x, std::byte* to) { Write(to, FloatToBFloat16(*x)); });
    case TensorType::kQ8_0: return each(Q8Block);
    case TensorType::kQ4_0: return each(Q4Block);
    case TensorType::kQ4_K: return each(KBlock<false>);
    case TensorType::kQ5_K: return each(KBlock<true>);
    case TensorType::kQ6_K: return each(Q6Block);
  }
}

}  // namespace rill

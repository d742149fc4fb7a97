#include "operators/core/quant.h"

#include <array>
#include <bit>
#include <cassert>
#include <cstring>

#include "operators/core/kernels.h"

namespace rill {
namespace {

constexpr std::array<TensorTypeInfo, 8> kTypes = {{
    {TensorType::kF32, "F32", 1, 4},
    {TensorType::kF16, "F16", 1, 2},
    {TensorType::kQ4_0, "Q4_0", 32, 18},
    {TensorType::kQ8_0, "Q8_0", 32, 34},
    {TensorType::kQ4_K, "Q4_K", 256, 144},
    {TensorType::kQ5_K, "Q5_K", 256, 176},
    {TensorType::kQ6_K, "Q6_K", 256, 210},
    {TensorType::kBF16, "BF16", 1, 2},
}};

template <typename T>
T Read(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <typename Function>
void ForBlocks(std::span<const std::byte> bytes, std::span<float> values, size_t block_bytes,
               size_t block_elements, const Function& convert) {
  assert(bytes.size() / block_bytes * block_elements == values.size());
  const std::byte* from = bytes.data();
  for (size_t i = 0; i < values.size(); i += block_elements, from += block_bytes)
    convert(from, values.data() + i);
}

// Q4_K, and Q5_K, whose fifth bits lie apart.
template <bool kFifthBits>
void KBlockToFloat(const std::byte* block, float* to) {
  const float d = HalfToFloat(Read<uint16_t>(block)), dmin = HalfToFloat(Read<uint16_t>(block + 2));
  const KScales parts = UnpackKScales(block + 4);
  const std::byte* fifths = block + 16;
  const std::byte* fours = fifths + (kFifthBits ? 32 : 0);
  for (size_t part = 0; part < 8; ++part) {
    const float scale = d * static_cast<float>(parts.scales[part]);
    const float offset = dmin * static_cast<float>(parts.mins[part]);
    for (size_t i = 0; i < 32; ++i) {
      const int pair = Read<uint8_t>(fours + part / 2 * 32 + i);
      int code = part % 2 == 0 ? pair & 15 : pair >> 4;
      if (kFifthBits) code |= (Read<uint8_t>(fifths + i) >> part & 1) << 4;
      to[part * 32 + i] = scale * static_cast<float>(code) - offset;
    }
  }
}

void Q6BlockToFloat(const std::byte* block, float* to) {
  const std::byte* lows = block;
  const std::byte* highs = block + 128;
  const std::byte* scales = block + 192;
  const float d = HalfToFloat(Read<uint16_t>(block + 208));
  for (size_t i = 0; i < 256; ++i) {
    const size_t half = i / 128, quarter = i / 32 % 4, at = i % 32;
    const int low = Read<uint8_t>(lows + half * 64 + quarter % 2 * 32 + at) >> (quarter / 2 * 4);
    const int high = Read<uint8_t>(highs + half * 32 + at) >> (quarter * 2);
    const int code = (low & 15) | (high & 3) << 4;
    to[i] = d * static_cast<float>(Read<int8_t>(scales + i / 16)) * static_cast<float>(code - 32);
  }
}

}  // namespace

KScales UnpackKScales(const std::byte* twelve) {
  KScales out{};
  const auto at = [&](size_t i) { return Read<uint8_t>(twelve + i); };
  for (size_t i = 0; i < 4; ++i) {
    out.scales[i] = at(i) & 63;
    out.mins[i] = at(i + 4) & 63;
    out.scales[i + 4] = static_cast<uint8_t>((at(i + 8) & 15) | at(i) >> 6 << 4);
    out.mins[i + 4] = static_cast<uint8_t>(at(i + 8) >> 4 | at(i + 4) >> 6 << 4);
  }
  return out;
}

std::optional<TensorTypeInfo> InfoOf(uint32_t type) {
  for (const TensorTypeInfo& info : kTypes)
    if (static_cast<uint32_t>(info.type) == type) return info;
  return std::nullopt;
}

void ToFloat(TensorType type, std::span<const std::byte> bytes, std::span<float> values) {
  const std::byte* from = bytes.data();
  switch (type) {
    case TensorType::kF32: std::memcpy(values.data(), from, values.size_bytes()); return;
    case TensorType::kF16:
      HalvesToFloats({reinterpret_cast<const uint16_t*>(from), values.size()}, values);
      return;
    case TensorType::kBF16:
      for (size_t i = 0; i < values.size(); ++i)
        values[i] = std::bit_cast<float>(static_cast<uint32_t>(Read<uint16_t>(from + 2 * i)) << 16);
      return;
    case TensorType::kQ8_0:
      ForBlocks(bytes, values, 34, 32, [](const std::byte* block, float* to) {
        const float scale = HalfToFloat(Read<uint16_t>(block));
        for (size_t i = 0; i < 32; ++i) to[i] = scale * Read<int8_t>(block + 2 + i);
      });
      return;
    case TensorType::kQ4_0:
      ForBlocks(bytes, values, 18, 32, [](const std::byte* block, float* to) {
        const float scale = HalfToFloat(Read<uint16_t>(block));
        for (size_t i = 0; i < 16; ++i) {
          const uint8_t pair = Read<uint8_t>(block + 2 + i);
          to[i] = scale * static_cast<float>((pair & 15) - 8);
          to[i + 16] = scale * static_cast<float>((pair >> 4) - 8);
        }
      });
      return;
    case TensorType::kQ4_K: ForBlocks(bytes, values, 144, 256, KBlockToFloat<false>); return;
    case TensorType::kQ5_K: ForBlocks(bytes, values, 176, 256, KBlockToFloat<true>); return;
    case TensorType::kQ6_K: ForBlocks(bytes, values, 210, 256, Q6BlockToFloat); return;
  }
}

float HalfToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = (half >> 10) & 0x1f;
  const uint32_t mantissa = half & 0x3ff;
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
  }
  const uint32_t rebased = exponent == 31 ? 255 : exponent + 112;  // bias 15 to bias 127
  return std::bit_cast<float>(sign | rebased << 23 | mantissa << 13);
}

uint16_t FloatToHalf(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000;
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return static_cast<uint16_t>(sign | 0x7e00);   // not a number
  if (magnitude >= 0x477ff000) return static_cast<uint16_t>(sign | 0x7c00);  // rounds to infinity
  if (magnitude < 0x38800000) {  // subnormal: adding 0.5 aligns the mantissa and rounds it
    const float aligned = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(aligned) - 0x3f000000));
  }
  const uint32_t odd = (magnitude >> 13) & 1;
  return static_cast<uint16_t>(sign | ((magnitude - 0x38000000 + 0xfff + odd) >> 13));
}

}  // namespace rill

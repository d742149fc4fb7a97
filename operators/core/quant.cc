#include "operators/core/quant.h"

#include <array>
#include <bit>
#include <cassert>
#include <cstring>

namespace rill {
namespace {

constexpr std::array<TensorTypeInfo, 8> kTypes = {{
    {TensorType::kF32, "F32", 1, 4, true},
    {TensorType::kF16, "F16", 1, 2, true},
    {TensorType::kQ4_0, "Q4_0", 32, 18, false},
    {TensorType::kQ8_0, "Q8_0", 32, 34, true},
    {TensorType::kQ4_K, "Q4_K", 256, 144, false},
    {TensorType::kQ5_K, "Q5_K", 256, 176, false},
    {TensorType::kQ6_K, "Q6_K", 256, 210, false},
    {TensorType::kBF16, "BF16", 1, 2, true},
}};

template <typename T>
T Read(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

}  // namespace

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
      for (float& value : values) value = HalfToFloat(Read<uint16_t>(from)), from += 2;
      return;
    case TensorType::kBF16:
      for (float& value : values) {
        value = std::bit_cast<float>(static_cast<uint32_t>(Read<uint16_t>(from)) << 16);
        from += 2;
      }
      return;
    case TensorType::kQ8_0:
      for (size_t block = 0; block < values.size(); block += 32, from += 34) {
        const float scale = HalfToFloat(Read<uint16_t>(from));
        for (size_t i = 0; i < 32; ++i) values[block + i] = scale * Read<int8_t>(from + 2 + i);
      }
      return;
    default: assert(false);
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

// GGUF element types: block sizes, and conversion to float32.
//
// A quantised row is a sequence of blocks: codes of a few bits, and what they count in.
//
//   Q4_0, Q8_0  32 values     float16 d                    d (code - 8), d code
//   Q4_K, Q5_K  8 · 32 values float16 d, dmin; 6-bit s, m  d s code - dmin m    (s, m every 32)
//   Q6_K        16 · 16 values float16 d; int8 s           d s (code - 32)      (s every 16)
//
// Source: the GGUF and GGML formats as published by ggml-org/ggml.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace rill {

// Numbers are those of the file format.
enum class TensorType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ8_0 = 8,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kBF16 = 30,
};

struct TensorTypeInfo {
  TensorType type;
  std::string_view name;
  size_t block_elements;
  size_t block_bytes;
};

// Nothing when the number is none of the types above.
std::optional<TensorTypeInfo> InfoOf(uint32_t type);

// Converts whole blocks; `bytes` holds exactly the blocks of `values`.
void ToFloat(TensorType type, std::span<const std::byte> bytes, std::span<float> values);

// The scales and minima of the eight parts of a block of Q4_K and Q5_K, 6 bits each in 12 bytes.
struct KScales {
  uint8_t scales[8];
  uint8_t mins[8];
};
KScales UnpackKScales(const std::byte* twelve);

float HalfToFloat(uint16_t half);
uint16_t FloatToHalf(float value);  // round to nearest even, as the hardware does

// The same of bfloat16; what is not a number stays so.
inline uint16_t FloatToBFloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

}  // namespace rill

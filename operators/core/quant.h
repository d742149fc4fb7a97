// GGUF element types: block sizes, and conversion to float32.
//
// A quantised row is a sequence of blocks. A block of Q8_0 is a float16 scale and 32 int8; a value
// is the scale times its int8.
//
// Source: the GGUF and GGML formats as published by ggml-org/ggml.
#pragma once

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
  bool computable;  // ToFloat reads it
};

// Nothing when the number is none of the types above.
std::optional<TensorTypeInfo> InfoOf(uint32_t type);

// Converts whole blocks; `bytes` holds exactly the blocks of `values`. The type must be computable.
void ToFloat(TensorType type, std::span<const std::byte> bytes, std::span<float> values);

float HalfToFloat(uint16_t half);
uint16_t FloatToHalf(float value);  // round to nearest even, as the hardware does

}  // namespace rill

// Blocks of quantised types with random codes: every code and scale occurs.
#pragma once

#include <cstring>
#include <vector>

#include "operators/core/quant.h"
#include "tests/support/random.h"

namespace rill::testing {

// `count` values of a type, of the order of `size` each.
inline std::vector<std::byte> RandomBlocks(TensorType type, size_t count, double size,
                                           Random& random) {
  const TensorTypeInfo info = *InfoOf(static_cast<uint32_t>(type));
  std::vector<std::byte> bytes(count / info.block_elements * info.block_bytes);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.Bits());
  const auto half = [&](size_t at, double bound) {
    const uint16_t value = FloatToHalf(static_cast<float>(random.Uniform(-bound, bound)));
    std::memcpy(bytes.data() + at, &value, sizeof value);
  };
  for (size_t at = 0; at < bytes.size(); at += info.block_bytes) {
    switch (type) {
      case TensorType::kF32: {
        const float value = static_cast<float>(random.Uniform(-size, size));
        std::memcpy(bytes.data() + at, &value, sizeof value);
        break;
      }
      case TensorType::kBF16: {
        const float value = static_cast<float>(random.Uniform(-size, size));
        std::memcpy(bytes.data() + at, reinterpret_cast<const std::byte*>(&value) + 2, 2);
        break;
      }
      case TensorType::kF16: half(at, size); break;
      case TensorType::kQ4_0: half(at, size / 8); break;
      case TensorType::kQ8_0: half(at, size / 127); break;
      case TensorType::kQ6_K: half(at + 208, size / 32 / 127); break;
      case TensorType::kQ4_K:
      case TensorType::kQ5_K:
        half(at, size / 16 / 63);
        half(at + 2, size / 126);
        break;
    }
  }
  return bytes;
}

}  // namespace rill::testing

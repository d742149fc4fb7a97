#include "operators/core/state.h"

namespace rill {

uint64_t Hash(std::span<const std::byte> bytes, uint64_t seed) {
  constexpr uint64_t kPrime = 0x100000001b3;  // FNV-1a, 64 bit
  for (const std::byte byte : bytes) seed = (seed ^ static_cast<uint64_t>(byte)) * kPrime;
  return seed;
}

Slot StateLayout::Add(std::string_view name, size_t count, ElementType type) {
  const Slot slot{bytes_, count, type};
  constexpr size_t kAlignment = sizeof(uint64_t);
  bytes_ += (count * BytesOf(type) + kAlignment - 1) / kAlignment * kAlignment;
  const uint64_t shape[] = {static_cast<uint64_t>(type), count};
  fingerprint_ = Hash(std::as_bytes(std::span(name)), fingerprint_);
  fingerprint_ = Hash(std::as_bytes(std::span(shape)), fingerprint_);
  return slot;
}

}  // namespace rill

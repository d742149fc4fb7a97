#include "operators/core/state.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace rill {

uint64_t Hash(std::span<const std::byte> bytes, uint64_t seed) {
  constexpr uint64_t kPrime = 0x100000001b3;  // FNV-1a, 64 bit
  for (const std::byte byte : bytes) seed = (seed ^ static_cast<uint64_t>(byte)) * kPrime;
  return seed;
}

Slot StateLayout::Add(std::string_view name, size_t count, ElementType type) {
  const Slot slot{bytes_, count, type};
  entries_.push_back({std::string(name), slot});
  constexpr size_t kAlignment = sizeof(uint64_t);
  bytes_ += (count * BytesOf(type) + kAlignment - 1) / kAlignment * kAlignment;
  const uint64_t shape[] = {static_cast<uint64_t>(type), count};
  fingerprint_ = Hash(std::as_bytes(std::span(name)), fingerprint_);
  fingerprint_ = Hash(std::as_bytes(std::span(shape)), fingerprint_);
  return slot;
}

Result<State> State::Make(const StateLayout& layout, size_t lanes) {
  try {
    return State(layout, lanes);
  } catch (const std::bad_alloc&) {
  } catch (const std::length_error&) {
  }
  return Error{"there is no memory for a state of " + std::to_string(layout.bytes()) +
               " bytes a lane and " + std::to_string(lanes) +
               " lanes: declare a shorter context or window"};
}

State::State(const State& other) : lane_bytes_(other.lane_bytes_), data_(other.data_.size()) {
  constexpr size_t kPageWords = 4096 / sizeof(uint64_t);
  for (size_t first = 0; first < data_.size(); first += kPageWords) {
    const auto page =
        std::span(other.data_).subspan(first, std::min(kPageWords, data_.size() - first));
    if (std::ranges::any_of(page, [](uint64_t word) { return word != 0; }))
      std::ranges::copy(page, data_.begin() + static_cast<ptrdiff_t>(first));
  }
}

std::string FindNonFinite(const StateLayout& layout, Lane lane,
                          std::span<const std::string_view> may_miss) {
  constexpr uint16_t kExponent = 0x7c00;  // of a float16; all ones is infinite or not a number
  for (const auto& [name, slot] : layout.entries()) {
    const bool nan_is_missing = std::ranges::find(may_miss, name) != may_miss.end();
    const auto is_finite = [&](auto x) {
      return std::isfinite(x) || (nan_is_missing && std::isnan(x));
    };
    bool finite = true;
    switch (slot.type) {
      case ElementType::kFloat32: finite = std::ranges::all_of(lane.Floats(slot), is_finite); break;
      case ElementType::kFloat64:
        finite = std::ranges::all_of(lane.Doubles(slot), is_finite);
        break;
      case ElementType::kFloat16:
        finite = std::ranges::all_of(lane.Halves(slot),
                                     [](uint16_t x) { return (x & kExponent) != kExponent; });
        break;
      case ElementType::kInt64: break;
    }
    if (!finite) return name;
  }
  return {};
}

}  // namespace rill

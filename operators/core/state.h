// Recurrent state as a value: laid out while a model loads, one flat buffer afterwards.
//
//   StateLayout   names, element types and counts of the slots of one lane; their fingerprint
//   State         `lanes` copies of that layout, one after another, in one buffer
//   Lane          one of them: what an operator reads and writes
//
// Copying a State forks a stream, == is defined, its bytes are the snapshot.
//
// A lane is one independent recurrence: a sensor channel, an audio stream. State holds no pointers,
// no weights and nothing that depends on the CPU or on how the input was cut into pieces.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "operators/core/result.h"

namespace rill {

enum class ElementType : uint8_t { kFloat32, kFloat16, kFloat64, kInt64 };

constexpr size_t BytesOf(ElementType type) {
  return type == ElementType::kFloat16 ? 2 : type == ElementType::kFloat32 ? 4 : 8;
}

// Where a piece of state lies inside a lane.
struct Slot {
  size_t offset_bytes = 0;  // multiple of 8
  size_t count = 0;         // elements
  ElementType type = ElementType::kFloat32;
};

class StateLayout {
 public:
  // Reserves `count` elements, zero in a new state. The name enters the fingerprint.
  Slot Add(std::string_view name, size_t count, ElementType type = ElementType::kFloat32);

  struct Entry {
    std::string name;
    Slot slot;
  };
  const std::vector<Entry>& entries() const { return entries_; }

  size_t bytes() const { return bytes_; }                // of one lane, multiple of 8
  uint64_t fingerprint() const { return fingerprint_; }  // of names, types and counts in order

 private:
  std::vector<Entry> entries_;
  size_t bytes_ = 0;
  uint64_t fingerprint_ = 0xcbf29ce484222325;  // FNV-1a offset basis
};

// One lane's bytes, not owned.
class Lane {
 public:
  Lane() = default;
  explicit Lane(std::byte* bytes) : bytes_(bytes) {}

  std::span<float> Floats(Slot slot) const { return At<float>(slot, ElementType::kFloat32); }
  std::span<uint16_t> Halves(Slot slot) const { return At<uint16_t>(slot, ElementType::kFloat16); }
  std::span<double> Doubles(Slot slot) const { return At<double>(slot, ElementType::kFloat64); }
  std::span<int64_t> Integers(Slot slot) const { return At<int64_t>(slot, ElementType::kInt64); }

 private:
  template <typename T>
  std::span<T> At(Slot slot, [[maybe_unused]] ElementType type) const {
    assert(slot.type == type);
    return {reinterpret_cast<T*>(bytes_ + slot.offset_bytes), slot.count};
  }

  std::byte* bytes_ = nullptr;
};

// Of memory that the system gives zeroed: of a large state only the pages that have been written to
// cost memory, so a long context costs what has been read of it.
template <typename T>
struct ZeroedAllocator {
  using value_type = T;

  ZeroedAllocator() = default;
  template <typename U>
  explicit ZeroedAllocator(const ZeroedAllocator<U>&) {}

  T* allocate(size_t count) {
    void* memory = std::calloc(count, sizeof(T));
    if (memory == nullptr) throw std::bad_alloc();
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, size_t) { std::free(memory); }
  void construct(T*) {}
  template <typename... Values>
  void construct(T* at, Values&&... values) {
    ::new (static_cast<void*>(at)) T(std::forward<Values>(values)...);
  }
  bool operator==(const ZeroedAllocator&) const = default;
};

class State {
 public:
  // The same as the constructor, but an error where there is no memory for it, as of a long
  // context.
  static Result<State> Make(const StateLayout& layout, size_t lanes = 1);
  explicit State(const StateLayout& layout, size_t lanes = 1)
      : lane_bytes_(layout.bytes()), data_(layout.bytes() / sizeof(uint64_t) * lanes) {}
  // Of pages that are all zero nothing is written.
  State(const State& other);
  State(State&&) = default;
  State& operator=(const State&) = default;
  State& operator=(State&&) = default;
  ~State() = default;

  size_t lanes() const { return lane_bytes_ == 0 ? 0 : bytes().size() / lane_bytes_; }
  Lane lane(size_t i) { return Lane(reinterpret_cast<std::byte*>(data_.data()) + i * lane_bytes_); }
  // To read from: a lane is a view, and nothing is written through one of a const state.
  Lane lane(size_t i) const { return const_cast<State*>(this)->lane(i); }
  std::span<std::byte> bytes() { return std::as_writable_bytes(std::span(data_)); }
  std::span<const std::byte> bytes() const { return std::as_bytes(std::span(data_)); }
  // Lanes taken before are void.
  void Reset() { data_ = Words(data_.size()); }
  friend bool operator==(const State&, const State&) = default;

 private:
  using Words = std::vector<uint64_t, ZeroedAllocator<uint64_t>>;  // so that every slot is aligned

  size_t lane_bytes_ = 0;
  Words data_;
};

// Name of the first slot of a lane that holds a number that is not finite; empty when all are. In
// the slots named by `may_miss`, NaN stands for a missing value and counts as finite.
std::string FindNonFinite(const StateLayout& layout, Lane lane,
                          std::span<const std::string_view> may_miss = {});

// FNV-1a, continued from `seed`: fingerprints and checksums.
uint64_t Hash(std::span<const std::byte> bytes, uint64_t seed = 0xcbf29ce484222325);

}  // namespace rill

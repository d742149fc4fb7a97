// Snapshots: the bytes of a stream's states, with what they belong to.
//
// A snapshot holds named parts, one a stage of the stream (encoder, backbone, …), each with the
// fingerprint of its state layout; and for the whole the fingerprint of the model, the input
// position and a checksum. It restores only into the same model and layout, bit for bit, on the
// same build and CPU target. Format: docs/snapshot-format.md.
//
// Goals: any damage or mismatch is one clear error; the size does not grow with the age of the
// stream.
//
// Non-goals: moving a state between models, builds or byte orders.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "operators/core/result.h"
#include "operators/core/state.h"

namespace rill {

struct Snapshot {
  struct Part {
    std::string name;
    uint64_t layout = 0;  // fingerprint
    std::vector<std::byte> bytes;
  };

  uint64_t model = 0;    // fingerprint
  int64_t position = 0;  // input rows or samples taken in
  std::vector<Part> parts;

  const Part* Find(std::string_view name) const;

  std::vector<std::byte> Serialize() const;
  static Result<Snapshot> Parse(std::span<const std::byte> bytes);
};

// Copies a part into a state when model, layout and size agree and `check` finds nothing wrong with
// what would be there; else the state stays as it was.
Result<void> RestorePart(const Snapshot& snapshot, const std::string& name, uint64_t model,
                         uint64_t layout, const std::function<Result<void>(const State&)>& check,
                         State& state);

// Bytes of a snapshot's file that are read at most: those of a text have its whole context.
inline constexpr size_t kMostSnapshotBytes = size_t{1} << 36;

}  // namespace rill

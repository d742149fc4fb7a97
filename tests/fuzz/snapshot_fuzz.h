// Restores snapshots that are damaged in any way, those with a right checksum too, and goes on with
// what is accepted; only crashes and sanitizers can fail here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "operators/core/cursor.h"
#include "pipeline/snapshot.h"

namespace rill::testing {

// Overwrites 8 bytes of a part's state.
struct SnapshotEdit {
  uint8_t part = 0;     // modulo the number of parts
  uint16_t offset = 0;  // modulo the places in the part
  uint64_t value = 0;
};

// The snapshot after the edits.
inline Snapshot Edited(Snapshot snapshot, std::span<const SnapshotEdit> edits) {
  for (const SnapshotEdit& edit : edits) {
    std::vector<std::byte>& bytes = snapshot.parts[edit.part % snapshot.parts.size()].bytes;
    const size_t at = edit.offset % (bytes.size() - sizeof edit.value + 1);
    std::memcpy(bytes.data() + at, &edit.value, sizeof edit.value);
  }
  return snapshot;
}
// The bytes as edits.
inline std::vector<SnapshotEdit> ReadEdits(std::span<const std::byte> bytes) {
  std::vector<SnapshotEdit> edits;
  Cursor cursor(bytes);
  for (SnapshotEdit edit;
       cursor.Take(edit.part) && cursor.Take(edit.offset) && cursor.Take(edit.value);)
    edits.push_back(edit);
  return edits;
}

// True when the edited snapshot was accepted.
bool FuzzSnapshot(std::span<const SnapshotEdit> edits);
// The bytes as a snapshot, and as edits.
void FuzzSnapshot(std::span<const std::byte> bytes);

}  // namespace rill::testing

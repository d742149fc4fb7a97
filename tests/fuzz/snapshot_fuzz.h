// Restores snapshots that are damaged in any way, those with a right checksum too, and goes on with
// what is accepted; only crashes and sanitizers can fail here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace rill::testing {

// Overwrites 8 bytes of a part's state.
struct SnapshotEdit {
  uint8_t part = 0;     // modulo the number of parts
  uint16_t offset = 0;  // modulo the places in the part
  uint64_t value = 0;
};

// True when the edited snapshot was accepted.
bool FuzzSnapshot(std::span<const SnapshotEdit> edits);
// The bytes as a snapshot, and as edits.
void FuzzSnapshot(std::span<const std::byte> bytes);

}  // namespace rill::testing

// Snapshots of a sensor stream whose stages live apart, in elements: the same bytes as those of a
// Session, which each restores from the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "pipeline/model.h"
#include "pipeline/snapshot.h"

namespace rill {

// Where a stream goes on after a snapshot.
struct ResumePoint {
  size_t channels = 0;
  int64_t position = 0;  // rows taken in
  int64_t last_ns = 0;   // time of the last of them; meaningful after the first
};

// Checks that every stage of the model restores from the bytes, so that what is wrong is said
// before a stream starts.
Result<ResumePoint> CheckSnapshot(std::shared_ptr<const Model> model,
                                  std::span<const std::byte> bytes);

}  // namespace rill

// Snapshots of streams whose stages live apart, in elements: the same bytes as those of a Session
// or a Transcriber, which each restores from the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "pipeline/model.h"
#include "pipeline/snapshot.h"

namespace rill {

// Where a stream goes on after a snapshot.
struct ResumePoint {
  size_t channels = 0;
  int64_t position = 0;                 // rows or samples taken in
  std::optional<int64_t> last_ns = {};  // time of the last row; meaningful after the first
};

// Checks that every stage of the model restores from the bytes, so that what is wrong is said
// before a stream starts.
Result<ResumePoint> CheckSensorSnapshot(const std::shared_ptr<const Model>& model,
                                        std::span<const std::byte> bytes);
// The same for a transcribed stream, but for its decoder, whose options the model does not know.
Result<ResumePoint> CheckSpeechSnapshot(const std::shared_ptr<const Model>& model,
                                        std::span<const std::byte> bytes);
// The same for a stream of pictures or of sound that is classified.
Result<ResumePoint> CheckClassSnapshot(const std::shared_ptr<const Model>& model,
                                       std::span<const std::byte> bytes);

// The same for a stream of text.
Result<ResumePoint> CheckTextSnapshot(const std::shared_ptr<const Model>& model,
                                      std::span<const std::byte> bytes);

}  // namespace rill

// Cuts an endless signal into overlapping windows, however it comes in pieces.
//
//   window t = samples [hop t + hop - length, hop t + hop)
//
// So a window is there as soon as its last hop is: nothing is looked ahead. Before the first sample
// lies silence. The samples a later window needs are state.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "operators/core/state.h"

namespace rill {

// Immutable after construction; any number of streams and threads may share one.
class Framer {
 public:
  // Samples of a window and from one window to the next, 1 <= hop <= length.
  Framer(size_t length, size_t hop, std::string_view name, StateLayout& layout);

  size_t length() const { return length_; }
  size_t hop() const { return hop_; }

  // Takes samples up to the end of the next window; returns how many. A complete window must have
  // been passed by Next() before.
  size_t Take(std::span<const float> samples, Lane lane) const;
  // Whether a window is complete.
  bool IsComplete(Lane lane) const { return Missing(lane) == 0; }
  // Samples that the next window still lacks.
  size_t Missing(Lane lane) const { return hop_ - static_cast<size_t>(lane.Integers(filled_)[0]); }
  // The complete window, [length].
  std::span<const float> Window(Lane lane) const { return lane.Floats(samples_); }
  // Goes on to the next window.
  void Next(Lane lane) const;
  // Whether the counter is one that samples can lead to: for states that come from outside.
  bool IsSound(Lane lane) const;

 private:
  size_t length_, hop_;
  Slot samples_;  // [length], of which the newest hop is being filled
  Slot filled_;   // of that hop
};

}  // namespace rill

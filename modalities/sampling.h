// How long a sampling interval usually is, and which slot a row falls into.
//
// The usual interval is the running median of the last kIntervals intervals, changed only when the
// median has disagreed for kAgreement rows: rows that are absent now and then do not change it, a
// new sampling rate does. A slot is one usual interval. Rows that come late leave missing slots;
// what is left over of rounding is carried to the next row, so jitter does not add up.
#pragma once

#include <cstddef>
#include <cstdint>

#include "operators/core/state.h"

namespace rill {

class Sampling {
 public:
  static constexpr size_t kIntervals = 127;
  static constexpr int64_t kAgreement = 64;

  explicit Sampling(StateLayout& layout)
      : intervals_(layout.Add("sampling.intervals", kIntervals)),
        counters_(layout.Add("sampling.counters", 5, ElementType::kInt64)),
        residual_(layout.Add("sampling.residual", 1, ElementType::kFloat64)) {}

  // What a row adds to the slots.
  struct Step {
    int64_t missing = 0;  // slots without a row before this one
    double interval = 1;  // time of each of these slots and of the row's own, in usual intervals
  };

  // Takes the next row's time; it must be later than the row before.
  Step Advance(int64_t time_ns, Lane lane) const;

  // Usual interval; 0 before the second row.
  int64_t usual_ns(Lane lane) const { return lane.Integers(counters_)[kUsual]; }
  // Time of the last row; meaningful after the first.
  int64_t last_ns(Lane lane) const { return lane.Integers(counters_)[kLast]; }
  int64_t rows(Lane lane) const { return lane.Integers(counters_)[kRows]; }
  // Whether the counters are such as rows can lead to: for states that come from outside.
  bool IsSound(Lane lane) const;

 private:
  enum Counter { kRows, kLast, kUsual, kCandidate, kAgreed };

  int64_t Median(Lane lane) const;

  Slot intervals_;  // seconds, a ring
  Slot counters_;
  Slot residual_;  // slots owed to (positive) or taken from the next row
};

}  // namespace rill

// Sensor rows in, one embedding a channel and frame out.
//
// A row is a time and one value a channel, NaN where missing. Rows fill slots (sampling.h); `patch`
// slots make a frame. A frame can be peeked at any time: the unfinished patch is encoded as it
// stands and nothing is kept. Absent rows become missing slots, at most kMostGapFrames frames of
// them in a row; what a longer silence has beyond that reaches the operators as the dt of the next
// frame.
//
//   embedding  [channels, width]   float32
//
// Formulas and tensors: docs/model-format.md, encoder `sensor`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "modalities/sampling.h"
#include "modalities/series_norm.h"
#include "operators/core/scratch.h"
#include "operators/linear.h"

namespace rill {

// What goes with a frame beside its embeddings.
struct SensorFrame {
  size_t elapsed = 0;    // slots of the patch, 1 to patch
  float dt = 1;          // time of the frame over that of a usual frame
  int64_t last_ns = 0;   // time of the last row taken in
  int64_t usual_ns = 0;  // usual interval; 0 while only one row is known
};

// A channel's normalisation when the frame was made.
struct SensorScale {
  double location = 0;
  double scale = 1;
};

// Immutable after loading; any number of streams and threads may share one.
class SensorEncoder {
 public:
  static constexpr size_t kMostGapFrames = 16;
  // Forecasts are float32, which ends at 3e38; what lies beyond this is refused like an infinity.
  static constexpr double kMostMagnitude = 1e36;

  static Result<SensorEncoder> Load(const Weights& weights, size_t width);

  const SeriesConfig& config() const { return config_; }
  size_t width() const { return embed_.outputs(); }
  size_t ScratchFloats(size_t channels) const { return channels * SeriesFeatures(config_.patch); }

  // The state of one stream of `channels` channels.
  class Stream {
   public:
    Stream(const SensorEncoder& encoder, size_t channels, StateLayout& layout);

    size_t channels() const { return values_.count / encoder_->config_.patch; }

    // Takes a row; Next() must have returned false before. Values are NaN or at most kMostMagnitude
    // in size; the time grows.
    Result<void> Push(int64_t time_ns, std::span<const double> values, Lane lane) const;

    // The next complete frame of the rows pushed, if there is one.
    bool Next(Lane lane, Scratch& scratch, SensorFrame& frame, View<float> embedding,
              std::span<SensorScale> scales) const;

    // The unfinished frame as it stands; false when no slot has elapsed since the last complete
    // one.
    bool Peek(Lane lane, Scratch& scratch, SensorFrame& frame, View<float> embedding,
              std::span<SensorScale> scales) const;

    int64_t rows(Lane lane) const { return sampling_.rows(lane); }
    int64_t last_ns(Lane lane) const { return sampling_.last_ns(lane); }
    // For a state that comes from outside, between two rows: whether every number in it is one that
    // the code can go on from; else which is not.
    Result<void> Check(const StateLayout& layout, Lane lane) const;
    // Normalisation after the last complete frame.
    void Scales(Lane lane, std::span<SensorScale> scales) const;

   private:
    enum Counter { kElapsed, kMissing, kPending };
    enum Time { kPatchTime, kInterval };
    enum class Keep { kNo, kYes };

    SensorFrame Encode(Lane lane, Scratch& scratch, Keep keep, View<float> embedding,
                       std::span<SensorScale> scales) const;

    const SensorEncoder* encoder_;
    Sampling sampling_;
    Slot values_;    // [patch, channels], the unfinished patch
    Slot pending_;   // [channels], the row that waits for missing slots before it
    Slot scales_;    // [channels, 3], SeriesScale
    Slot counters_;  // slots elapsed, missing slots still to insert, is a row pending
    Slot times_;     // of the patch so far and of each slot to come, in usual intervals
  };

 private:
  SensorEncoder(const SeriesConfig& config, Linear embed)
      : config_(config), embed_(std::move(embed)) {}

  SeriesConfig config_;
  Linear embed_;
};

}  // namespace rill

// The stages of a sensor stream, each with its own state: what the elements hold one by one and a
// Session together.
//
//   SensorStage    rows -> embeddings     state: unfinished patch, running scales, sampling
//   BackboneStage  embeddings -> hidden   state: one lane a channel
//   ForecastStage  hidden -> forecasts    state: the last complete frame (forecast.h)
//
// A stage computes the same bits alone, in a Session or in a batch with others.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "operators/core/workers.h"
#include "pipeline/model.h"
#include "pipeline/snapshot.h"

namespace rill {

// A frame on its way from the encoder to the backbone and on to a head.
struct FrameBlock {
  explicit FrameBlock(size_t channels, size_t width)
      : values(channels * width), scales(channels), width(width) {}

  View<float> view() { return {values.data(), scales.size(), width}; }
  View<const float> view() const { return {values.data(), scales.size(), width}; }

  SensorFrame frame;
  std::vector<float> values;  // [channels, width], embeddings, then hidden
  std::vector<SensorScale> scales;
  size_t width;
};

class SensorStage {
 public:
  // The model must have the encoder `sensor`.
  static Result<SensorStage> Open(std::shared_ptr<const Model> model, size_t channels);

  size_t channels() const { return stream_.channels(); }
  // Takes a row; then Next() until it returns false.
  Result<void> Push(int64_t time_ns, std::span<const double> row) {
    return stream_.Push(time_ns, row, state_.lane(0));
  }
  bool Next(FrameBlock& block) {
    return stream_.Next(state_.lane(0), scratch_, block.frame, block.view(), block.scales);
  }
  // The unfinished frame; false when nothing has elapsed since the last complete one.
  bool Peek(FrameBlock& block) {
    return stream_.Peek(state_.lane(0), scratch_, block.frame, block.view(), block.scales);
  }
  void Reset() { state_.Reset(); }
  int64_t rows() const { return stream_.rows(state_.lane(0)); }
  int64_t last_ns() const { return stream_.last_ns(state_.lane(0)); }
  size_t state_bytes() const { return state_.bytes().size(); }

  Snapshot::Part Save() const;
  Result<void> Restore(const Snapshot& snapshot);

 private:
  SensorStage(std::shared_ptr<const Model> model, const StateLayout& layout,
              SensorEncoder::Stream stream);

  std::shared_ptr<const Model> model_;
  StateLayout layout_;
  SensorEncoder::Stream stream_;
  State state_;
  Scratch scratch_;
};

// Working memory of a backbone, for blocks of any size: work is cut into tiles of so many rows.
class BackboneRunner {
 public:
  static constexpr size_t kRows = 96;

  // Without workers everything runs on the caller's thread.
  explicit BackboneRunner(const Backbone& backbone, size_t rows = kRows,
                          Workers* workers = nullptr);

  // One row each for any number of lanes; x [rows, width] becomes hidden in place.
  void Step(std::span<const Lane> lanes, std::span<const float> dt, View<float> x);
  // Rows of one lane in time order.
  void Run(Lane lane, std::span<const float> dt, View<float> x);

 private:
  const Backbone* backbone_;
  size_t rows_;
  Scratch scratch_;
  std::vector<Sequence> batch_;
};

class BackboneStage {
 public:
  // 0 threads: as suits the model, all cores for one of text and else one. The second throws where
  // there is no memory for the state.
  static Result<BackboneStage> Open(std::shared_ptr<const Model> model, size_t channels,
                                    size_t threads = 1);
  BackboneStage(const std::shared_ptr<const Model>& model, size_t channels, size_t threads = 1)
      : BackboneStage(model, State(model->backbone().layout(), channels), threads) {}

  size_t channels() const { return state_.lanes(); }
  // One frame; embeddings become hidden in place. Refuses when a declared context is full.
  Result<void> Run(FrameBlock& block);
  // Frames of a stream of one channel, in time order: x [frames, width], dt [frames].
  Result<void> RunAll(std::span<const float> dt, View<float> x);
  // One frame on a fork: the state stays as it was.
  Result<void> Peek(FrameBlock& block);
  void Reset() { state_.Reset(); }
  size_t state_bytes() const { return state_.bytes().size(); }

  Snapshot::Part Save() const;
  Result<void> Restore(const Snapshot& snapshot);

  // For a batch over several stages: the lanes of this one.
  Lane lane(size_t channel) { return state_.lane(channel); }
  // Why the backbone cannot take frames, if so; and after a frame, whether it is finite, a row a
  // channel.
  Result<void> CheckRoom(size_t frames = 1);
  Result<void> CheckFinite(View<const float> rows) const;

 private:
  BackboneStage(std::shared_ptr<const Model> model, State state, size_t threads);

  std::shared_ptr<const Model> model_;
  State state_;
  std::optional<State> fork_;         // what Peek works on, kept so that it allocates nothing again
  std::shared_ptr<Workers> workers_;  // null: none; copies share them
  BackboneRunner runner_;
  std::vector<Lane> lanes_;
  std::vector<float> dt_;
};

}  // namespace rill

#include "pipeline/stages.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace rill {

Result<SensorStage> SensorStage::Open(std::shared_ptr<const Model> model, size_t channels) {
  constexpr size_t kMostChannels = 1 << 16;
  if (model->sensor() == nullptr)
    return model->weights().Complain("the model has no sensor encoder");
  if (channels == 0 || channels > kMostChannels)
    return Error{std::to_string(channels) + " channels, a stream has 1 to " +
                 std::to_string(kMostChannels)};
  StateLayout layout;
  SensorEncoder::Stream stream(*model->sensor(), channels, layout);
  return SensorStage(std::move(model), layout, stream);
}

SensorStage::SensorStage(std::shared_ptr<const Model> model, const StateLayout& layout,
                         SensorEncoder::Stream stream)
    : model_(std::move(model)),
      layout_(layout),
      stream_(stream),
      state_(layout),
      scratch_(model_->sensor()->ScratchFloats(stream.channels())) {}

Snapshot::Part SensorStage::Save() const {
  return {"sensor", layout_.fingerprint(), {state_.bytes().begin(), state_.bytes().end()}};
}

Result<void> SensorStage::Restore(const Snapshot& snapshot) {
  const auto check = [this](const State& state) { return stream_.Check(layout_, state.lane(0)); };
  return RestorePart(snapshot, "sensor", model_->fingerprint(), layout_.fingerprint(), check,
                     state_);
}

BackboneRunner::BackboneRunner(const Backbone& backbone, size_t rows, Workers* workers)
    : backbone_(&backbone),
      rows_(rows),
      scratch_(backbone.ScratchFloats(rows), workers),
      batch_(rows) {}

void BackboneRunner::Step(std::span<const Lane> lanes, std::span<const float> dt, View<float> x) {
  assert(lanes.size() == x.rows && dt.size() == x.rows);
  for (size_t first = 0; first < x.rows; first += rows_) {
    const size_t rows = std::min(rows_, x.rows - first);
    const View<float> tile = x.Rows(first, rows);
    if (rows == 1) {
      backbone_->Step(tile[0], dt[first], lanes[first], scratch_, tile[0]);
      continue;
    }
    for (size_t r = 0; r < rows; ++r) batch_[r] = {lanes[first + r], 1};
    backbone_->Run({tile, dt.subspan(first, rows), std::span(batch_).first(rows)}, scratch_, tile);
  }
}

void BackboneRunner::Run(Lane lane, std::span<const float> dt, View<float> x) {
  assert(dt.size() == x.rows);
  for (size_t first = 0; first < x.rows; first += rows_) {
    const View<float> tile = x.Rows(first, std::min(rows_, x.rows - first));
    const Sequence sequence{lane, tile.rows};
    backbone_->Run({tile, dt.subspan(first, tile.rows), {&sequence, 1}}, scratch_, tile);
  }
}

namespace {

std::shared_ptr<Workers> WorkersFor(const Model& model, size_t threads) {
  const bool alone = threads == 1 || (threads == 0 && model.text() == nullptr);
  return alone ? nullptr : std::make_shared<Workers>(threads);
}

}  // namespace

Result<BackboneStage> BackboneStage::Open(std::shared_ptr<const Model> model, size_t channels,
                                          size_t threads) {
  Result<State> state = State::Make(model->backbone().layout(), channels);
  if (!state) return model->weights().Complain(state.error().message);
  return BackboneStage(std::move(model), std::move(*state), threads);
}

BackboneStage::BackboneStage(std::shared_ptr<const Model> model, State state, size_t threads)
    : model_(std::move(model)),
      state_(std::move(state)),
      workers_(WorkersFor(*model_, threads)),
      runner_(model_->backbone(), BackboneRunner::kRows, workers_.get()),
      lanes_(channels()),
      dt_(channels()) {}

Result<void> BackboneStage::CheckRoom(size_t frames) {
  if (channels() == 0) return {};
  const int64_t room = model_->backbone().Room(state_.lane(0));
  if (room >= static_cast<int64_t>(frames)) return {};
  return model_->weights().Complain(
      "the declared context has room for " + std::to_string(room) + " more frames, " +
      std::to_string(frames) +
      " came: reset the stream, declare a longer one, or a window and sinks");
}

Result<void> BackboneStage::CheckFinite(View<const float> rows) const {
  for (size_t c = 0; c < rows.rows; ++c)
    for (const float value : rows[c])
      if (!std::isfinite(value)) {
        const std::string slot = FindNonFinite(model_->backbone().layout(), state_.lane(c));
        return Error{"channel " + std::to_string(c) + " of the stream is no longer finite, " +
                     (slot.empty() ? "in the output of the last layer" : "in the state " + slot)};
      }
  return {};
}

Result<void> BackboneStage::Run(FrameBlock& block) {
  assert(block.scales.size() == channels() && block.width == model_->backbone().width());
  if (Result<void> room = CheckRoom(); !room) return room;
  for (size_t c = 0; c < channels(); ++c) lanes_[c] = state_.lane(c);
  std::fill(dt_.begin(), dt_.end(), block.frame.dt);
  runner_.Step(lanes_, dt_, block.view());
  return CheckFinite(block.view());
}

Result<void> BackboneStage::RunAll(std::span<const float> dt, View<float> x) {
  assert(channels() == 1 && x.columns == model_->backbone().width());
  if (Result<void> room = CheckRoom(x.rows); !room) return room;
  runner_.Run(state_.lane(0), dt, x);
  return CheckFinite(x.Rows(x.rows - 1, 1));  // what is not finite stays so
}

Result<void> BackboneStage::Peek(FrameBlock& block) {
  fork_ = state_;
  std::swap(*fork_, state_);
  Result<void> run = Run(block);
  std::swap(*fork_, state_);
  return run;
}

Snapshot::Part BackboneStage::Save() const {
  return {"backbone",
          model_->backbone().layout().fingerprint(),
          {state_.bytes().begin(), state_.bytes().end()}};
}

Result<void> BackboneStage::Restore(const Snapshot& snapshot) {
  const Backbone& backbone = model_->backbone();
  const auto check = [&](const State& state) -> Result<void> {
    for (size_t c = 0; c < state.lanes(); ++c) {
      if (Result<void> sound = backbone.CheckLane(state.lane(c)); !sound) return sound;
      // Channels step together: CheckRoom() asks one for all.
      if (backbone.Room(state.lane(c)) != backbone.Room(state.lane(0)))
        return Error{"channel " + std::to_string(c) + " is at another position than channel 0"};
    }
    return {};
  };
  return RestorePart(snapshot, "backbone", model_->fingerprint(), backbone.layout().fingerprint(),
                     check, state_);
}

}  // namespace rill

// One stream over a shared model: rows in, forecasts out, for ever, in constant memory.
//
//   auto model = rill::Model::Load("sensor-forecast.gguf");
//   auto session = rill::Session::Open(*model, {.channels = 2, .every = 24, .horizon = 48});
//   session->Push(time_ns, row);                    // once a row
//   if (auto forecast = session->Pull()) ...        // after every 24th
//   rill::Session what_if = session->Fork();        // a copy that goes its own way
//   std::vector<std::byte> bytes = session->Save(); // equal bytes, equal future
//
// Times are int64 nanoseconds since 1970 (a double cannot hold them); any other clock that grows
// does as well.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "pipeline/forecast.h"

namespace rill {

struct SessionOptions {
  size_t channels = 1;
  size_t every =
      0;  // rows between the forecasts that Pull returns; 0: only those asked for with Peek
  size_t horizon = 0;  // steps of each; 0: as many as the model has
};

class Session {
 public:
  static Result<Session> Open(std::shared_ptr<const Model> model, const SessionOptions& options);

  // Takes a row: one value a channel, NaN where missing. An error leaves the stream as it was, so
  // that a caller can skip the row.
  Result<void> Push(int64_t time_ns, std::span<const double> row);
  // The forecast that has become due since the last call, if any; a newer one replaces one that was
  // not pulled.
  std::optional<Forecast> Pull();
  // A forecast from what has been seen so far, at any time; nothing changes by it.
  Result<Forecast> Peek(size_t horizon);
  // Declares the stream over: a last forecast becomes due if rows came after the last one.
  Result<void> Finish();
  // Forgets everything seen.
  void Reset();

  // Independent from here on, and equal so far.
  Session Fork() const { return *this; }
  std::vector<std::byte> Save() const;
  Result<void> Restore(std::span<const std::byte> snapshot);

  const Model& model() const { return *model_; }
  const SessionOptions& options() const { return options_; }
  int64_t rows() const { return sensor_.rows(); }
  // Bytes that a snapshot holds of the state.
  size_t state_bytes() const {
    return sensor_.state_bytes() + backbone_.state_bytes() + forecast_.state_bytes();
  }

 private:
  friend class SessionGroup;

  Session(std::shared_ptr<const Model> model, const SessionOptions& options, SensorStage sensor,
          ForecastStage forecast);

  // The parts of Push, between which a group runs the backbone for many sessions at once.
  Result<void> Accept(int64_t time_ns, std::span<const double> row);
  bool ready() const { return ready_; }  // block_ holds embeddings that the backbone must see
  void Absorb();                         // block_ holds hidden now
  Result<void> Settle();                 // no frame is left of the row: forecasts become due
  // The rest of the row is lost: every call fails with the error until Reset or Restore.
  void Break(const Error& error);

  std::shared_ptr<const Model> model_;
  SessionOptions options_;
  SensorStage sensor_;
  BackboneStage backbone_;
  ForecastStage forecast_;
  FrameBlock block_;
  bool ready_ = false;
  std::optional<Forecast> due_;
  int64_t forecast_at_ = 0;  // rows seen when the last forecast became due
  std::optional<Error> broken_;
};

// Sessions over one model that step together, so that weights are read once for all of them. What a
// session computes does not depend on the others.
class SessionGroup {
 public:
  SessionGroup(std::shared_ptr<const Model> model, size_t max_sessions);

  // Refuses when max_sessions are open. The session stays valid until it is closed.
  Result<Session*> Open(const SessionOptions& options);
  void Close(Session* session);
  size_t open() const { return sessions_.size(); }

  // Takes a row for one session; its frames wait for Run.
  Result<void> Push(Session& session, int64_t time_ns, std::span<const double> row);
  // Runs every waiting frame; then Pull and Peek of the sessions are up to date. Where one fails,
  // the others go on, and the first error is given.
  Result<void> Run();

 private:
  std::shared_ptr<const Model> model_;
  size_t max_sessions_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::vector<Session*> waiting_;
  BackboneRunner runner_;
  std::vector<Lane> lanes_;
  std::vector<float> dt_, rows_;
};

}  // namespace rill

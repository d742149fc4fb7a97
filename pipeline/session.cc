#include "pipeline/session.h"

#include <algorithm>

namespace rill {

Result<Session> Session::Open(std::shared_ptr<const Model> model, const SessionOptions& options) {
  Result<SensorStage> sensor = SensorStage::Open(model, options.channels);
  if (!sensor) return sensor.error();
  Result<ForecastStage> forecast = ForecastStage::Open(model, options.channels);
  if (!forecast) return forecast.error();
  SessionOptions settled = options;
  if (settled.horizon == 0) settled.horizon = forecast->horizon();
  if (settled.horizon > forecast->horizon())
    return Error{"a horizon of " + std::to_string(settled.horizon) +
                 " steps, the model forecasts 1 to " + std::to_string(forecast->horizon())};
  return Session(std::move(model), settled, std::move(*sensor), std::move(*forecast));
}

Session::Session(std::shared_ptr<const Model> model, const SessionOptions& options,
                 SensorStage sensor, ForecastStage forecast)
    : model_(std::move(model)),
      options_(options),
      sensor_(std::move(sensor)),
      backbone_(model_, options.channels),
      forecast_(std::move(forecast)),
      block_(options.channels, model_->backbone().width()) {}

void Session::Break(const Error& error) {
  broken_ = error;
  ready_ = false;
}

Result<void> Session::Accept(int64_t time_ns, std::span<const double> row) {
  if (broken_) return *broken_;
  if (Result<void> room = backbone_.CheckRoom(); !room) return room;
  if (Result<void> pushed = sensor_.Push(time_ns, row); !pushed) return pushed;
  ready_ = sensor_.Next(block_);
  return {};
}

void Session::Absorb() {
  forecast_.Keep(block_);
  ready_ = sensor_.Next(block_);
}

Result<void> Session::Settle() {
  const int64_t rows = sensor_.rows();
  if (options_.every == 0 || rows % static_cast<int64_t>(options_.every) != 0) return {};
  Result<Forecast> forecast = Peek(options_.horizon);
  if (!forecast) return forecast.error();
  due_ = std::move(*forecast);
  forecast_at_ = rows;
  return {};
}

Result<void> Session::Push(int64_t time_ns, std::span<const double> row) {
  if (Result<void> accepted = Accept(time_ns, row); !accepted) return accepted;
  while (ready_) {
    if (Result<void> run = backbone_.Run(block_); !run) {
      Break(run.error());
      return run;
    }
    Absorb();
  }
  return Settle();
}

std::optional<Forecast> Session::Pull() {
  std::optional<Forecast> due = std::move(due_);
  due_.reset();
  return due;
}

Result<Forecast> Session::Peek(size_t horizon) {
  const auto stamped = [this](Result<Forecast> forecast) {
    if (forecast) forecast->position = sensor_.rows();
    return forecast;
  };
  if (broken_) return *broken_;
  if (!sensor_.Peek(block_)) return stamped(forecast_.RunKept(horizon));
  if (Result<void> run = backbone_.Peek(block_); !run) return run.error();
  return stamped(forecast_.Run(block_, horizon));
}

Result<void> Session::Finish() {
  if (options_.every == 0 || sensor_.rows() == 0 || sensor_.rows() == forecast_at_) return {};
  Result<Forecast> forecast = Peek(options_.horizon);
  if (!forecast) return forecast.error();
  due_ = std::move(*forecast);
  forecast_at_ = sensor_.rows();
  return {};
}

void Session::Reset() {
  sensor_.Reset();
  backbone_.Reset();
  forecast_.Reset();
  ready_ = false;
  due_.reset();
  forecast_at_ = 0;
  broken_.reset();
}

std::vector<std::byte> Session::Save() const {
  Snapshot snapshot;
  snapshot.model = model_->fingerprint();
  snapshot.position = sensor_.rows();
  snapshot.parts = {sensor_.Save(), backbone_.Save(), forecast_.Save()};
  return snapshot.Serialize();
}

Result<void> Session::Restore(std::span<const std::byte> bytes) {
  const Result<Snapshot> snapshot = Snapshot::Parse(bytes);
  if (!snapshot) return snapshot.error();
  Session restored = *this;  // so that a failure half-way changes nothing
  restored.Reset();
  if (Result<void> ok = restored.sensor_.Restore(*snapshot); !ok) return ok;
  if (Result<void> ok = restored.backbone_.Restore(*snapshot); !ok) return ok;
  if (Result<void> ok = restored.forecast_.Restore(*snapshot); !ok) return ok;
  if (options_.every > 0) {
    const int64_t every = static_cast<int64_t>(options_.every);
    restored.forecast_at_ = snapshot->position / every * every;
  }
  *this = std::move(restored);
  return {};
}

SessionGroup::SessionGroup(std::shared_ptr<const Model> model, size_t max_sessions)
    : model_(std::move(model)), max_sessions_(max_sessions), runner_(model_->backbone()) {}

Result<Session*> SessionGroup::Open(const SessionOptions& options) {
  if (sessions_.size() >= max_sessions_)
    return Error{"all " + std::to_string(max_sessions_) + " sessions of the group are in use"};
  Result<Session> session = Session::Open(model_, options);
  if (!session) return session.error();
  return sessions_.emplace_back(std::make_unique<Session>(std::move(*session))).get();
}

void SessionGroup::Close(Session* session) {
  std::erase(waiting_, session);
  std::erase_if(sessions_, [session](const auto& known) { return known.get() == session; });
}

Result<void> SessionGroup::Push(Session& session, int64_t time_ns, std::span<const double> row) {
  if (std::find(waiting_.begin(), waiting_.end(), &session) != waiting_.end())
    if (Result<void> run = Run(); !run) return run;
  if (Result<void> accepted = session.Accept(time_ns, row); !accepted) return accepted;
  waiting_.push_back(&session);
  return {};
}

Result<void> SessionGroup::Run() {
  const size_t width = model_->backbone().width();
  Result<void> outcome;
  const auto fail = [&](Session* session, const Error& error) {
    session->Break(error);
    if (outcome) outcome = error;
  };
  while (true) {
    lanes_.clear(), dt_.clear(), rows_.clear();
    for (Session* session : waiting_) {
      if (!session->ready()) continue;
      if (const Result<void> room = session->backbone_.CheckRoom(); !room) {
        fail(session, room.error());
        continue;
      }
      for (size_t c = 0; c < session->options_.channels; ++c) {
        lanes_.push_back(session->backbone_.lane(c));
        dt_.push_back(session->block_.frame.dt);
      }
      rows_.insert(rows_.end(), session->block_.values.begin(), session->block_.values.end());
    }
    if (lanes_.empty()) break;
    runner_.Step(lanes_, dt_, {rows_.data(), lanes_.size(), width});
    auto from = rows_.begin();
    for (Session* session : waiting_) {
      if (!session->ready()) continue;
      std::copy_n(from, session->block_.values.size(), session->block_.values.begin());
      from += static_cast<std::ptrdiff_t>(session->block_.values.size());
      const Result<void> finite = session->backbone_.CheckFinite(session->block_.view());
      if (!finite) {
        fail(session, finite.error());
      } else {
        session->Absorb();
      }
    }
  }
  std::vector<Session*> settled;
  settled.swap(waiting_);
  for (Session* session : settled) {
    if (session->broken_) continue;
    if (const Result<void> done = session->Settle(); !done && outcome) outcome = done;
  }
  return outcome;
}

}  // namespace rill

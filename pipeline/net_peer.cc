#include "pipeline/net_peer.h"

#include <algorithm>

namespace rill {
namespace {

constexpr std::chrono::milliseconds kHandshakeTimeout{10'000};

int64_t Nanoseconds(std::chrono::nanoseconds time) { return time.count(); }

}  // namespace

void NetRate::Charge(size_t bytes, Clock::time_point now) {
  const std::chrono::duration<double> elapsed = now - updated_;
  updated_ = now;
  left_ = std::min(limit_, left_ + limit_ * elapsed.count()) - static_cast<double>(bytes);
}

std::chrono::nanoseconds NetRate::Wait(Clock::time_point now) {
  if (limit_ == 0) return {};
  Charge(0, now);
  if (left_ >= 0) return {};
  const std::chrono::duration<double> wait(-left_ / limit_);
  return std::chrono::ceil<std::chrono::nanoseconds>(wait);
}

void NetPeer::Opened() {
  opened_ = true;
  Alive();
}

void NetPeer::Alive() {
  alive_ = Clock::now();
  pinged_ = false;
}

void NetPeer::Received(size_t bytes) {
  reading_ = false;
  Alive();
  rate_.Charge(bytes, alive_);
  unix_ns_ = Nanoseconds(std::chrono::system_clock::now().time_since_epoch());
}

void NetPeer::Add(std::string message) {
  pending_.push_back({std::move(message), Nanoseconds(alive_.time_since_epoch()), unix_ns_,
                      std::exchange(loss_, false)});
}

void NetPeer::Skipped(std::atomic<uint64_t>& counter, uint64_t count) {
  counter += count;
  loss_ |= count > 0;
}

void NetPeer::Continue() {
  if (reading_ || pausing_ || !read) return;
  while (!pending_.empty()) {
    if (!shared_.queue.Offer(pending_.front())) return;
    pending_.pop_front();
  }
  const Clock::time_point now = Clock::now();
  if (const std::chrono::nanoseconds wait = rate_.Wait(now); wait.count() > 0) {
    ++shared_.counters.rate_limited;
    pausing_ = true;
    shared_.After(wait, [self = shared_from_this()] {
      self->pausing_ = false;
      self->Continue();
    });
    return;
  }
  reading_ = true;
  alive_ = now;
  read();
}

void NetPeer::Close(NetClose reason, const std::string& text) {
  const std::shared_ptr<NetPeer> self = shared_from_this();
  if (shared_.peers.erase(self) == 0) return;
  --shared_.counters.clients;
  if (silent_) reason = NetClose::kSilent;
  if (reason == NetClose::kMalformed) ++shared_.counters.malformed;
  if (loss_ || (opened_ && reason == NetClose::kMalformed)) shared_.queue.MarkLoss();
  if (reason == NetClose::kForbidden) ++shared_.counters.forbidden;
  std::string why = text;
  if (silent_) {
    ++shared_.counters.timeouts;
    why = "silent for " + std::to_string(SilenceLimit().count()) + " ms";
  }
  const auto report = std::move(closed);
  Release();
  if (report) report(reason, why);
}

std::chrono::milliseconds NetPeer::SilenceLimit() const {
  const std::chrono::milliseconds idle(shared_.options.idle_timeout_ms);
  if (opened_) return idle;
  return idle.count() == 0 ? kHandshakeTimeout : std::min(idle, kHandshakeTimeout);
}

void NetPeer::Tick(Clock::time_point now) {
  if (!reading_ || !close || silent_) return;
  const std::chrono::milliseconds limit = SilenceLimit();
  if (limit.count() == 0) return;
  if (now - alive_ >= limit) {
    silent_ = true;
    close();
  } else if (opened_ && ping && !pinged_ && now - alive_ >= limit / 2) {
    pinged_ = true;
    ping();
  }
}

}  // namespace rill

#include "pipeline/net_queue.h"

#include <utility>

namespace rill {
namespace {

constexpr std::chrono::seconds kNoticeInterval{1};

}  // namespace

bool NetQueue::HasRoom(size_t bytes) const {
  // An empty queue takes anything, so that no message can wait for ever.
  return messages_.empty() || (messages_.size() < max_messages_ && bytes_ + bytes <= max_bytes_);
}

void NetQueue::CountDrop() {
  ++dropped_;
  NotifyLocked("the queue of " + std::to_string(max_messages_) + " messages and " +
               std::to_string(max_bytes_) + " bytes is full: " + std::to_string(dropped_) +
               " messages dropped so far");
}

bool NetQueue::Offer(NetMessage& message) {
  const std::lock_guard lock(mutex_);
  if (!HasRoom(message.bytes.size())) {
    if (policy_ == DropPolicy::kBlock) {
      waiting_ = true;
      return false;
    }
    if (policy_ == DropPolicy::kDropNewest) {
      CountDrop();
      loss_ = true;
      return true;
    }
    while (!HasRoom(message.bytes.size())) {
      bytes_ -= messages_.front().bytes.size();
      messages_.pop_front();
      CountDrop();
      (messages_.empty() ? message : messages_.front()).after_loss = true;
    }
  }
  message.after_loss |= std::exchange(loss_, false);
  bytes_ += message.bytes.size();
  taken_bytes_ += message.bytes.size();
  ++taken_messages_;
  messages_.push_back(std::move(message));
  changed_.notify_one();
  return true;
}

void NetQueue::MarkLoss() {
  const std::lock_guard lock(mutex_);
  loss_ = true;
}

void NetQueue::NotifyLocked(const std::string& text) {
  const auto now = std::chrono::steady_clock::now();
  if (now < next_notice_ || !notice_.empty()) {
    ++silenced_;
    return;
  }
  next_notice_ = now + kNoticeInterval;
  notice_ = text;
  if (silenced_ > 0) notice_ += " (" + std::to_string(silenced_) + " notices before not shown)";
  silenced_ = 0;
  changed_.notify_one();
}

void NetQueue::Notify(const std::string& text) {
  const std::lock_guard lock(mutex_);
  NotifyLocked(text);
}

void NetQueue::End() {
  const std::lock_guard lock(mutex_);
  if (!end_) end_ = NetEvent{NetEvent::Kind::kEnded, {}, {}};
  changed_.notify_one();
}

void NetQueue::Fail(Error error) {
  const std::lock_guard lock(mutex_);
  if (!end_) end_ = NetEvent{NetEvent::Kind::kFailed, {}, std::move(error.message)};
  changed_.notify_one();
}

NetEvent NetQueue::Pull(std::optional<std::chrono::nanoseconds> timeout) {
  NetEvent event;
  bool room = false;
  {
    std::unique_lock lock(mutex_);
    const auto ready = [this] {
      return interrupted_ || !notice_.empty() || !messages_.empty() || end_;
    };
    if (timeout) {
      if (!changed_.wait_for(lock, *timeout, ready)) return event;
    } else {
      changed_.wait(lock, ready);
    }
    if (interrupted_) {
      event.kind = NetEvent::Kind::kInterrupted;
    } else if (!notice_.empty()) {
      event.kind = NetEvent::Kind::kNotice;
      event.text = std::exchange(notice_, {});
    } else if (!messages_.empty()) {
      event.kind = NetEvent::Kind::kMessage;
      event.message = std::move(messages_.front());
      messages_.pop_front();
      bytes_ -= event.message.bytes.size();
      room = std::exchange(waiting_, false);
    } else {
      event = *end_;
    }
  }
  if (room && on_room) on_room();
  return event;
}

void NetQueue::Interrupt(bool on) {
  const std::lock_guard lock(mutex_);
  interrupted_ = on;
  changed_.notify_all();
}

void NetQueue::Count(NetStats& stats) const {
  const std::lock_guard lock(mutex_);
  stats.messages = taken_messages_;
  stats.bytes = taken_bytes_;
  stats.dropped = dropped_;
  stats.queued_messages = messages_.size();
  stats.queued_bytes = bytes_;
}

}  // namespace rill

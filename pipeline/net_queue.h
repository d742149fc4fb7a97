// The bounded queue between the network thread and the one that pulls.
//
// It holds at most `messages` messages of `bytes` bytes together. What finds it full is handled by
// the drop policy, and the message after a loss says so. Notices to a person come at most once a
// second, so that nobody can flood a log through the network.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "operators/core/result.h"
#include "pipeline/net_options.h"

namespace rill {

class NetQueue {
 public:
  NetQueue(size_t messages, size_t bytes, DropPolicy policy)
      : max_messages_(messages), max_bytes_(bytes), policy_(policy) {}

  // Called from the pulling thread when a refused Offer() may be repeated; set before use.
  std::function<void()> on_room;

  // Takes the message, or drops one by the policy. False only when the policy is to block: then the
  // message is untouched and on_room will be called once.
  bool Offer(NetMessage& message);
  // The next message offered follows a loss that happened elsewhere.
  void MarkLoss();
  void Notify(const std::string& text);
  void End();
  void Fail(Error error);

  // Notices first, then messages, then the end. Waits as long as there is none of them.
  NetEvent Pull(std::optional<std::chrono::nanoseconds> timeout);
  // While on, Pull() returns kInterrupted at once; nothing is lost.
  void Interrupt(bool on);

  // Fills in what the queue counts.
  void Count(NetStats& stats) const;

 private:
  // These need mutex_ held.
  bool HasRoom(size_t bytes) const;
  void NotifyLocked(const std::string& text);
  void CountDrop();

  const size_t max_messages_;
  const size_t max_bytes_;
  const DropPolicy policy_;

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::deque<NetMessage> messages_;
  size_t bytes_ = 0;
  uint64_t taken_messages_ = 0;
  uint64_t taken_bytes_ = 0;
  uint64_t dropped_ = 0;
  bool loss_ = false;     // before the next message offered
  bool waiting_ = false;  // an offer was refused
  bool interrupted_ = false;
  std::string notice_;
  uint64_t silenced_ = 0;  // notices since the last one shown
  std::chrono::steady_clock::time_point next_notice_{};
  std::optional<NetEvent> end_;
};

}  // namespace rill

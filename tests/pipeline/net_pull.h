// Pulling from a network source in tests; waits are hang guards, never measurements.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "pipeline/net_source.h"

namespace rill {

constexpr std::chrono::seconds kHangGuard{20};

inline std::unique_ptr<NetSource> StartSource(const NetOptions& options) {
  Result<std::unique_ptr<NetSource>> source = NetSource::Start(options);
  EXPECT_TRUE(source) << (source ? "" : source.error().message);
  return source ? std::move(*source) : nullptr;
}

// The next event of a kind; notices are passed over unless they are what is wanted.
inline NetEvent PullKind(NetSource& source, NetEvent::Kind kind) {
  while (true) {
    NetEvent event = source.Pull(kHangGuard);
    if (event.kind == NetEvent::Kind::kNotice && kind != event.kind) continue;
    EXPECT_EQ(event.kind, kind) << event.text << event.message.bytes;
    return event;
  }
}

inline NetMessage PullMessage(NetSource& source) {
  return PullKind(source, NetEvent::Kind::kMessage).message;
}

// Messages joined until there are that many bytes.
inline std::string PullBytes(NetSource& source, size_t bytes) {
  std::string text;
  while (text.size() < bytes && !testing::Test::HasFailure()) {
    const std::string more = PullMessage(source).bytes;
    EXPECT_EQ(more.empty() ? '?' : more.back(), '\n');
    text += more;
  }
  return text;
}

// Until a condition on the counters holds.
template <typename Condition>
NetStats WaitFor(const NetSource& source, Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + kHangGuard;
  NetStats stats = source.stats();
  while (!condition(stats) && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    stats = source.stats();
  }
  EXPECT_TRUE(condition(stats)) << "the counters never got there";
  return stats;
}

}  // namespace rill

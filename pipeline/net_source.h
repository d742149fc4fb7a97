// Lines from the network, live: TCP, UDP or WebSocket, as server or client.
//
// One thread of its own does all the network work; messages wait in a bounded queue. Memory is at
// most queue_bytes, and for each client one message and one read (64 KiB), whatever clients send.
// A client that misbehaves is closed or skipped, counted, and noticed once a second at most; no
// notice shows a byte that came from the network. docs/network-input.md is the user's page.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include "operators/core/result.h"
#include "pipeline/net_options.h"

namespace rill {

class NetSource {
 public:
  // A server is listening when this returns; a client begins to connect, and reports by Pull().
  static Result<std::unique_ptr<NetSource>> Start(NetOptions options);
  // Closes everything at once, whatever is going on. No other member may be running.
  ~NetSource();
  NetSource(const NetSource&) = delete;
  NetSource& operator=(const NetSource&) = delete;

  // The next event; waits for it, for ever without a timeout. One thread at a time.
  NetEvent Pull(std::optional<std::chrono::nanoseconds> timeout = {});
  // While on, Pull() returns at once with kInterrupted; from any thread. Nothing is lost.
  void Interrupt(bool on);

  uint32_t port() const;   // in use; the one chosen when 0 was asked for
  NetStats stats() const;  // from any thread

 private:
  struct Impl;
  explicit NetSource(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

// The running time to stamp a message with: `running_now_ns` less what has passed since it arrived,
// and never before `last_ns`, the stamp of the message before it (0 at first).
int64_t ArrivalRunningTime(int64_t arrival_ns, int64_t steady_now_ns, int64_t running_now_ns,
                           int64_t last_ns);

// On the clock of NetMessage::arrival_ns.
int64_t SteadyNow();

}  // namespace rill

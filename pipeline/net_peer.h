// What the parts of a network source share, and one peer's flow control. Internal to the source;
// everything here belongs to the network thread.
//
// A connection reads once, hands over what it got, and reads again when told to: after all of it is
// in the queue and the peer's rate allows. So a peer holds back no more than one read and one line.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "pipeline/net_options.h"
#include "pipeline/net_queue.h"

namespace boost::asio {
class io_context;
}

namespace rill {

class NetPeer;

// Events counted by the network thread, read by any.
struct NetCounters {
  std::atomic<uint64_t> oversize{0}, malformed{0}, rate_limited{0}, refused{0}, forbidden{0},
      timeouts{0}, connections{0}, reconnects{0}, clients{0};
};

struct NetShared {
  NetShared(NetOptions asked, boost::asio::io_context& context)
      : options(std::move(asked)),
        io(context),
        queue(options.queue_messages, options.queue_bytes, options.drop_policy) {}

  // Calls `call` in the network thread after a while, unless the source stops before.
  void After(std::chrono::nanoseconds delay, std::function<void()> call);

  const NetOptions options;
  boost::asio::io_context& io;
  NetQueue queue;
  NetCounters counters;
  std::set<std::shared_ptr<NetPeer>> peers;
  std::function<void()> forget_resolve;  // called while stopping: no answer is wanted any more
};

// Bytes a second, with one second's worth of burst.
class NetRate {
 public:
  using Clock = std::chrono::steady_clock;

  explicit NetRate(uint32_t bytes_per_second) : limit_(bytes_per_second), left_(limit_) {}

  void Charge(size_t bytes, Clock::time_point now);
  // Until the debt is paid; zero when there is none.
  std::chrono::nanoseconds Wait(Clock::time_point now);

 private:
  double limit_;  // 0: none
  double left_;   // bytes; negative is a debt
  Clock::time_point updated_ = Clock::now();
};

// Why a connection ended.
enum class NetClose { kByPeer, kBroken, kMalformed, kForbidden, kSilent };

class NetPeer : public std::enable_shared_from_this<NetPeer> {
 public:
  using Clock = std::chrono::steady_clock;

  // `name` is for people: an address and a port. `max_rate` in bytes a second, 0 for none.
  NetPeer(NetShared& shared, std::string name, uint32_t max_rate)
      : shared_(shared), name_(std::move(name)), rate_(max_rate) {}

  // Set by the connection. `read` starts one read; `close` makes a pending read fail soon; `ping`
  // asks for a sign of life; `goodbye` tells the peer, without waiting, that the source stops.
  std::function<void()> read, close, ping, goodbye;
  // Set by who opened it; the text says why, for a person.
  std::function<void(NetClose reason, const std::string& text)> closed;

  // The handshake is over; until then silence is measured from the start and is fatal after 10 s.
  void Opened();
  // A read brought this many bytes.
  void Received(size_t bytes);
  // The peer showed a sign of life.
  void Alive();
  // Queues whole lines of the last read.
  void Add(std::string message);
  // Something of this peer was skipped after what was added so far.
  void Skipped(std::atomic<uint64_t>& counter, uint64_t count = 1);
  // Delivers what was added, then reads again. Also called when the queue has room again.
  void Continue();
  // The connection is over: forgets it and reports. `text` may be empty when closed by the peer.
  void Close(NetClose reason, const std::string& text);
  // Closes a peer that has been silent too long; called every now and then.
  void Tick(Clock::time_point now);
  // Drops the connection without a word, for a source that stops.
  void Release() { read = close = ping = goodbye = nullptr, closed = nullptr; }

  const std::string& name() const { return name_; }
  bool opened() const { return opened_; }

 private:
  // How long this peer may be silent now; zero: for ever.
  std::chrono::milliseconds SilenceLimit() const;

  NetShared& shared_;
  std::string name_;
  NetRate rate_;
  std::deque<NetMessage> pending_;  // read, not yet in the queue
  Clock::time_point alive_ = Clock::now();
  int64_t unix_ns_ = 0;  // of the last read
  bool loss_ = false;    // before the next message added
  bool opened_ = false;
  bool reading_ = true;  // or shaking hands
  bool pausing_ = false;
  bool pinged_ = false;
  bool silent_ = false;  // closed by Tick()
};

// Listens or dials for the stream protocols; the port in use, or why it cannot.
Result<uint32_t> StartStream(NetShared& shared);
// Binds or connects the one datagram socket.
Result<uint32_t> StartUdp(NetShared& shared);

// Takes over a connected, non-blocking socket.
void OpenLines(NetShared& shared, std::shared_ptr<NetPeer> peer, int socket);
void OpenWebSocket(NetShared& shared, std::shared_ptr<NetPeer> peer, int socket);

}  // namespace rill

#include "pipeline/net_source.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <pthread.h>

#include <algorithm>
#include <exception>
#include <thread>
#include <utility>
#include <vector>

#include "pipeline/net_peer.h"

namespace rill {
namespace {

using std::chrono::milliseconds;

Result<void> Check(const NetOptions& options) {
  if (options.port > 65535)
    return Error{"port " + std::to_string(options.port) + " is above 65535"};
  if (options.port == 0 && options.mode == NetMode::kClient)
    return Error{"a client needs the port of the server at " + options.host};
  if (options.host.empty()) return Error{"the host is empty"};
  if (options.path.empty() || options.path[0] != '/') return Error{"the path must begin with /"};
  for (const char c : options.host + options.path)
    if (c <= ' ' || c == 127) return Error{"host and path must be printable ASCII without spaces"};
  if (options.max_clients == 0 || options.queue_messages == 0 || options.max_message_bytes == 0)
    return Error{"max clients (" + std::to_string(options.max_clients) + "), queue messages (" +
                 std::to_string(options.queue_messages) + ") and max message bytes (" +
                 std::to_string(options.max_message_bytes) + ") must be at least 1"};
  if (options.queue_bytes < options.max_message_bytes)
    return Error{"a queue of " + std::to_string(options.queue_bytes) +
                 " bytes cannot hold a message of " + std::to_string(options.max_message_bytes) +
                 ", the longest allowed"};
  return {};
}

}  // namespace

void NetShared::After(std::chrono::nanoseconds delay, std::function<void()> call) {
  const auto timer = std::make_shared<boost::asio::steady_timer>(io, delay);
  timer->async_wait([timer, call = std::move(call)](boost::system::error_code error) {
    if (!error) call();
  });
}

struct NetSource::Impl {
  explicit Impl(NetOptions options)
      : work(boost::asio::make_work_guard(io)), shared(std::move(options), io) {}

  ~Impl() {
    if (thread.joinable()) {
      boost::asio::post(io, [this] {
        for (const std::shared_ptr<NetPeer>& peer : shared.peers)
          if (peer->goodbye) peer->goodbye();
        io.stop();
      });
      thread.join();
    }
    if (shared.forget_resolve) shared.forget_resolve();
    // Peers and connections hold each other; what has an operation pending goes with io.
    for (const std::shared_ptr<NetPeer>& peer : std::exchange(shared.peers, {})) peer->Release();
  }

  Result<void> Start() {
    shared.queue.on_room = [this] {
      boost::asio::post(io, [this] {
        // A copy: a peer may be closed, and so erased, on the way.
        const std::vector<std::shared_ptr<NetPeer>> peers(shared.peers.begin(), shared.peers.end());
        for (const std::shared_ptr<NetPeer>& peer : peers) peer->Continue();
      });
    };
    const Result<uint32_t> started =
        shared.options.protocol == NetProtocol::kUdp ? StartUdp(shared) : StartStream(shared);
    if (!started) return started.error();
    port = *started;
    Tick();
    thread = std::thread([this] {
      pthread_setname_np(pthread_self(), "rill-net");
      try {
        io.run();
      } catch (const std::exception& error) {
        shared.queue.Fail({std::string("the network thread ended: ") + error.what()});
      }
    });
    return {};
  }

  void Tick() {
    const milliseconds idle(shared.options.idle_timeout_ms);
    const milliseconds often = idle.count() == 0
                                   ? milliseconds(1000)
                                   : std::clamp(idle / 8, milliseconds(10), milliseconds(1000));
    shared.After(often, [this] {
      const NetPeer::Clock::time_point now = NetPeer::Clock::now();
      for (const std::shared_ptr<NetPeer>& peer : shared.peers) peer->Tick(now);
      Tick();
    });
  }

  boost::asio::io_context io{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work;
  NetShared shared;
  uint32_t port = 0;
  std::thread thread;
};

NetSource::NetSource(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

NetSource::~NetSource() = default;

Result<std::unique_ptr<NetSource>> NetSource::Start(NetOptions options) {
  if (const Result<void> fine = Check(options); !fine) return fine.error();
  try {
    auto impl = std::make_unique<Impl>(std::move(options));
    if (const Result<void> started = impl->Start(); !started) return started.error();
    return std::unique_ptr<NetSource>(new NetSource(std::move(impl)));
  } catch (const std::exception& error) {  // no descriptor or thread left
    return Error{std::string("cannot start the network source: ") + error.what()};
  }
}

NetEvent NetSource::Pull(std::optional<std::chrono::nanoseconds> timeout) {
  return impl_->shared.queue.Pull(timeout);
}

void NetSource::Interrupt(bool on) { impl_->shared.queue.Interrupt(on); }

uint32_t NetSource::port() const { return impl_->port; }

NetStats NetSource::stats() const {
  const NetCounters& counters = impl_->shared.counters;
  NetStats stats;
  impl_->shared.queue.Count(stats);
  stats.oversize = counters.oversize;
  stats.malformed = counters.malformed;
  stats.rate_limited = counters.rate_limited;
  stats.refused = counters.refused;
  stats.forbidden = counters.forbidden;
  stats.timeouts = counters.timeouts;
  stats.connections = counters.connections;
  stats.reconnects = counters.reconnects;
  stats.clients = counters.clients;
  return stats;
}

int64_t ArrivalRunningTime(int64_t arrival_ns, int64_t steady_now_ns, int64_t running_now_ns,
                           int64_t last_ns) {
  return std::max(last_ns, running_now_ns - (steady_now_ns - arrival_ns));
}

int64_t SteadyNow() {
  const std::chrono::nanoseconds now = std::chrono::steady_clock::now().time_since_epoch();
  return now.count();
}

}  // namespace rill

// Connections of the stream protocols: a listener that admits clients, or a dialer that comes back.
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <netinet/tcp.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "pipeline/net_peer.h"
#include "pipeline/net_resolve.h"

namespace rill {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;
using std::chrono::milliseconds;

constexpr milliseconds kAcceptPause{100};        // after an error such as too many open files
constexpr milliseconds kConnectTimeout{10'000};  // well below the kernel's two minutes

std::string Name(const tcp::endpoint& endpoint) {
  return Place(endpoint.address().to_string(), endpoint.port());
}

// Lets the kernel find a peer that vanished: it probes after 30 s and gives up after another 30 s.
void KeepAlive(int socket) {
  const int on = 1, idle_s = 30, interval_s = 10, probes = 3;
  setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
  setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
  setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

void Open(NetShared& shared, tcp::socket socket, const std::string& name,
          std::function<void(const NetPeer&, NetClose, const std::string&)> closed) {
  const auto peer = std::make_shared<NetPeer>(shared, name, shared.options.max_rate);
  shared.peers.insert(peer);
  ++shared.counters.clients;
  peer->closed = [raw = peer.get(), closed = std::move(closed)](
                     NetClose reason, const std::string& text) { closed(*raw, reason, text); };
  KeepAlive(socket.native_handle());
  const int handle = socket.release();
  if (shared.options.protocol == NetProtocol::kTcp) {
    OpenLines(shared, peer, handle);
  } else {
    OpenWebSocket(shared, peer, handle);
  }
}

class Listener : public std::enable_shared_from_this<Listener> {
 public:
  explicit Listener(NetShared& shared) : shared_(shared), acceptor_(shared.io) {}

  Result<uint32_t> Listen() {
    const NetOptions& options = shared_.options;
    const std::vector<std::string> addresses = LocalAddresses(options.host);
    if (addresses.empty())
      return Error{"a server needs a numeric address of this machine or localhost, not " +
                   options.host};
    error_code error;
    const tcp::endpoint endpoint(boost::asio::ip::make_address(addresses[0]),
                                 static_cast<uint16_t>(options.port));
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(tcp::acceptor::max_listen_connections, error);
    const uint32_t port = error ? 0 : acceptor_.local_endpoint(error).port();
    if (error)
      return Error{"cannot listen on " + Place(options.host, options.port) + ": " +
                   error.message()};
    Accept();
    return port;
  }

 private:
  void Accept() {
    acceptor_.async_accept([self = shared_from_this()](error_code error, tcp::socket socket) {
      if (error) {
        self->shared_.queue.Notify("cannot accept a client: " + error.message());
        self->shared_.After(kAcceptPause, [self] { self->Accept(); });
        return;
      }
      self->Admit(std::move(socket));
      self->Accept();
    });
  }

  void Admit(tcp::socket socket) {
    error_code error;
    const tcp::endpoint remote = socket.remote_endpoint(error);
    if (error) return;  // gone already
    const size_t limit = shared_.options.max_clients;
    if (shared_.peers.size() >= limit) {
      ++shared_.counters.refused;
      shared_.queue.Notify("client " + Name(remote) + " refused: there are " +
                           std::to_string(limit) + " clients already, the most allowed");
      return;
    }
    ++shared_.counters.connections;
    Open(shared_, std::move(socket), Name(remote),
         [&shared = shared_](const NetPeer& peer, NetClose reason, const std::string& text) {
           if (reason != NetClose::kByPeer)
             shared.queue.Notify("client " + peer.name() + " closed: " + text);
         });
  }

  NetShared& shared_;
  tcp::acceptor acceptor_;
};

class Dialer : public std::enable_shared_from_this<Dialer> {
 public:
  explicit Dialer(NetShared& shared)
      : shared_(shared), socket_(shared.io), wait_(shared.options.reconnect_ms) {}

  void Dial() {
    Resolve(shared_, [self = shared_from_this()](Result<std::vector<std::string>> addresses) {
      if (addresses) {
        self->Connect(*addresses);
      } else {
        self->Retry(addresses.error().message);
      }
    });
  }

 private:
  std::string Where() const { return Place(shared_.options.host, shared_.options.port); }

  void Connect(const std::vector<std::string>& addresses) {
    for (const std::string& address : addresses) {
      error_code error;
      const boost::asio::ip::address parsed = boost::asio::ip::make_address(address, error);
      if (!error) endpoints_.emplace_back(parsed, static_cast<uint16_t>(shared_.options.port));
    }
    ++attempt_;
    shared_.After(kConnectTimeout, [self = shared_from_this(), attempt = attempt_] {
      if (self->attempt_ != attempt || self->connected_) return;
      self->timed_out_ = true;
      error_code ignored;
      self->socket_.close(ignored);
    });
    boost::asio::async_connect(
        socket_, std::exchange(endpoints_, {}),
        [self = shared_from_this()](error_code error, const tcp::endpoint& endpoint) {
          if (std::exchange(self->timed_out_, false)) {
            self->Retry("cannot connect to " + self->Where() + " within " +
                        std::to_string(kConnectTimeout.count()) + " ms");
          } else if (error) {
            self->Retry("cannot connect to " + self->Where() + ": " + error.message());
          } else {
            self->Connected(endpoint);
          }
        });
  }

  void Connected(const tcp::endpoint& endpoint) {
    connected_ = true;
    if (shared_.counters.connections++ > 0) {
      ++shared_.counters.reconnects;
      shared_.queue.MarkLoss();
    }
    const uint64_t before = Messages();
    Open(shared_, std::exchange(socket_, tcp::socket(shared_.io)), Name(endpoint),
         [self = shared_from_this(), before](const NetPeer& peer, NetClose reason,
                                             const std::string& text) {
           // A server that takes the connection and says nothing is not one to hurry back to.
           if (self->Messages() > before)
             self->wait_ = milliseconds(self->shared_.options.reconnect_ms);
           self->connected_ = false;
           if (reason == NetClose::kByPeer && self->shared_.options.reconnect_ms == 0) {
             self->shared_.queue.End();
           } else {
             self->Retry("connection to " + peer.name() + " closed" +
                         (text.empty() ? "" : ": " + text));
           }
         });
  }

  void Retry(const std::string& why) {
    if (shared_.options.reconnect_ms == 0) {
      shared_.queue.Fail({why});
      return;
    }
    shared_.queue.Notify(why + "; trying again in " + std::to_string(wait_.count()) + " ms");
    shared_.After(wait_, [self = shared_from_this()] { self->Dial(); });
    const milliseconds most(
        std::max(shared_.options.reconnect_ms, shared_.options.reconnect_max_ms));
    wait_ = std::min(wait_ * 2, most);
  }

  uint64_t Messages() const {
    NetStats stats;
    shared_.queue.Count(stats);
    return stats.messages + stats.dropped;
  }

  NetShared& shared_;
  tcp::socket socket_;
  std::vector<tcp::endpoint> endpoints_;
  milliseconds wait_;  // before the next attempt
  uint64_t attempt_ = 0;
  bool connected_ = false;
  bool timed_out_ = false;
};

}  // namespace

Result<uint32_t> StartStream(NetShared& shared) {
  if (shared.options.mode == NetMode::kServer) return std::make_shared<Listener>(shared)->Listen();
  std::make_shared<Dialer>(shared)->Dial();
  return shared.options.port;
}

}  // namespace rill

// The one datagram socket: a server takes from up to max_clients addresses, a client from one.
//
// A client says hello with an empty datagram, so that the server learns where to send, and says it
// again, ever more rarely, while nothing comes.
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "pipeline/net_peer.h"
#include "pipeline/net_resolve.h"

namespace rill {
namespace {

using boost::asio::ip::udp;
using boost::system::error_code;
using std::chrono::milliseconds;

constexpr size_t kLongestDatagram = 65536;
constexpr int kReceiveBufferBytes = 1 << 20;  // room for bursts, if the kernel grants it
constexpr milliseconds kErrorPause{100};

class Udp : public std::enable_shared_from_this<Udp> {
 public:
  explicit Udp(NetShared& shared)
      : shared_(shared),
        peer_(std::make_shared<NetPeer>(shared, "", 0)),
        socket_(shared.io),
        wait_(shared.options.reconnect_ms),
        datagram_(kLongestDatagram) {}

  Result<uint32_t> Bind() {
    const NetOptions& options = shared_.options;
    const std::vector<std::string> addresses = LocalAddresses(options.host);
    if (addresses.empty())
      return Error{"a server needs a numeric address of this machine or localhost, not " +
                   options.host};
    error_code error;
    const udp::endpoint endpoint(boost::asio::ip::make_address(addresses[0]),
                                 static_cast<uint16_t>(options.port));
    socket_.open(endpoint.protocol(), error);
    if (!error) socket_.bind(endpoint, error);
    const uint32_t port = error ? 0 : socket_.local_endpoint(error).port();
    if (error)
      return Error{"cannot listen on " + Place(options.host, options.port) + ": " +
                   error.message()};
    Start();
    return port;
  }

  void Dial() {
    Resolve(shared_, [self = shared_from_this()](Result<std::vector<std::string>> addresses) {
      if (!addresses) {
        self->Retry(addresses.error().message);
        return;
      }
      error_code error;
      const udp::endpoint remote(boost::asio::ip::make_address((*addresses)[0], error),
                                 static_cast<uint16_t>(self->shared_.options.port));
      if (!error) self->socket_.open(remote.protocol(), error);
      if (!error) self->socket_.connect(remote, error);
      if (error) {
        const std::string why = "cannot use " + self->Where() + ": " + error.message();
        self->socket_.close(error);
        self->Retry(why);
        return;
      }
      self->Start();
      self->Hello();
    });
  }

 private:
  struct Sender {
    NetRate rate;
    NetRate::Clock::time_point alive;
  };

  std::string Where() const { return Place(shared_.options.host, shared_.options.port); }

  void Start() {
    error_code ignored;
    socket_.set_option(udp::socket::receive_buffer_size(kReceiveBufferBytes), ignored);
    shared_.peers.insert(peer_);
    peer_->read = [self = shared_from_this()] { self->Read(); };
    peer_->Opened();
    Read();
  }

  void Read() {
    socket_.async_receive_from(
        boost::asio::buffer(datagram_), from_,
        [self = shared_from_this()](error_code error, size_t bytes) { self->Got(error, bytes); });
  }

  void Got(error_code error, size_t bytes) {
    peer_->Received(bytes);
    if (error && shared_.options.mode == NetMode::kServer) {
      shared_.queue.Notify("cannot receive on " + Where() + ": " + error.message());
      shared_.After(kErrorPause, [self = shared_from_this()] { self->peer_->Continue(); });
      return;
    }
    if (error == boost::asio::error::connection_refused && shared_.options.reconnect_ms == 0) {
      if (shared_.counters.connections > 0) {
        shared_.queue.End();
      } else {
        shared_.queue.Fail({"cannot reach " + Where() + ": " + error.message()});
      }
      return;
    }
    if (error) {
      shared_.queue.Notify("cannot reach " + Where() + ": " + error.message());
      shared_.After(kErrorPause, [self = shared_from_this()] { self->peer_->Continue(); });
      return;
    }
    if (bytes > 0 && Admit(bytes)) Take(bytes);
    peer_->Continue();
  }

  void Take(size_t bytes) {
    if (bytes > shared_.options.max_message_bytes) {
      peer_->Skipped(shared_.counters.oversize);
      return;
    }
    std::string message(datagram_.data(), bytes);
    if (message.back() != '\n') message += '\n';
    peer_->Add(std::move(message));
  }

  // Whether the sender is one of the clients and within its rate. Senders are told apart by address
  // alone: many a tool takes a new port for each datagram.
  bool Admit(size_t bytes) {
    const NetRate::Clock::time_point now = NetRate::Clock::now();
    heard_ = true;
    auto found = senders_.find(from_.address());
    if (found == senders_.end()) {
      Forget(now);
      if (senders_.size() >= shared_.options.max_clients) {
        ++shared_.counters.refused;
        shared_.queue.Notify("datagrams from " + from_.address().to_string() +
                             " refused: there are " + std::to_string(senders_.size()) +
                             " clients already, the most allowed");
        return false;
      }
      ++shared_.counters.connections;
      found =
          senders_.emplace(from_.address(), Sender{NetRate(shared_.options.max_rate), now}).first;
    }
    shared_.counters.clients = senders_.size();
    found->second.alive = now;
    if (found->second.rate.Wait(now).count() > 0) {
      peer_->Skipped(shared_.counters.rate_limited);
      return false;
    }
    found->second.rate.Charge(bytes, now);
    return true;
  }

  // Makes room: a sender silent for the idle timeout is a client no more.
  void Forget(NetRate::Clock::time_point now) {
    const milliseconds limit(shared_.options.idle_timeout_ms);
    if (limit.count() == 0) return;
    std::erase_if(senders_, [&](const auto& entry) { return now - entry.second.alive >= limit; });
  }

  void Hello() {
    if (std::exchange(heard_, false)) {
      wait_ = milliseconds(shared_.options.reconnect_ms);
    } else {
      error_code ignored;  // a refusal is reported by the next read
      socket_.send(boost::asio::const_buffer(), 0, ignored);
      if (std::exchange(said_, true)) wait_ = std::min(wait_ * 2, Longest());
    }
    if (wait_.count() > 0) shared_.After(wait_, [self = shared_from_this()] { self->Hello(); });
  }

  milliseconds Longest() const {
    return milliseconds(std::max(shared_.options.reconnect_ms, shared_.options.reconnect_max_ms));
  }

  void Retry(const std::string& why) {
    if (shared_.options.reconnect_ms == 0) {
      shared_.queue.Fail({why});
      return;
    }
    shared_.queue.Notify(why + "; trying again in " + std::to_string(wait_.count()) + " ms");
    shared_.After(wait_, [self = shared_from_this()] { self->Dial(); });
    wait_ = std::min(wait_ * 2, Longest());
  }

  NetShared& shared_;
  std::shared_ptr<NetPeer> peer_;
  udp::socket socket_;
  udp::endpoint from_;
  std::map<boost::asio::ip::address, Sender> senders_;
  milliseconds wait_;   // client: before the next hello or attempt
  bool heard_ = false;  // client: something since the last hello
  bool said_ = false;   // client: hello
  std::vector<char> datagram_;
};

}  // namespace

Result<uint32_t> StartUdp(NetShared& shared) {
  const auto socket = std::make_shared<Udp>(shared);
  if (shared.options.mode == NetMode::kServer) return socket->Bind();
  socket->Dial();
  return shared.options.port;
}

}  // namespace rill

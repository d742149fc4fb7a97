// A TCP connection that carries lines.
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <unistd.h>

#include <array>
#include <memory>

#include "pipeline/net_framing.h"
#include "pipeline/net_peer.h"

namespace rill {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

class Lines : public std::enable_shared_from_this<Lines> {
 public:
  Lines(NetShared& shared, std::shared_ptr<NetPeer> peer)
      : shared_(shared),
        peer_(std::move(peer)),
        socket_(shared.io),
        framer_(shared.options.max_message_bytes) {}

  void Start(int handle) {
    error_code error;
    socket_.assign(tcp::v4(), handle, error);  // the family matters only for opening one
    if (error) {
      ::close(handle);
      peer_->Close(NetClose::kBroken, error.message());
      return;
    }
    peer_->read = [self = shared_from_this()] { self->Read(); };
    peer_->close = [self = shared_from_this()] {
      error_code ignored;
      self->socket_.close(ignored);
    };
    peer_->Opened();
    Read();
  }

 private:
  void Read() {
    socket_.async_read_some(
        boost::asio::buffer(chunk_),
        [self = shared_from_this()](error_code error, size_t bytes) { self->Got(error, bytes); });
  }

  void Got(error_code error, size_t bytes) {
    if (error == boost::asio::error::eof) {
      Finish();
      return;
    }
    if (error) {
      if (framer_.partial()) peer_->Skipped(shared_.counters.malformed);
      peer_->Close(NetClose::kBroken, error.message());
      return;
    }
    peer_->Received(bytes);
    framer_.Push({chunk_.data(), bytes});
    while (std::optional<std::string> message = framer_.Pull()) {
      CountOversize();
      peer_->Add(std::move(*message));
    }
    CountOversize();
    peer_->Continue();
  }

  void CountOversize() {
    peer_->Skipped(shared_.counters.oversize, framer_.oversize() - oversize_);
    oversize_ = framer_.oversize();
  }

  // The peer is done; its last line may wait for room in the queue, and only then is it forgotten.
  void Finish() {
    peer_->Received(0);
    if (std::optional<std::string> last = framer_.Finish()) peer_->Add(std::move(*last));
    peer_->read = [self = shared_from_this()] {
      self->shared_.After({}, [self] { self->peer_->Close(NetClose::kByPeer, ""); });
    };
    peer_->Continue();
  }

  NetShared& shared_;
  std::shared_ptr<NetPeer> peer_;
  tcp::socket socket_;
  LineFramer framer_;
  uint64_t oversize_ = 0;  // of framer_, counted already
  std::array<char, 1 << 16> chunk_;
};

}  // namespace

void OpenLines(NetShared& shared, std::shared_ptr<NetPeer> peer, int socket) {
  std::make_shared<Lines>(shared, std::move(peer))->Start(socket);
}

}  // namespace rill

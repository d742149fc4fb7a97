// A WebSocket connection, either end of it. The only place that pays for Beast's headers.
//
// Source: RFC 6455. Compression is not offered, so a message takes no more memory than its bytes.
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>

#include <unistd.h>

#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "pipeline/net_peer.h"

namespace rill {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using boost::asio::ip::tcp;
using boost::system::error_code;

constexpr uint32_t kHeaderBytes = 8192;  // the most a handshake may have
constexpr std::chrono::seconds kCloseTimeout{10};

class WebSocket : public std::enable_shared_from_this<WebSocket> {
 public:
  WebSocket(NetShared& shared, std::shared_ptr<NetPeer> peer)
      : shared_(shared), peer_(std::move(peer)), stream_(shared.io), early_(2 * kHeaderBytes) {}

  void Start(int handle) {
    error_code error;
    socket().assign(tcp::v4(), handle, error);  // the family matters only for opening one
    if (error) {
      ::close(handle);
      peer_->Close(NetClose::kBroken, error.message());
      return;
    }
    peer_->close = [self = shared_from_this()] {
      error_code ignored;
      self->socket().close(ignored);
    };
    // Silence is the peer's business; what Beast times here is closing.
    stream_.set_option(
        websocket::stream_base::timeout{kCloseTimeout, websocket::stream_base::none(), false});
    stream_.read_message_max(0);  // limited in Got(), which skips instead of closing
    if (shared_.options.mode == NetMode::kServer) {
      ReadRequest();
    } else {
      Handshake();
    }
  }

 private:
  tcp::socket& socket() { return stream_.next_layer(); }

  void ReadRequest() {
    parser_.emplace();
    parser_->header_limit(kHeaderBytes);
    parser_->body_limit(uint64_t{0});
    http::async_read(socket(), early_, *parser_,
                     [self = shared_from_this()](error_code error, size_t) {
                       if (error) {
                         self->Broken(error, "handshake");
                       } else {
                         self->Accept();
                       }
                     });
  }

  void Accept() {
    const http::request<http::empty_body>& request = parser_->get();
    const NetOptions& options = shared_.options;
    const beast::string_view origin = request[http::field::origin];
    // A browser always names the page's origin; without this check any page could feed the stream.
    if (!origin.empty() && options.allow_origin != "*" &&
        origin != beast::string_view(options.allow_origin)) {
      Refuse(http::status::forbidden, "its web origin is not allowed");
      return;
    }
    const beast::string_view target = request.target();
    if (options.path != "/" && target.substr(0, target.find('?')) != options.path) {
      Refuse(http::status::not_found, "it asked for another path");
      return;
    }
    if (early_.size() > 0) {
      peer_->Close(NetClose::kMalformed, "data before the end of the handshake");
      return;
    }
    stream_.async_accept(request, [self = shared_from_this()](error_code error) {
      self->parser_.reset();
      self->Ready(error);
    });
  }

  void Refuse(http::status status, const std::string& why) {
    const auto response = std::make_shared<http::response<http::empty_body>>(status, 11);
    response->keep_alive(false);
    response->content_length(0);
    http::async_write(socket(), *response,
                      [self = shared_from_this(), response, why](error_code, size_t) {
                        self->peer_->Close(NetClose::kForbidden, why);
                      });
  }

  void Handshake() {
    const NetOptions& options = shared_.options;
    const bool v6 = options.host.find(':') != std::string::npos;
    const std::string host =
        (v6 ? "[" + options.host + "]" : options.host) + ":" + std::to_string(options.port);
    stream_.async_handshake(host, options.path,
                            [self = shared_from_this()](error_code error) { self->Ready(error); });
  }

  void Ready(error_code error) {
    if (error) {
      Broken(error, "handshake");
      return;
    }
    peer_->read = [self = shared_from_this()] { self->Read(); };
    peer_->ping = [self = shared_from_this()] {
      self->stream_.async_ping({}, [self](error_code) {});
    };
    peer_->goodbye = [self = shared_from_this()] {
      self->stream_.async_close(websocket::close_code::going_away, [self](error_code) {});
    };
    stream_.control_callback(
        [peer = peer_.get()](websocket::frame_type, beast::string_view) { peer->Alive(); });
    peer_->Opened();
    Read();
  }

  void Read() {
    stream_.async_read_some(
        boost::asio::buffer(chunk_),
        [self = shared_from_this()](error_code error, size_t bytes) { self->Got(error, bytes); });
  }

  void Got(error_code error, size_t bytes) {
    if (error) {
      Broken(error, "frame");
      return;
    }
    peer_->Received(bytes);
    if (!skipping_ && message_.size() + bytes > shared_.options.max_message_bytes) {
      skipping_ = true;
      message_ = {};
      peer_->Skipped(shared_.counters.oversize);
    }
    if (!skipping_) message_.append(chunk_.data(), bytes);
    if (stream_.is_message_done()) {
      skipping_ = false;
      if (!message_.empty()) {
        if (message_.back() != '\n') message_ += '\n';
        peer_->Add(std::exchange(message_, {}));
      }
    }
    peer_->Continue();
  }

  void Broken(error_code error, const std::string& where) {
    const bool between = message_.empty() && !skipping_;
    if (error == websocket::error::closed || error == http::error::end_of_stream ||
        (error == boost::asio::error::eof && peer_->opened() && between)) {
      peer_->Close(NetClose::kByPeer, "");
    } else if (error == boost::asio::error::eof ||
               error.category() == boost::system::system_category()) {
      peer_->Close(NetClose::kBroken, error.message());
    } else {
      peer_->Close(NetClose::kMalformed, "malformed " + where + ": " + error.message());
    }
  }

  NetShared& shared_;
  std::shared_ptr<NetPeer> peer_;
  websocket::stream<tcp::socket, false> stream_;
  beast::flat_buffer early_;  // what came with the request
  std::optional<http::request_parser<http::empty_body>> parser_;
  std::string message_;    // so far
  bool skipping_ = false;  // the rest of a message that was too long
  std::array<char, 1 << 16> chunk_;
};

}  // namespace

void OpenWebSocket(NetShared& shared, std::shared_ptr<NetPeer> peer, int socket) {
  std::make_shared<WebSocket>(shared, std::move(peer))->Start(socket);
}

}  // namespace rill

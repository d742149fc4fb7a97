// The other end of a network source: plain blocking sockets on loopback, and WebSocket by hand so
// that a test can also do it wrong.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace rill {

// Gives up after 20 s, so that a test can fail but not hang. Every failure is a test failure.
class TestSocket {
 public:
  TestSocket() = default;
  explicit TestSocket(int handle) : handle_(handle) {}
  TestSocket(TestSocket&& other) noexcept : handle_(other.handle_) { other.handle_ = -1; }
  TestSocket& operator=(TestSocket&& other) noexcept;
  ~TestSocket() { Close(); }

  static TestSocket Connect(uint32_t port);
  // Port 0: a free one.
  static TestSocket Listen(uint32_t port = 0, int backlog = 16);
  // A datagram socket; sends to `to` if that is not 0. `from`: the last number of 127.0.0.x.
  static TestSocket Udp(uint32_t to = 0, int from = 1);

  uint32_t port() const;  // of this end
  TestSocket Accept();
  // Waits for a datagram and talks to its sender from then on.
  void Answer();
  // False when the other end is gone.
  bool Send(std::string_view bytes);
  // What there is, at most `bytes`; empty when the other end closed.
  std::string Receive(size_t bytes = 65536);
  std::string ReceiveUntil(std::string_view end);
  void Close();
  // Closes with a reset instead of an end.
  void Reset();
  int handle() const { return handle_; }

 private:
  int handle_ = -1;
};

// RFC 6455. A frame's payload is under 65536 bytes; a client's frames are masked.
enum class Masking { kOff, kOn };
std::string Frame(int opcode, std::string_view payload, Masking masking = Masking::kOn,
                  bool last = true);
std::string UpgradeRequest(const std::string& path = "/", const std::string& more = "");
// A client after its handshake; a test failure when that is refused.
TestSocket ConnectWebSocket(uint32_t port, const std::string& path = "/");
// The server's side of a handshake.
void AcceptWebSocket(TestSocket& client);

}  // namespace rill

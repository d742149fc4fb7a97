#include "tests/pipeline/net_peers.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/uuid/detail/sha1.hpp>

#include <utility>

namespace rill {
namespace {

constexpr timeval kHangGuard{20, 0};

sockaddr_in Loopback(uint32_t port, int last = 1) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + static_cast<uint32_t>(last));
  return address;
}

int Open(int type) {
  const int handle = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  EXPECT_GE(handle, 0);
  setsockopt(handle, SOL_SOCKET, SO_RCVTIMEO, &kHangGuard, sizeof kHangGuard);
  setsockopt(handle, SOL_SOCKET, SO_SNDTIMEO, &kHangGuard, sizeof kHangGuard);
  return handle;
}

int Bind(int handle, uint32_t port, int last = 1) {
  const int on = 1;
  setsockopt(handle, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = Loopback(port, last);
  return bind(handle, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

int Dial(int handle, uint32_t port) {
  const sockaddr_in address = Loopback(port);
  return connect(handle, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

std::string Base64(const unsigned char* bytes, size_t count) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < count; i += 3) {
    uint32_t triple = 0;
    for (size_t k = 0; k < 3; ++k) triple = triple << 8 | (i + k < count ? bytes[i + k] : 0u);
    for (size_t k = 0; k < 4; ++k)
      text += i + k <= count ? kDigits[triple >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

}  // namespace

TestSocket& TestSocket::operator=(TestSocket&& other) noexcept {
  std::swap(handle_, other.handle_);
  return *this;
}

TestSocket TestSocket::Connect(uint32_t port) {
  const int handle = Open(SOCK_STREAM);
  EXPECT_EQ(Dial(handle, port), 0) << "port " << port;
  return TestSocket(handle);
}

TestSocket TestSocket::Listen(uint32_t port, int backlog) {
  const int handle = Open(SOCK_STREAM);
  EXPECT_EQ(Bind(handle, port), 0) << "port " << port;
  EXPECT_EQ(listen(handle, backlog), 0);
  return TestSocket(handle);
}

TestSocket TestSocket::Udp(uint32_t to, int from) {
  const int handle = Open(SOCK_DGRAM);
  EXPECT_EQ(Bind(handle, 0, from), 0);
  EXPECT_TRUE(to == 0 || Dial(handle, to) == 0) << "port " << to;
  return TestSocket(handle);
}

uint32_t TestSocket::port() const {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  getsockname(handle_, reinterpret_cast<sockaddr*>(&address), &length);
  return ntohs(address.sin_port);
}

TestSocket TestSocket::Accept() {
  const int handle = accept4(handle_, nullptr, nullptr, SOCK_CLOEXEC);
  EXPECT_GE(handle, 0);
  setsockopt(handle, SOL_SOCKET, SO_RCVTIMEO, &kHangGuard, sizeof kHangGuard);
  setsockopt(handle, SOL_SOCKET, SO_SNDTIMEO, &kHangGuard, sizeof kHangGuard);
  return TestSocket(handle);
}

void TestSocket::Answer() {
  sockaddr_in from{};
  socklen_t length = sizeof from;
  char byte;
  EXPECT_GE(recvfrom(handle_, &byte, 1, 0, reinterpret_cast<sockaddr*>(&from), &length), 0);
  EXPECT_EQ(connect(handle_, reinterpret_cast<sockaddr*>(&from), length), 0);
}

bool TestSocket::Send(std::string_view bytes) {
  do {
    const ssize_t sent = send(handle_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  } while (!bytes.empty());
  return true;
}

std::string TestSocket::Receive(size_t bytes) {
  std::string text(bytes, '\0');
  const ssize_t got = recv(handle_, text.data(), bytes, 0);
  EXPECT_FALSE(got < 0 && errno == EAGAIN) << "nothing came";
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return text;
}

std::string TestSocket::ReceiveUntil(std::string_view end) {
  std::string text;
  while (text.find(end) == std::string::npos) {
    const std::string more = Receive(1);
    if (more.empty()) break;
    text += more;
  }
  return text;
}

void TestSocket::Close() {
  if (handle_ >= 0) close(handle_);
  handle_ = -1;
}

void TestSocket::Reset() {
  const linger now{1, 0};
  setsockopt(handle_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  Close();
}

std::string Frame(int opcode, std::string_view payload, Masking masking, bool last) {
  std::string frame(1, static_cast<char>(opcode | (last ? 0x80 : 0)));
  const int mask_bit = masking == Masking::kOn ? 0x80 : 0;
  if (payload.size() < 126) {
    frame += static_cast<char>(mask_bit | static_cast<int>(payload.size()));
  } else {
    frame += static_cast<char>(mask_bit | 126);
    frame += static_cast<char>(payload.size() >> 8);
    frame += static_cast<char>(payload.size());
  }
  if (masking == Masking::kOff) return frame.append(payload);
  const char mask[] = {0x12, 0x34, 0x56, 0x78};
  frame.append(mask, 4);
  for (size_t i = 0; i < payload.size(); ++i) frame += static_cast<char>(payload[i] ^ mask[i % 4]);
  return frame;
}

std::string UpgradeRequest(const std::string& path, const std::string& more) {
  return "GET " + path +
         " HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
         more + "\r\n";
}

TestSocket ConnectWebSocket(uint32_t port, const std::string& path) {
  TestSocket client = TestSocket::Connect(port);
  client.Send(UpgradeRequest(path));
  const std::string response = client.ReceiveUntil("\r\n\r\n");
  EXPECT_EQ(response.substr(0, 12), "HTTP/1.1 101") << response;
  // The answer to the key above, from RFC 6455, section 1.3.
  EXPECT_NE(response.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), std::string::npos) << response;
  return client;
}

void AcceptWebSocket(TestSocket& client) {
  const std::string request = client.ReceiveUntil("\r\n\r\n");
  const std::string field = "Sec-WebSocket-Key: ";
  const size_t key = request.find(field) + field.size();
  const std::string signed_key =
      request.substr(key, request.find('\r', key) - key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  boost::uuids::detail::sha1 sha1;
  sha1.process_bytes(signed_key.data(), signed_key.size());
  unsigned int words[5];
  sha1.get_digest(words);
  unsigned char digest[20];
  for (size_t i = 0; i < 20; ++i)
    digest[i] = static_cast<unsigned char>(words[i / 4] >> (24 - 8 * (i % 4)));
  client.Send(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: " +
      Base64(digest, 20) + "\r\n\r\n");
}

}  // namespace rill

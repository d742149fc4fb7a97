// WebSocket and UDP servers, well and badly spoken to.
#include <gtest/gtest.h>

#include "tests/pipeline/net_peers.h"
#include "tests/pipeline/net_pull.h"

namespace rill {
namespace {

NetOptions Server(NetProtocol protocol) {
  NetOptions options;
  options.protocol = protocol;
  return options;
}

TEST(WebSocketServer, JoinsTheFragmentsOfAMessage) {
  const auto source = StartSource(Server(NetProtocol::kWebSocket));
  TestSocket client = ConnectWebSocket(source->port());
  client.Send(Frame(1, "one", Masking::kOn, false) + Frame(9, "are you there?") +
              Frame(0, ",two", Masking::kOn, false) + Frame(0, ",three") + Frame(2, "\x01\n"));
  EXPECT_EQ(PullMessage(*source).bytes, "one,two,three\n");
  EXPECT_EQ(PullMessage(*source).bytes, "\x01\n");
  const std::string pong = Frame(10, "are you there?", Masking::kOff);
  EXPECT_EQ(client.Receive(pong.size()), pong);
}

TEST(WebSocketServer, TakesItByteByByte) {
  const auto source = StartSource(Server(NetProtocol::kWebSocket));
  TestSocket client = ConnectWebSocket(source->port());
  for (const char byte : Frame(1, "slow")) client.Send(std::string_view(&byte, 1));
  EXPECT_EQ(PullMessage(*source).bytes, "slow\n");
}

TEST(WebSocketServer, SkipsAMessageThatIsTooLong) {
  NetOptions options = Server(NetProtocol::kWebSocket);
  options.max_message_bytes = 1000;
  const auto source = StartSource(options);
  TestSocket client = ConnectWebSocket(source->port());
  client.Send(Frame(1, std::string(1000, 'a')));
  client.Send(Frame(1, std::string(900, 'b'), Masking::kOn, false));
  for (int i = 0; i < 100; ++i)
    client.Send(Frame(0, std::string(60'000, 'c'), Masking::kOn, false));
  client.Send(Frame(0, "") + Frame(1, "after"));
  EXPECT_EQ(PullMessage(*source).bytes, std::string(1000, 'a') + "\n");
  const NetMessage after = PullMessage(*source);
  EXPECT_EQ(after.bytes, "after\n");
  EXPECT_TRUE(after.after_loss);
  EXPECT_EQ(source->stats().oversize, 1u);
}

TEST(WebSocketServer, ClosesOnlyTheClientThatBreaksTheProtocol) {
  const auto source = StartSource(Server(NetProtocol::kWebSocket));
  TestSocket good = ConnectWebSocket(source->port());
  const std::string bad[] = {
      Frame(1, "not masked", Masking::kOff),
      Frame(3, "reserved opcode"),
      Frame(0x41, "reserved bit"),
      Frame(0, "continues nothing"),
      Frame(1, "\xff\xfe not UTF-8"),
      Frame(9, std::string(126, 'p')),  // a control frame may have 125 bytes
  };
  uint64_t malformed = 0;
  for (const std::string& frame : bad) {
    TestSocket client = ConnectWebSocket(source->port());
    client.Send(frame);
    while (!client.Receive().empty()) {
    }
    client.Close();
    ++malformed;
    WaitFor(*source, [&](const NetStats& stats) {
      return stats.malformed == malformed && stats.clients == 1;
    });
  }
  good.Send(Frame(1, "still here"));
  EXPECT_EQ(PullMessage(*source).bytes, "still here\n");
}

TEST(WebSocketServer, RefusesABadHandshake) {
  const auto source = StartSource(Server(NetProtocol::kWebSocket));
  TestSocket good = ConnectWebSocket(source->port());
  const std::string bad[] = {
      "\x16\x03\x01 this is not HTTP\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
      "GET / HTTP/1.1\r\nX: " + std::string(10'000, 'x') + "\r\n\r\n",
      UpgradeRequest() + Frame(1, "too early"),
  };
  uint64_t malformed = 0;
  for (const std::string& request : bad) {
    TestSocket client = TestSocket::Connect(source->port());
    client.Send(request);
    while (!client.Receive().empty()) {
    }
    ++malformed;
    WaitFor(*source, [&](const NetStats& stats) { return stats.malformed == malformed; });
  }
  good.Send(Frame(1, "still here"));
  const NetMessage message = PullMessage(*source);
  EXPECT_EQ(message.bytes, "still here\n");
  EXPECT_FALSE(message.after_loss);
}

TEST(WebSocketServer, LetsInOnlyItsPathAndOrigin) {
  NetOptions options = Server(NetProtocol::kWebSocket);
  options.path = "/sensors";
  options.allow_origin = "https://panel.example";
  const auto source = StartSource(options);
  const auto status = [&](const std::string& path, const std::string& more) {
    TestSocket client = TestSocket::Connect(source->port());
    client.Send(UpgradeRequest(path, more));
    return client.ReceiveUntil("\r\n").substr(9, 3);
  };
  EXPECT_EQ(status("/sensors", ""), "101");
  EXPECT_EQ(status("/sensors?room=2", "Origin: https://panel.example\r\n"), "101");
  EXPECT_EQ(status("/", ""), "404");
  EXPECT_EQ(status("/sensors2", ""), "404");
  EXPECT_EQ(status("/sensors", "Origin: https://elsewhere.example\r\n"), "403");
  WaitFor(*source, [](const NetStats& stats) { return stats.forbidden == 3; });
}

TEST(WebSocketServer, PingsASilentClientBeforeItClosesIt) {
  NetOptions options = Server(NetProtocol::kWebSocket);
  options.idle_timeout_ms = 200;
  const auto source = StartSource(options);
  TestSocket client = ConnectWebSocket(source->port());
  for (int i = 0; i < 5; ++i) {  // lives on answers alone, well beyond the timeout
    ASSERT_EQ(client.Receive(2), Frame(9, "", Masking::kOff));
    client.Send(Frame(10, ""));
  }
  EXPECT_EQ(source->stats().clients, 1u);
  EXPECT_EQ(client.Receive(2), Frame(9, "", Masking::kOff));
  EXPECT_EQ(client.Receive(), "");  // no answer: closed
  EXPECT_EQ(WaitFor(*source, [](const NetStats& now) { return now.clients == 0; }).timeouts, 1u);
}

TEST(WebSocketServer, ClosesAHandshakeThatNeverEnds) {
  NetOptions options = Server(NetProtocol::kWebSocket);
  options.idle_timeout_ms = 100;
  const auto source = StartSource(options);
  TestSocket client = TestSocket::Connect(source->port());
  client.Send("GET / HT");
  EXPECT_EQ(client.Receive(), "");
  EXPECT_EQ(WaitFor(*source, [](const NetStats& now) { return now.clients == 0; }).timeouts, 1u);
}

TEST(WebSocketServer, SaysGoodbyeWhenItStops) {
  auto source = StartSource(Server(NetProtocol::kWebSocket));
  TestSocket client = ConnectWebSocket(source->port());
  WaitFor(*source, [](const NetStats& stats) { return stats.clients == 1; });
  client.Send(Frame(1, "x"));
  PullMessage(*source);
  source.reset();
  EXPECT_EQ(client.Receive(), Frame(8, "\x03\xe9", Masking::kOff));  // 1001, going away
}

TEST(WebSocketClient, GivesUpOnAServerThatIsNone) {
  TestSocket listener = TestSocket::Listen();
  NetOptions options = Server(NetProtocol::kWebSocket);
  options.mode = NetMode::kClient;
  options.port = listener.port();
  options.reconnect_ms = 0;
  const auto source = StartSource(options);
  TestSocket server = listener.Accept();
  server.ReceiveUntil("\r\n\r\n");
  server.Send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_NE(PullKind(*source, NetEvent::Kind::kFailed).text.find("malformed handshake"),
            std::string::npos);
}

TEST(UdpServer, TakesDatagramsOfSeveralSenders) {
  NetOptions options = Server(NetProtocol::kUdp);
  options.max_clients = 2;
  const auto source = StartSource(options);
  TestSocket a = TestSocket::Udp(source->port(), 1), b = TestSocket::Udp(source->port(), 2),
             c = TestSocket::Udp(source->port(), 3);
  a.Send("a");
  EXPECT_EQ(PullMessage(*source).bytes, "a\n");
  b.Send("b1\nb2\n");
  EXPECT_EQ(PullMessage(*source).bytes, "b1\nb2\n");
  c.Send("one too many");
  WaitFor(*source, [](const NetStats& stats) { return stats.refused == 1; });
  TestSocket::Udp(source->port(), 1).Send("another port of a");
  EXPECT_EQ(PullMessage(*source).bytes, "another port of a\n");
  EXPECT_EQ(source->stats().connections, 2u);
}

TEST(UdpServer, SkipsWhatIsTooLongOrTooMuch) {
  NetOptions options = Server(NetProtocol::kUdp);
  options.max_message_bytes = 500;
  options.max_rate = 1000;
  const auto source = StartSource(options);
  TestSocket client = TestSocket::Udp(source->port());
  client.Send(std::string(501, 'x'));
  WaitFor(*source, [](const NetStats& stats) { return stats.oversize == 1; });
  for (int i = 0; i < 9; ++i) client.Send(std::string(500, 'x'));
  const NetStats stats =
      WaitFor(*source, [](const NetStats& now) { return now.rate_limited + now.messages == 9; });
  EXPECT_GE(stats.rate_limited, 1u);
  EXPECT_GE(stats.messages, 1u);
  EXPECT_TRUE(PullMessage(*source).after_loss);
}

}  // namespace
}  // namespace rill

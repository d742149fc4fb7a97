// TCP and what all protocols share; WebSocket, UDP and stopping have files of their own.
#include "pipeline/net_source.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <random>
#include <tuple>
#include <vector>

#include "tests/pipeline/net_peers.h"
#include "tests/pipeline/net_pull.h"

namespace rill {
namespace {

using Kind = NetEvent::Kind;

class RoundTrip : public testing::TestWithParam<std::tuple<NetProtocol, NetMode>> {};

TEST_P(RoundTrip, DeliversWhatWasSent) {
  NetOptions options;
  std::tie(options.protocol, options.mode) = GetParam();
  const bool server = options.mode == NetMode::kServer;
  const bool udp = options.protocol == NetProtocol::kUdp;
  TestSocket listener;
  if (!server) listener = udp ? TestSocket::Udp() : TestSocket::Listen();
  if (!server) options.port = listener.port();
  const auto source = StartSource(options);
  ASSERT_TRUE(source);
  EXPECT_NE(source->port(), 0u);

  TestSocket peer;
  const auto masking = server ? Masking::kOn : Masking::kOff;
  if (udp) {
    peer = server ? TestSocket::Udp(source->port()) : std::move(listener);
    if (!server) peer.Answer();
  } else if (options.protocol == NetProtocol::kWebSocket) {
    peer = server ? ConnectWebSocket(source->port()) : listener.Accept();
    if (!server) AcceptWebSocket(peer);
  } else {
    peer = server ? TestSocket::Connect(source->port()) : listener.Accept();
  }
  for (const std::string text : {"{\"a\":1}\n", "two\nthree\n", "four"}) {
    if (options.protocol == NetProtocol::kWebSocket) {
      peer.Send(Frame(1, text, masking));
    } else {
      peer.Send(text);
    }
  }
  if (options.protocol == NetProtocol::kTcp) peer.Close();
  EXPECT_EQ(PullBytes(*source, 23), "{\"a\":1}\ntwo\nthree\nfour\n");
  const NetStats stats = source->stats();
  EXPECT_EQ(stats.connections, 1u);
  EXPECT_EQ(stats.bytes, 23u);
  EXPECT_EQ(stats.dropped + stats.malformed + stats.oversize, 0u);
}

std::string CaseName(const testing::TestParamInfo<RoundTrip::ParamType>& info) {
  const char* const protocols[] = {"Tcp", "Udp", "WebSocket"};
  const char* const modes[] = {"Server", "Client"};
  return std::string(protocols[static_cast<int>(std::get<0>(info.param))]) +
         modes[static_cast<int>(std::get<1>(info.param))];
}

INSTANTIATE_TEST_SUITE_P(Cases, RoundTrip,
                         testing::Combine(testing::Values(NetProtocol::kTcp, NetProtocol::kUdp,
                                                          NetProtocol::kWebSocket),
                                          testing::Values(NetMode::kServer, NetMode::kClient)),
                         CaseName);

TEST(NetSource, StampsArrival) {
  const auto source = StartSource({});
  const int64_t before = SteadyNow();
  TestSocket client = TestSocket::Connect(source->port());
  client.Send("x\n");
  const NetMessage message = PullMessage(*source);
  EXPECT_GE(message.arrival_ns, before);
  EXPECT_LE(message.arrival_ns, SteadyNow());
  EXPECT_GT(message.unix_ns, int64_t{1'600'000'000} * 1'000'000'000);
}

TEST(NetSource, NeverMixesLinesOfSeveralClients) {
  constexpr int kClients = 8, kLines = 1000;
  NetOptions options;
  options.drop_policy = DropPolicy::kBlock;
  const auto source = StartSource(options);
  std::vector<std::thread> senders;
  for (int id = 0; id < kClients; ++id) {
    senders.emplace_back([id, port = source->port()] {
      TestSocket client = TestSocket::Connect(port);
      std::mt19937 random(static_cast<unsigned>(id));
      std::string text;
      for (int line = 0; line < kLines; ++line)
        text += std::to_string(id) + " " + std::to_string(line) +
                std::string(random() % 50, static_cast<char>('a' + id)) + "\n";
      for (size_t at = 0; at < text.size();) {
        const size_t piece = random() % 300 + 1;
        client.Send(std::string_view(text).substr(at, piece));
        at += piece;
      }
    });
  }
  std::map<int, int> next;
  for (int got = 0; got < kClients * kLines && !HasFailure();) {
    const std::string message = PullMessage(*source).bytes;
    for (size_t at = 0; at < message.size(); ++got) {
      const size_t end = message.find('\n', at);
      ASSERT_NE(end, std::string::npos);
      const std::string line = message.substr(at, end - at);
      const int id = line[0] - '0';
      ASSERT_EQ(std::stoi(line.substr(2)), next[id]++) << line;
      ASSERT_EQ(line.find_first_not_of(static_cast<char>('a' + id),
                                       line.find_first_not_of("0123456789", 2)),
                std::string::npos)
          << line;
      at = end + 1;
    }
  }
  for (std::thread& sender : senders) sender.join();
}

TEST(NetSource, RefusesClientsBeyondTheMost) {
  NetOptions options;
  options.max_clients = 2;
  const auto source = StartSource(options);
  TestSocket a = TestSocket::Connect(source->port()), b = TestSocket::Connect(source->port());
  WaitFor(*source, [](const NetStats& stats) { return stats.clients == 2; });
  TestSocket c = TestSocket::Connect(source->port());
  EXPECT_EQ(c.Receive(), "");
  EXPECT_EQ(source->stats().refused, 1u);
  EXPECT_NE(PullKind(*source, Kind::kNotice).text.find("2 clients already"), std::string::npos);
  a.Close();
  WaitFor(*source, [](const NetStats& stats) { return stats.clients == 1; });
  TestSocket d = TestSocket::Connect(source->port());
  d.Send("in\n");
  EXPECT_EQ(PullMessage(*source).bytes, "in\n");
}

TEST(NetSource, StaysWithinItsBoundsUnderAFlood) {
  for (const DropPolicy policy : {DropPolicy::kDropOldest, DropPolicy::kDropNewest}) {
    NetOptions options;
    options.queue_messages = 10;
    options.queue_bytes = 100'000;
    options.max_message_bytes = 1000;
    options.drop_policy = policy;
    const auto source = StartSource(options);
    TestSocket client = TestSocket::Connect(source->port());
    std::string text;
    for (int i = 0; i < 100'000; ++i)
      text += "line " + std::to_string(i) + std::string(20, '.') + "\n";
    client.Send(text);
    client.Close();
    const NetStats stats = WaitFor(
        *source, [](const NetStats& now) { return now.connections == 1 && now.clients == 0; });
    EXPECT_LE(stats.queued_messages, 10u);
    EXPECT_LE(stats.queued_bytes, 100'000u);
    EXPECT_GT(stats.dropped, 1000u);
    EXPECT_NE(PullKind(*source, Kind::kNotice).text.find("dropped"), std::string::npos);
    std::string kept;
    const NetMessage first = PullMessage(*source);
    EXPECT_EQ(first.after_loss, policy == DropPolicy::kDropOldest);
    kept = first.bytes;
    for (uint64_t i = 1; i < stats.queued_messages; ++i) {
      const NetMessage next = PullMessage(*source);
      EXPECT_FALSE(next.after_loss);
      kept += next.bytes;
    }
    EXPECT_EQ(kept, policy == DropPolicy::kDropOldest ? text.substr(text.size() - kept.size())
                                                      : text.substr(0, kept.size()));
    TestSocket again = TestSocket::Connect(source->port());
    again.Send("after\n");
    const NetMessage after = PullMessage(*source);
    EXPECT_EQ(after.bytes, "after\n");
    EXPECT_EQ(after.after_loss, policy == DropPolicy::kDropNewest);
  }
}

TEST(NetSource, HoldsTheSenderBackWhenItBlocks) {
  NetOptions options;
  options.queue_messages = 3;
  options.drop_policy = DropPolicy::kBlock;
  const auto source = StartSource(options);
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += std::to_string(i) + ",0.25\n";
  std::thread sender([&] { TestSocket::Connect(source->port()).Send(text); });
  EXPECT_TRUE(PullBytes(*source, text.size()) == text);
  sender.join();
  EXPECT_EQ(source->stats().dropped, 0u);
}

TEST(NetSource, SkipsALineWithoutEnd) {
  NetOptions options;
  options.max_message_bytes = 1 << 16;
  const auto source = StartSource(options);
  TestSocket client = TestSocket::Connect(source->port());
  const auto resident = [] {
    std::ifstream status("/proc/self/statm");
    int64_t pages = 0;
    status >> pages >> pages;
    return pages * 4096;
  };
  client.Send("first\n");
  EXPECT_EQ(PullMessage(*source).bytes, "first\n");
  const std::string piece(1 << 20, 'x');
  const int64_t before = resident();
  for (int i = 0; i < 64; ++i) client.Send(piece);
  client.Send("\nlast\n");
  const NetMessage last = PullMessage(*source);
  EXPECT_EQ(last.bytes, "last\n");
  EXPECT_TRUE(last.after_loss);
  EXPECT_EQ(source->stats().oversize, 1u);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(resident() - before, 8 << 20);
#else
  static_cast<void>(before);
#endif
}

TEST(NetSource, PausesAClientAboveItsRate) {
  NetOptions options;
  options.max_rate = 400'000;
  const auto source = StartSource(options);
  std::string text;
  for (int i = 0; i < 60'000; ++i) text += "0123456\n";
  std::thread sender([&] { TestSocket::Connect(source->port()).Send(text); });
  EXPECT_TRUE(PullBytes(*source, text.size()) == text);
  sender.join();
  EXPECT_GE(source->stats().rate_limited, 1u);
}

TEST(NetSource, ClosesASilentClient) {
  NetOptions options;
  options.idle_timeout_ms = 100;
  const auto source = StartSource(options);
  TestSocket client = TestSocket::Connect(source->port());
  client.Send("half a li");
  EXPECT_EQ(client.Receive(), "");
  const NetStats stats = WaitFor(*source, [](const NetStats& now) { return now.clients == 0; });
  EXPECT_EQ(stats.timeouts, 1u);
  EXPECT_EQ(stats.malformed, 1u);
  EXPECT_EQ(stats.messages, 0u);
}

TEST(NetSource, ForgetsTheLineOfABrokenConnection) {
  const auto source = StartSource({});
  TestSocket client = TestSocket::Connect(source->port());
  client.Send("whole\npart");
  EXPECT_EQ(PullMessage(*source).bytes, "whole\n");
  client.Reset();
  WaitFor(*source, [](const NetStats& stats) { return stats.clients == 0; });
  EXPECT_EQ(source->stats().malformed, 1u);
}

TEST(NetSource, SaysWhyItCannotStart) {
  const auto first = StartSource({});
  NetOptions options;
  options.port = first->port();
  const auto why = [&] {
    const auto source = NetSource::Start(options);
    EXPECT_FALSE(source);
    return source ? "" : source.error().message;
  };
  EXPECT_EQ(why(), "cannot listen on 127.0.0.1 port " + std::to_string(options.port) +
                       ": Address already in use");
  options.protocol = NetProtocol::kUdp;
  options.host = "203.0.113.7";  // of no machine, RFC 5737
  EXPECT_EQ(why(), "cannot listen on 203.0.113.7 port " + std::to_string(options.port) +
                       ": Cannot assign requested address");
  options.host = "no.such.host";
  EXPECT_EQ(why(),
            "a server needs a numeric address of this machine or localhost, not no.such.host");
  options.port = 70'000;
  EXPECT_EQ(why(), "port 70000 is above 65535");
  options.port = 0;
  options.mode = NetMode::kClient;
  EXPECT_EQ(why(), "a client needs the port of the server at no.such.host");
  options.mode = NetMode::kServer;
  options.queue_bytes = 10;
  EXPECT_EQ(why(), "a queue of 10 bytes cannot hold a message of 1048576, the longest allowed");
}

TEST(NetSource, MapsArrivalToRunningTime) {
  EXPECT_EQ(ArrivalRunningTime(900, 1000, 5000, 0), 4900);
  EXPECT_EQ(ArrivalRunningTime(900, 1000, 50, 0), 0);          // before the clock ran
  EXPECT_EQ(ArrivalRunningTime(900, 1000, 5000, 4950), 4950);  // after a pause
}

}  // namespace
}  // namespace rill

// Client mode: coming back, giving up; and stopping, promptly and without remains.
#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <iterator>
#include <vector>

#include "tests/pipeline/net_peers.h"
#include "tests/pipeline/net_pull.h"

namespace rill {
namespace {

using Kind = NetEvent::Kind;

NetOptions Client(uint32_t port, uint32_t reconnect_ms) {
  NetOptions options;
  options.mode = NetMode::kClient;
  options.port = port;
  options.reconnect_ms = reconnect_ms;
  options.reconnect_max_ms = 4 * reconnect_ms;
  return options;
}

TEST(NetClient, ComesBackWhenTheServerDoes) {
  TestSocket listener = TestSocket::Listen();
  const uint32_t port = listener.port();
  const auto source = StartSource(Client(port, 10));
  TestSocket server = listener.Accept();
  server.Send("one\n");
  EXPECT_EQ(PullMessage(*source).bytes, "one\n");
  listener.Close();
  server.Reset();
  EXPECT_NE(PullKind(*source, Kind::kNotice).text.find("; trying again in 10 ms"),
            std::string::npos);
  listener = TestSocket::Listen(port);
  server = listener.Accept();
  server.Send("two\n");
  const NetMessage two = PullMessage(*source);
  EXPECT_EQ(two.bytes, "two\n");
  EXPECT_TRUE(two.after_loss);
  EXPECT_EQ(source->stats().reconnects, 1u);
}

TEST(NetClient, WaitsForAServerThatIsNotThereYet) {
  const uint32_t port = TestSocket::Listen().port();
  const auto source = StartSource(Client(port, 10));
  EXPECT_NE(PullKind(*source, Kind::kNotice).text.find("Connection refused"), std::string::npos);
  TestSocket listener = TestSocket::Listen(port);
  listener.Accept().Send("late\n");
  EXPECT_EQ(PullMessage(*source).bytes, "late\n");
}

TEST(NetClient, EndsWithTheServerWhenItShallNotComeBack) {
  TestSocket listener = TestSocket::Listen();
  const auto source = StartSource(Client(listener.port(), 0));
  listener.Accept().Send("one\ntwo");
  EXPECT_EQ(PullBytes(*source, 8), "one\ntwo\n");
  EXPECT_EQ(PullKind(*source, Kind::kEnded).text, "");
  EXPECT_EQ(PullKind(*source, Kind::kEnded).text, "");  // and stays so
}

TEST(NetClient, FailsWithoutAServerWhenItShallNotComeBack) {
  NetOptions options = Client(TestSocket::Listen().port(), 0);
  const std::string place = "127.0.0.1 port " + std::to_string(options.port);
  EXPECT_EQ(PullKind(*StartSource(options), Kind::kFailed).text,
            "cannot connect to " + place + ": Connection refused");
  options.protocol = NetProtocol::kUdp;
  EXPECT_EQ(PullKind(*StartSource(options), Kind::kFailed).text,
            "cannot reach " + place + ": Connection refused");
  options.protocol = NetProtocol::kTcp;
  options.host = "sensor.example";
  options.resolve = [](const std::string& host) { return Error{"no address of " + host}; };
  EXPECT_EQ(PullKind(*StartSource(options), Kind::kFailed).text, "no address of sensor.example");
}

TEST(NetClient, TriesEveryAddressOfAName) {
  TestSocket listener = TestSocket::Listen();
  NetOptions options = Client(listener.port(), 0);
  options.host = "sensor.example";
  options.resolve = [](const std::string&) { return std::vector<std::string>{"::1", "127.0.0.1"}; };
  const auto source = StartSource(options);
  listener.Accept().Send("found\n");
  EXPECT_EQ(PullMessage(*source).bytes, "found\n");
}

TEST(NetClient, RepeatsItsHelloOverUdp) {
  TestSocket server = TestSocket::Udp();
  NetOptions options = Client(server.port(), 10);
  options.protocol = NetProtocol::kUdp;
  const auto source = StartSource(options);
  EXPECT_EQ(server.Receive(), "");
  EXPECT_EQ(server.Receive(), "");
  server.Answer();
  server.Send("heard");
  EXPECT_EQ(PullMessage(*source).bytes, "heard\n");
}

// Each brings a source into a state, and then it is stopped. The guard is far above what a stop
// takes and below every timeout it could have waited for.
class Stop : public testing::Test {
 protected:
  void Check(std::unique_ptr<NetSource> source) {
    ASSERT_TRUE(source);
    const auto start = std::chrono::steady_clock::now();
    source.reset();
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
  }
};

TEST_F(Stop, WhileListening) {
  for (const auto protocol : {NetProtocol::kTcp, NetProtocol::kUdp, NetProtocol::kWebSocket}) {
    NetOptions options;
    options.protocol = protocol;
    Check(StartSource(options));
  }
}

TEST_F(Stop, WhileConnected) {
  auto source = StartSource({});
  TestSocket client = TestSocket::Connect(source->port());
  WaitFor(*source, [](const NetStats& stats) { return stats.clients == 1; });
  Check(std::move(source));
  EXPECT_EQ(client.Receive(), "");
}

TEST_F(Stop, WhileConnecting) {
  // A full backlog: the kernel lets the next one wait.
  TestSocket listener = TestSocket::Listen(0, 0);
  TestSocket waiting = TestSocket::Connect(listener.port());
  auto source = StartSource(Client(listener.port(), 1000));
  EXPECT_EQ(source->Pull(std::chrono::milliseconds(50)).kind, Kind::kTimeout);
  Check(std::move(source));
}

TEST_F(Stop, WhileResolving) {
  std::promise<void> asked, answer, over;
  NetOptions options = Client(1, 1000);
  options.host = "sensor.example";
  options.resolve = [&](const std::string&) -> Result<std::vector<std::string>> {
    asked.set_value();
    answer.get_future().wait();
    over.set_value();
    return std::vector<std::string>{"127.0.0.1"};
  };
  auto source = StartSource(options);
  asked.get_future().wait();
  Check(std::move(source));
  answer.set_value();
  over.get_future().wait();
}

TEST_F(Stop, WhileWaitingToReconnect) {
  auto source = StartSource(Client(TestSocket::Listen().port(), 3'600'000));
  EXPECT_EQ(PullKind(*source, Kind::kNotice).kind, Kind::kNotice);
  Check(std::move(source));
}

TEST_F(Stop, WhileHoldingSendersBack) {
  NetOptions options;
  options.queue_messages = 1;
  options.drop_policy = DropPolicy::kBlock;
  auto source = StartSource(options);
  TestSocket client = TestSocket::Connect(source->port());
  client.Send("one\n");
  WaitFor(*source, [](const NetStats& stats) { return stats.queued_messages == 1; });
  client.Send("two\n");
  Check(std::move(source));
}

TEST_F(Stop, WhilePausedByTheRate) {
  NetOptions options;
  options.max_rate = 1;
  auto source = StartSource(options);
  TestSocket client = TestSocket::Connect(source->port());
  client.Send("far too much for one second\n");
  WaitFor(*source, [](const NetStats& stats) { return stats.rate_limited == 1; });
  Check(std::move(source));
}

TEST(Interrupt, WakesPullAndLosesNothing) {
  const auto source = StartSource({});
  std::thread puller([&] { EXPECT_EQ(source->Pull().kind, Kind::kInterrupted); });
  source->Interrupt(true);
  puller.join();
  TestSocket client = TestSocket::Connect(source->port());
  client.Send("kept\n");
  WaitFor(*source, [](const NetStats& stats) { return stats.messages == 1; });
  EXPECT_EQ(source->Pull().kind, Kind::kInterrupted);
  source->Interrupt(false);
  EXPECT_EQ(PullMessage(*source).bytes, "kept\n");
}

TEST(Remains, NoThreadsAndNoDescriptors) {
  const auto count = [](const char* folder) {
    return std::distance(std::filesystem::directory_iterator(folder), {});
  };
  const auto descriptors = count("/proc/self/fd");
  const auto threads = count("/proc/self/task");
  for (int i = 0; i < 10; ++i) {
    for (const auto protocol : {NetProtocol::kTcp, NetProtocol::kUdp, NetProtocol::kWebSocket}) {
      NetOptions options;
      options.protocol = protocol;
      const auto server = StartSource(options);
      NetOptions dial = Client(protocol == NetProtocol::kUdp ? 9 : server->port(), 5);
      dial.protocol = protocol;
      const auto client = StartSource(dial);
      if (protocol != NetProtocol::kUdp)
        WaitFor(*server, [](const NetStats& stats) { return stats.clients > 0; });
    }
  }
  // A thread that was joined may be listed for a moment longer.
  for (int i = 0; i < 1000 && count("/proc/self/task") > threads; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(count("/proc/self/fd"), descriptors);
  EXPECT_LE(count("/proc/self/task"), threads);
}

}  // namespace
}  // namespace rill

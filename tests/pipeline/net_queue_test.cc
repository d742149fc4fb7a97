#include "pipeline/net_queue.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace rill {
namespace {

bool Offer(NetQueue& queue, const std::string& bytes) {
  NetMessage message{bytes};
  return queue.Offer(message);
}

// Messages until there are none, a loss shown as "!" in front; notices left out.
std::vector<std::string> Drain(NetQueue& queue) {
  std::vector<std::string> got;
  while (true) {
    const NetEvent event = queue.Pull(std::chrono::nanoseconds(0));
    if (event.kind == NetEvent::Kind::kTimeout) return got;
    if (event.kind == NetEvent::Kind::kMessage)
      got.push_back((event.message.after_loss ? "!" : "") + event.message.bytes);
  }
}

using Strings = std::vector<std::string>;

TEST(NetQueue, DropsTheOldest) {
  NetQueue queue(3, 1000, DropPolicy::kDropOldest);
  for (const char* text : {"a", "b", "c", "d", "e"}) EXPECT_TRUE(Offer(queue, text));
  EXPECT_EQ(Drain(queue), (Strings{"!c", "d", "e"}));
  NetStats stats;
  queue.Count(stats);
  EXPECT_EQ(stats.dropped, 2u);
  EXPECT_EQ(stats.messages, 5u);
  EXPECT_EQ(stats.queued_messages, 0u);
}

TEST(NetQueue, DropsTheNewest) {
  NetQueue queue(2, 1000, DropPolicy::kDropNewest);
  for (const char* text : {"a", "b", "c"}) EXPECT_TRUE(Offer(queue, text));
  EXPECT_EQ(Drain(queue), (Strings{"a", "b"}));
  Offer(queue, "d");
  EXPECT_EQ(Drain(queue), (Strings{"!d"}));
}

TEST(NetQueue, BoundsBytes) {
  NetQueue queue(100, 10, DropPolicy::kDropOldest);
  for (const char* text : {"1234", "5678", "90", "abc"}) Offer(queue, text);
  EXPECT_EQ(Drain(queue), (Strings{"!5678", "90", "abc"}));
  Offer(queue, "x");
  Offer(queue, "longer than all");
  EXPECT_EQ(Drain(queue), (Strings{"!longer than all"}));
}

TEST(NetQueue, TellsOnceWhenThereIsRoomAgain) {
  NetQueue queue(1, 1000, DropPolicy::kBlock);
  int calls = 0;
  queue.on_room = [&] { ++calls; };
  NetMessage second{"b"};
  EXPECT_TRUE(Offer(queue, "a"));
  EXPECT_FALSE(queue.Offer(second));
  EXPECT_FALSE(queue.Offer(second));
  EXPECT_EQ(second.bytes, "b");
  EXPECT_EQ(Drain(queue), (Strings{"a"}));
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(queue.Offer(second));
  EXPECT_EQ(Drain(queue), (Strings{"b"}));
  EXPECT_EQ(calls, 1);
}

TEST(NetQueue, KeepsNoticesRare) {
  NetQueue queue(1, 1000, DropPolicy::kDropOldest);
  for (int i = 0; i < 1000; ++i) queue.Notify("notice " + std::to_string(i));
  const NetEvent first = queue.Pull(std::chrono::nanoseconds(0));
  EXPECT_EQ(first.text, "notice 0");
  queue.Notify("at once");
  EXPECT_EQ(queue.Pull(std::chrono::nanoseconds(0)).kind, NetEvent::Kind::kTimeout);
}

TEST(NetQueue, EndsAfterTheLastMessage) {
  NetQueue queue(10, 1000, DropPolicy::kDropOldest);
  Offer(queue, "a");
  queue.Fail({"the reason"});
  queue.End();  // the first word counts
  EXPECT_EQ(queue.Pull({}).message.bytes, "a");
  for (int i = 0; i < 2; ++i) {
    const NetEvent event = queue.Pull({});
    EXPECT_EQ(event.kind, NetEvent::Kind::kFailed);
    EXPECT_EQ(event.text, "the reason");
  }
}

}  // namespace
}  // namespace rill

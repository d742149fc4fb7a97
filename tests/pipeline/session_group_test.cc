// Sessions that step together.
#include "tests/pipeline/sessions.h"

namespace rill::testing {
namespace {

TEST(SessionGroup, EqualsEachSessionAlone) {
  constexpr size_t kSessions = 64;
  SessionGroup group(TinyModel(), kSessions);
  Random random(10);
  std::vector<Session*> grouped;
  std::vector<Session> alone;
  std::vector<std::vector<TimedRow>> rows;
  std::vector<size_t> next(kSessions);
  for (size_t i = 0; i < kSessions; ++i) {
    const SessionOptions options{1 + i % 3, 5, 0};
    grouped.push_back(*group.Open(options));
    alone.push_back(*Session::Open(TinyModel(), options));
    rows.push_back(Rows(60, options.channels, 100 + i));
  }
  for (int round = 0; round < 200; ++round) {
    for (size_t i = 0; i < kSessions; ++i) {
      if (random.Below(3) == 0 || next[i] == rows[i].size()) continue;
      const TimedRow& row = rows[i][next[i]++];
      ASSERT_TRUE(group.Push(*grouped[i], row.time_ns, row.values));
      ASSERT_TRUE(alone[i].Push(row.time_ns, row.values));
    }
    ASSERT_TRUE(group.Run());
    for (size_t i = 0; i < kSessions; ++i) {
      const auto got = grouped[i]->Pull(), want = alone[i].Pull();
      ASSERT_EQ(got.has_value(), want.has_value());
      if (got) {
        ASSERT_EQ(got->values, want->values);
      }
    }
  }
  for (size_t i = 0; i < kSessions; ++i) EXPECT_EQ(grouped[i]->Save(), alone[i].Save());
}

TEST(SessionGroup, ABrokenSessionDoesNotTouchTheOthers) {
  SessionGroup group(TinyModel(), 3);
  std::vector<Session*> grouped;
  std::vector<Session> alone;
  const std::vector<TimedRow> rows = Rows(40, 1, 3);
  for (int i = 0; i < 3; ++i) {
    grouped.push_back(*group.Open({1, 5, 0}));
    alone.push_back(Open(1, 5));
  }
  ASSERT_TRUE(grouped[1]->Restore(NearlyInfinite()));
  size_t failures = 0;
  for (size_t t = 0; t < rows.size(); ++t) {
    for (const size_t i : {0, 1, 2}) {
      if (i == 1 && t < 4) continue;
      const Result<void> pushed = group.Push(*grouped[i], rows[t].time_ns, rows[t].values);
      EXPECT_TRUE(pushed || i == 1);
      if (i == 1) continue;
      ASSERT_TRUE(alone[i].Push(rows[t].time_ns, rows[t].values));
    }
    if (!group.Run()) ++failures;
    for (const size_t i : {0, 2}) {
      const auto got = grouped[i]->Pull(), want = alone[i].Pull();
      ASSERT_EQ(got.has_value(), want.has_value());
      EXPECT_EQ(got ? got->values : std::vector<float>(),
                want ? want->values : std::vector<float>());
    }
  }
  EXPECT_GT(failures, 0u);
  EXPECT_FALSE(grouped[1]->Peek(1));
  for (const size_t i : {0, 2}) EXPECT_EQ(grouped[i]->Save(), alone[i].Save());
}

TEST(SessionGroup, StaysWithinADeclaredContext) {
  SessionGroup group(FullAttentionModel(), 1);
  Session& session = **group.Open({1, 0, 0});
  const double value = 1;
  for (const int64_t t : {0, 1}) {
    ASSERT_TRUE(group.Push(session, t, {&value, 1}));
    ASSERT_TRUE(group.Run());
  }
  ASSERT_TRUE(
      group.Push(session, 9, {&value, 1}));  // seven absent rows: eight frames for one place
  EXPECT_EQ(group.Run().error().message,
            "full.gguf: the declared context has room for 0 more frames, 1 came: reset the "
            "stream, declare a longer one, or a window and sinks");
}

TEST(SessionGroup, AdmitsNoMoreThanAgreed) {
  SessionGroup group(TinyModel(), 2);
  Session* first = *group.Open({1, 0, 0});
  ASSERT_TRUE(group.Open({1, 0, 0}));
  EXPECT_EQ(group.Open({1, 0, 0}).error().message, "all 2 sessions of the group are in use");
  group.Close(first);
  EXPECT_TRUE(group.Open({1, 0, 0}));
}

}  // namespace
}  // namespace rill::testing

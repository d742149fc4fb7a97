// Loops shared by a few threads: every part once, and no waiting for a core that others have.
#include "operators/core/workers.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <time.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <thread>
#include <vector>

namespace rill::testing {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Keeps the core for so long, by the thread's own time.
void Compute(milliseconds time) {
  const auto now = [] {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
  };
  for (const auto end = now() + time; now() < end;) {
  }
}

TEST(Workers, DoEveryPartOnceInManyLoops) {
  Workers workers(3);
  for (size_t loop = 0; loop < 2000; ++loop) {
    const size_t parts = loop % 37;
    std::vector<std::atomic<int>> done(parts);
    workers.Run(parts, [&](size_t i, size_t thread) {
      EXPECT_LT(thread, workers.threads());
      done[i].fetch_add(1);
    });
    for (const auto& count : done) ASSERT_EQ(count.load(), 1) << "loop " << loop;
  }
}

TEST(Workers, TellALateHelperFromALongPart) {
  EXPECT_TRUE(Workers::LostItsCore(milliseconds(1), milliseconds(4), milliseconds(0)));
  EXPECT_FALSE(Workers::LostItsCore(milliseconds(1), milliseconds(4), milliseconds(4)));
  EXPECT_FALSE(Workers::LostItsCore(milliseconds(9), milliseconds(4), milliseconds(0)));
  const std::chrono::microseconds none(0), few(100);
  EXPECT_FALSE(Workers::LostItsCore(none, few, none));
}

// A loop in which a helper does `part`, begun when the caller no longer does without one.
template <typename Part>
void HaveHelped(Workers& workers, const Part& part) {
  std::this_thread::sleep_for(milliseconds(30));
  const Clock::time_point end = Clock::now() + std::chrono::seconds(10);
  std::atomic<bool> helping{false};
  workers.Run(2, [&](size_t, size_t thread) {
    if (thread == 0) {
      while (!helping && Clock::now() < end) std::this_thread::yield();
    } else if (!helping.exchange(true)) {
      part();
    }
  });
}

bool Helped(Workers& workers) {
  std::atomic<size_t> others{0};
  workers.Run(2, [&](size_t, size_t thread) {
    others += thread != 0;
    std::this_thread::sleep_for(milliseconds(1));
  });
  return others > 0;
}

// Tries until it is so: whatever else the machine does, some time it leaves the threads alone.
template <typename Attempt>
bool Sometime(const Attempt& attempt) {
  const Clock::time_point end = Clock::now() + std::chrono::seconds(60);
  do {
    if (attempt()) return true;
  } while (Clock::now() < end);
  return false;
}

TEST(Workers, DoWithoutAHelperThatKeptThemWaitingAndComeBackToIt) {
  Workers workers(2);
  ASSERT_EQ(workers.threads(), 2u);
  EXPECT_TRUE(Sometime([&] {
    HaveHelped(workers, [] { std::this_thread::sleep_for(milliseconds(100)); });
    for (int i = 0; i < 5; ++i)
      if (Helped(workers)) return false;
    return true;
  }));
  EXPECT_TRUE(Sometime([&] { return Helped(workers); }));
}

TEST(Workers, KeepAHelperWhosePartIsLong) {
  Workers workers(2);
  ASSERT_EQ(workers.threads(), 2u);
  EXPECT_TRUE(Sometime([&] {
    HaveHelped(workers, [] { Compute(milliseconds(5)); });
    return Helped(workers);
  }));
}

TEST(Workers, DoWithTheThreadsThereAre) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer needs memory of its own for a thread";
#endif
  struct Limit {  // no room for the stack of another thread
    Limit() {
      getrlimit(RLIMIT_AS, &before);
      rlimit none = before;
      none.rlim_cur = 1;
      setrlimit(RLIMIT_AS, &none);
    }
    ~Limit() { setrlimit(RLIMIT_AS, &before); }
    rlimit before{};
  };
  std::optional<Workers> workers;
  {
    const Limit limit;
    workers.emplace(16);
  }
  EXPECT_LT(workers->threads(), 16u);
  std::atomic<size_t> total{0};
  workers->Run(100, [&](size_t, size_t) { ++total; });
  EXPECT_EQ(total, 100u);
}

TEST(Workers, ServeSeveralCallersAtOnce) {
  Workers workers(2);
  std::vector<std::thread> callers;
  callers.reserve(3);
  std::atomic<size_t> total{0};
  for (int c = 0; c < 3; ++c)
    callers.emplace_back([&] {
      for (int loop = 0; loop < 500; ++loop)
        workers.Run(11, [&](size_t, size_t) { total.fetch_add(1); });
    });
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(total.load(), 3u * 500 * 11);
}

}  // namespace
}  // namespace rill::testing

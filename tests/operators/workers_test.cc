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

// A loop in which a helper does `part`, begun when the caller no longer does without one.
template <typename Part>
void HaveHelped(Workers& workers, const Part& part) {
  std::this_thread::sleep_for(milliseconds(30));
  std::atomic<bool> helping{false};
  workers.Run(2, [&](size_t, size_t thread) {
    if (thread == 0) {
      while (!helping) std::this_thread::yield();
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

TEST(Workers, DoWithoutAHelperThatKeptThemWaitingAndComeBackToIt) {
  Workers workers(2);
  // On a machine where the caller loses its core as well the test tries again.
  bool alone = false;
  for (int attempt = 0; attempt < 20 && !alone; ++attempt) {
    HaveHelped(workers, [] { std::this_thread::sleep_for(milliseconds(300)); });
    alone = !Helped(workers);
  }
  EXPECT_TRUE(alone);
  // However long the helper was away, the caller asks again soon.
  const Clock::time_point end = Clock::now() + std::chrono::seconds(60);
  bool back = false;
  while (!back && Clock::now() < end) back = Helped(workers);
  EXPECT_TRUE(back);
}

TEST(Workers, KeepAHelperWhosePartIsLong) {
  Workers workers(2);
  for (int i = 0; i < 10; ++i) {
    HaveHelped(workers, [] { Compute(milliseconds(5)); });
    // Late only if the machine took its core meanwhile, which is not so ten times in a row.
    if (Helped(workers)) return;
  }
  ADD_FAILURE() << "a helper that computed all the time was done without";
}

TEST(Workers, DoWithTheThreadsThereAre) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer needs memory of its own for a thread";
#endif
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_AS, &before), 0);
  // No room for the stack of another thread.
  rlimit none = before;
  none.rlim_cur = 1;
  ASSERT_EQ(setrlimit(RLIMIT_AS, &none), 0);
  std::optional<Workers> workers;
  workers.emplace(16);
  ASSERT_EQ(setrlimit(RLIMIT_AS, &before), 0);
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

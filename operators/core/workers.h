// A few threads that share the parts of one loop, and sleep between loops.
//
// Every thread has its share of the parts, in order, so that it reads memory forwards; one that is
// done takes from the end of another's, so that one which something else on the machine slows down
// does fewer. Which thread computes a part is left to chance: a part must not depend on it.
//
// A thread that finds nothing to do looks again for some microseconds, as long as the gaps between
// the products of one step of a model, and then sleeps until the next loop.
//
// A helper whose core another program has taken keeps the part it holds, for milliseconds. When a
// loop took twice as long because one did not run, the caller does without helpers for 20 ms at
// most: half a core's help is worth less than such waits cost.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace rill {

class Workers {
 public:
  static constexpr size_t kMostThreads = 16;

  // 1 to kMostThreads `threads` with the caller's, 0: one a core; fewer where the system gives no
  // more. When every core is to have one, the helpers are pinned to one each.
  explicit Workers(size_t threads);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  size_t threads() const { return helpers_.size() + 1; }

  // Calls `part(i, thread)` once for every i below `parts`, thread below threads(), and returns
  // when all are done. From several threads at once, all but one do their parts alone, as thread 0.
  template <typename Part>
  void Run(size_t parts, const Part& part) {
    Share(
        parts,
        [](const void* context, size_t i, size_t thread) {
          (*static_cast<const Part*>(context))(i, thread);
        },
        &part);
  }

  using Duration = std::chrono::steady_clock::duration;
  // Whether a caller that had done its parts of a loop after `own` and then waited for the last
  // helper for `late`, of which that one ran for `ran`, waited for one that did not run.
  static bool LostItsCore(Duration own, Duration late, Duration ran);

 private:
  using Call = void (*)(const void* context, size_t i, size_t thread);
  void Share(size_t parts, Call call, const void* context);
  void Help(size_t thread);
  bool TakeOne(uint32_t loop, size_t thread);
  bool Take(size_t share, uint32_t loop, bool first, uint32_t& part);

  std::vector<std::thread> helpers_;
  std::mutex busy_;  // held by the thread whose loop runs
  // What is left of each thread's share: 16 bits of the loop's number, then the first part and the
  // end, 24 bits each. All change in one step, so a latecomer cannot take a part of a loop it does
  // not know.
  std::vector<std::atomic<uint64_t>> shares_;
  std::atomic<uint32_t> loop_{0};  // what sleepers wait on
  std::atomic<size_t> undone_{0};
  std::atomic<bool> stop_{false};
  using Clock = std::chrono::steady_clock;
  std::atomic<Clock::time_point> helped_{Clock::time_point()};  // when a helper last ended a part
  std::atomic<size_t> last_{1};                                 // which
  Clock::time_point alone_until_;                               // under busy_
  Call call_ = nullptr;
  const void* context_ = nullptr;
};

// The same without workers, on the caller's thread, when `workers` is null.
template <typename Part>
void RunParts(Workers* workers, size_t parts, const Part& part) {
  if (workers != nullptr && parts > 1) return workers->Run(parts, part);
  for (size_t i = 0; i < parts; ++i) part(i, 0);
}

}  // namespace rill

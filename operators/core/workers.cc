#include "operators/core/workers.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <exception>

namespace rill {
namespace {

constexpr auto kPatience = std::chrono::microseconds(50);
constexpr auto kLate = std::chrono::microseconds(500);    // below, nobody is late
constexpr auto kLongest = std::chrono::milliseconds(20);  // alone at a time
constexpr int kBits = 24;
constexpr uint32_t kMostParts = (1 << kBits) - 1;

constexpr uint64_t Packed(uint32_t loop, uint32_t begin, uint32_t end) {
  return uint64_t{loop & 0xffff} << (2 * kBits) | uint64_t{begin} << kBits | end;
}

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Looks for a while, then gives up: whether `done` came true.
template <typename Done>
bool LookFor(const Done& done) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < end)
    for (int i = 0; i < 32; ++i) {
      if (done()) return true;
      Pause();
    }
  return false;
}

// For how long a thread has had a core, since it began.
std::chrono::nanoseconds RunTime(std::thread& thread) {
  clockid_t clock{};
  timespec time{};
  if (pthread_getcpuclockid(thread.native_handle(), &clock) != 0) return {};
  clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

// Thread i to the i-th of the cores that the process may use, if they are no more than `threads`.
void Pin(std::thread& thread, size_t i, size_t threads) {
  cpu_set_t allowed, one;
  CPU_ZERO(&one);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  if (static_cast<size_t>(CPU_COUNT(&allowed)) > threads) return;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (!CPU_ISSET(core, &allowed) || i-- > 0) continue;
    CPU_SET(core, &one);
    pthread_setaffinity_np(thread.native_handle(), sizeof one, &one);
    return;
  }
}

}  // namespace

Workers::Workers(size_t threads)
    : shares_(std::clamp<size_t>(threads > 0 ? threads : std::thread::hardware_concurrency(), 1,
                                 kMostThreads)) {
  helpers_.reserve(shares_.size());
  for (size_t i = 1; i < shares_.size(); ++i) {
    try {
      helpers_.emplace_back([this, i] { Help(i); });
    } catch (const std::exception&) {  // no thread, or no memory for one
      return;  // the shares of those that are missing are taken by the others
    }
    Pin(helpers_.back(), i, shares_.size());
  }
}

Workers::~Workers() {
  stop_ = true;
  loop_.fetch_add(1);
  loop_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

bool Workers::Take(size_t share, uint32_t loop, bool first, uint32_t& part) {
  uint64_t now = shares_[share].load(std::memory_order_acquire), next = 0;
  do {
    const uint32_t begin = now >> kBits & kMostParts, end = now & kMostParts;
    if (now >> (2 * kBits) != (loop & 0xffff) || begin >= end) return false;
    part = first ? begin : end - 1;
    next = first ? Packed(loop, begin + 1, end) : Packed(loop, begin, end - 1);
  } while (!shares_[share].compare_exchange_weak(now, next, std::memory_order_acq_rel));
  return true;
}

bool Workers::TakeOne(uint32_t loop, size_t thread) {
  uint32_t part = 0;
  bool taken = Take(thread, loop, true, part);
  for (size_t other = 0; !taken && other < shares_.size(); ++other)
    taken = Take(other, loop, false, part);
  if (!taken) return false;
  call_(context_, part, thread);
  if (thread != 0) {
    helped_.store(Clock::now(), std::memory_order_relaxed);
    last_.store(thread, std::memory_order_relaxed);
  }
  undone_.fetch_sub(1, std::memory_order_acq_rel);
  return true;
}

void Workers::Help(size_t thread) {
  uint32_t seen = 0;
  while (!stop_) {
    LookFor([&] { return loop_.load(std::memory_order_acquire) != seen; });
    loop_.wait(seen, std::memory_order_acquire);
    seen = loop_.load(std::memory_order_acquire);
    while (TakeOne(seen, thread)) {
    }
  }
}

bool Workers::LostItsCore(Duration own, Duration late, Duration ran) {
  return late >= std::max<Duration>(kLate, own) && ran < late / 4;
}

void Workers::Share(size_t parts, Call call, const void* context) {
  const std::unique_lock lock(busy_, std::try_to_lock);
  const Clock::time_point begin = Clock::now();
  if (!lock.owns_lock() || helpers_.empty() || parts < 2 || begin < alone_until_) {
    for (size_t i = 0; i < parts; ++i) call(context, i, 0);
    return;
  }
  call_ = call;
  context_ = context;
  undone_.store(parts, std::memory_order_relaxed);
  const uint32_t loop = loop_.load(std::memory_order_relaxed) + 1;
  assert(parts <= kMostParts);
  for (size_t i = 0; i < shares_.size(); ++i)
    shares_[i].store(Packed(loop, static_cast<uint32_t>(parts * i / shares_.size()),
                            static_cast<uint32_t>(parts * (i + 1) / shares_.size())),
                     std::memory_order_release);
  loop_.store(loop, std::memory_order_release);
  loop_.notify_all();
  while (TakeOne(loop, 0)) {
  }
  // Parts that helpers have begun.
  const Clock::time_point own = Clock::now();
  const auto done = [&] { return undone_.load(std::memory_order_acquire) == 0; };
  if (LookFor(done)) return;
  std::array<Duration, kMostThreads> ran{};
  std::ranges::transform(helpers_, ran.begin(), RunTime);
  while (!LookFor(done)) std::this_thread::yield();  // to one that was descheduled
  // Not how long the caller has waited: it may have lost its own core meanwhile.
  const Duration late = helped_.load(std::memory_order_relaxed) - own;
  const size_t last = last_.load(std::memory_order_relaxed) - 1;
  if (LostItsCore(own - begin, late, RunTime(helpers_[last]) - ran[last]))
    alone_until_ = Clock::now() + std::min<Duration>(4 * late, kLongest);
}

}  // namespace rill

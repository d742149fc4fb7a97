// Time of each sample of an evenly sampled stream, the same however it is cut into buffers.
//
//   time[n] = base + floor(n · 10⁹ / rate)   nanoseconds
//
// Buffers are stamped with rounded times; adding to each would shift samples by the rounding. So
// samples are counted from a base, which is left only when a stamp is further than one sample from
// where counting leads: samples are missing there.
#pragma once

#include <cstdint>

namespace rill {

class SampleClock {
 public:
  explicit SampleClock(int64_t rate_hz) : rate_hz_(rate_hz) {}

  // Takes in the stamp of the next sample.
  void Align(int64_t stamp_ns) {
    const int64_t off_ns = stamp_ns - At(count_);
    const int64_t sample_ns = kSecond / rate_hz_ + 1;
    if (started_ && -sample_ns <= off_ns && off_ns <= sample_ns) return;
    base_ns_ = stamp_ns;
    count_ = 0;
    started_ = true;
  }
  bool started() const { return started_; }
  // Time of the next sample, which is counted.
  int64_t Next() { return At(count_++); }

 private:
  static constexpr int64_t kSecond = 1'000'000'000;

  int64_t At(int64_t n) const {
    return base_ns_ + n / rate_hz_ * kSecond + n % rate_hz_ * kSecond / rate_hz_;
  }

  int64_t rate_hz_;
  int64_t base_ns_ = 0;
  int64_t count_ = 0;
  bool started_ = false;
};

}  // namespace rill

// Times in the pipeline of the samples of a stream, counted from one whose time is known.
#pragma once

#include <gst/gst.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace rill {

class SampleTimes {
 public:
  explicit SampleTimes(size_t rate_hz) : rate_hz_(rate_hz) {}

  bool known() const { return GST_CLOCK_TIME_IS_VALID(time_); }
  GstClockTime anchor() const { return time_; }
  // The sample has that time, which may be none.
  void Anchor(int64_t sample, GstClockTime time) {
    sample_ = sample;
    time_ = time;
    limit_ = GST_CLOCK_TIME_NONE;
  }
  void Forget() { Anchor(0, GST_CLOCK_TIME_NONE); }
  // No sample has a later time than `limit`, until the next Anchor(); none: any time.
  void Limit(GstClockTime limit) { limit_ = limit; }

  // None unless known. Samples before the anchor are those of a stream that was restored.
  GstClockTime Of(int64_t sample) const {
    if (!known()) return GST_CLOCK_TIME_NONE;
    if (sample < sample_) return time_ - std::min(time_, Duration(sample_ - sample));
    return std::min(time_ + Duration(sample - sample_), limit_);  // none is the greatest number
  }

 private:
  GstClockTime Duration(int64_t samples) const {
    return gst_util_uint64_scale(static_cast<guint64>(samples), GST_SECOND, rate_hz_);
  }

  size_t rate_hz_;
  int64_t sample_ = 0;
  GstClockTime time_ = GST_CLOCK_TIME_NONE;
  GstClockTime limit_ = GST_CLOCK_TIME_NONE;
};

}  // namespace rill

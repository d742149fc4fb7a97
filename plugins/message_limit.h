// How often an element may post messages.
#pragma once

#include <gst/gst.h>

#include <cstdint>

namespace rill {

// At most one message in an interval of this machine's monotonic clock.
class MessageLimit {
 public:
  // Whether one may be posted now; if so, it counts as posted.
  bool Allows(uint64_t interval_ns) {
    const int64_t now_us = g_get_monotonic_time();
    const int64_t interval_us = static_cast<int64_t>(interval_ns / GST_USECOND);
    if (last_us_ != INT64_MIN && now_us - last_us_ < interval_us) return false;
    last_us_ = now_us;
    return true;
  }

 private:
  int64_t last_us_ = INT64_MIN;
};

}  // namespace rill

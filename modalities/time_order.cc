#include "modalities/time_order.h"

#include <cstdio>

namespace rill {
namespace {

double Seconds(int64_t from_ns, int64_t to_ns) {
  return (static_cast<double>(to_ns) - static_cast<double>(from_ns)) * 1e-9;
}

}  // namespace

bool TimeOrder::IsFar(int64_t earlier_ns, int64_t later_ns) const {
  // Unsigned: the distance of two int64 may not fit in one.
  const uint64_t gap_ns = static_cast<uint64_t>(later_ns) - static_cast<uint64_t>(earlier_ns);
  return longest_gap_ns_ > 0 && gap_ns > static_cast<uint64_t>(longest_gap_ns_);
}

std::optional<std::string> TimeOrder::Refuse(int64_t unix_ns) {
  char text[96];
  if (last_ns_ && unix_ns < *last_ns_) {
    std::snprintf(text, sizeof text, "time goes back by %.12g s", Seconds(unix_ns, *last_ns_));
    return text;
  }
  // Only a later instant: the lines of one row may share a wrong stamp.
  const bool confirmed = doubtful_ns_ && unix_ns > *doubtful_ns_ && !IsFar(*doubtful_ns_, unix_ns);
  if (last_ns_ && IsFar(*last_ns_, unix_ns) && !confirmed) {
    doubtful_ns_ = unix_ns;
    std::snprintf(text, sizeof text, "time jumps by %.12g s, the longest gap is %.12g s",
                  Seconds(*last_ns_, unix_ns), static_cast<double>(longest_gap_ns_) * 1e-9);
    return text;
  }
  last_ns_ = unix_ns;
  doubtful_ns_.reset();
  return std::nullopt;
}

}  // namespace rill

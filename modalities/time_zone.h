// Where a clock without an offset stood: a fixed offset, or a place with its summer times.
//
// Places are read from the system's database of time zones (TZif, RFC 8536), once. A local time
// that summer time repeats is taken as the first of the two; one that it leaves out as if the
// clock had not been moved.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "operators/core/result.h"

namespace rill {

class TimeZone {
 public:
  // UTC.
  TimeZone() = default;
  // "", "UTC", "Z", "+02:00", "-0330", "+5", or a name such as "Europe/Rome".
  static Result<TimeZone> Make(std::string_view name);

  // Seconds since 1970 in UTC, of a clock that shows so many since its own 1970.
  int64_t ToUtc(int64_t local_s) const;

 private:
  struct Change {
    int64_t utc_s;     // from then on
    int32_t offset_s;  // the clock is this far ahead of UTC
  };
  static Result<TimeZone> Load(const std::string& name);

  int32_t first_offset_s_ = 0;  // before all changes
  std::vector<Change> changes_;
};

// "+02:00", "-0330", "+5", "Z": the seconds ahead of UTC, and how much of `text` was read (0:
// none).
struct Offset {
  int32_t seconds = 0;
  size_t length = 0;
};
Offset ReadOffset(std::string_view text);

}  // namespace rill

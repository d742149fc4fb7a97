// The parts of a written time, before a zone gives them a place on the time line.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace rill {

struct TimeFields {
  int64_t year = 1970;
  int64_t month = 1;
  int64_t day = 1;
  int64_t day_of_year = 0;  // 0: month and day hold
  int64_t hour = 0;         // above 23 only in a time without a date
  int64_t minute = 0;
  int64_t second = 0;  // 60 in a leap second
  int64_t ns = 0;
  std::optional<int64_t> offset_s;  // ahead of UTC
  bool has_date = false;
  bool has_time = false;
};

// The whole of `text`, or nothing. The formats are described in timestamp.h.
std::optional<TimeFields> ParseIso(std::string_view text);
std::optional<TimeFields> ParsePattern(std::string_view text, std::string_view pattern);

// The first letter behind a % that ParsePattern does not know; '\0': none.
char UnknownDirective(std::string_view pattern);

// Seconds between 1970-01-01 and the fields, both on the same clock.
int64_t LocalSeconds(const TimeFields& fields);

}  // namespace rill

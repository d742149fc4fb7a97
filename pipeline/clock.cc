#include "pipeline/clock.h"

#include <chrono>
#include <cstdio>
#include <limits>

namespace rill {

int64_t SaturatedSum(int64_t a, int64_t b) {
  int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b > 0 ? std::numeric_limits<int64_t>::max() : std::numeric_limits<int64_t>::min();
}

int64_t SaturatedProduct(int64_t a, int64_t b) {
  int64_t product = 0;
  if (!__builtin_mul_overflow(a, b, &product)) return product;
  return (a < 0) == (b < 0) ? std::numeric_limits<int64_t>::max()
                            : std::numeric_limits<int64_t>::min();
}

std::string Iso8601(int64_t unix_ns) {
  using std::chrono::days, std::chrono::floor, std::chrono::nanoseconds, std::chrono::sys_time;
  const sys_time<nanoseconds> instant{nanoseconds(unix_ns)};
  const sys_time<days> midnight = floor<days>(instant);
  const std::chrono::year_month_day date(midnight);
  const int64_t ns = (instant - midnight).count();
  const int64_t seconds = ns / kNanosecondsPerSecond;
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(seconds / 3600), static_cast<int>(seconds / 60 % 60),
                static_cast<int>(seconds % 60));
  std::string iso = text;
  if (const int64_t fraction = ns % kNanosecondsPerSecond; fraction != 0) {
    std::snprintf(text, sizeof text, ".%09d", static_cast<int>(fraction));
    iso += text;
    iso.erase(iso.find_last_not_of('0') + 1);
  }
  return iso + "Z";
}

}  // namespace rill

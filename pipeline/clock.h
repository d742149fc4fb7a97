// Absolute time as integers: nanoseconds since 1970-01-01T00:00:00Z.
#pragma once

#include <cstdint>
#include <string>

namespace rill {

constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;

// Sums and products of times that may come from anywhere: the ends of int64 instead of overflow.
int64_t SaturatedSum(int64_t a, int64_t b);
int64_t SaturatedProduct(int64_t a, int64_t b);

// ISO 8601 in UTC with as many decimals as are not zero: "2016-07-01T00:00:00Z", "…:00.25Z".
std::string Iso8601(int64_t unix_ns);

}  // namespace rill

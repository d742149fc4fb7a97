// Where the ticks of a chart stand and what they say.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rill {

struct Tick {
  double at = 0;
  std::string label;
};

// About `count` ticks within [low, high], at multiples of 1, 2 or 5 times a power of ten.
std::vector<Tick> NumberTicks(double low, double high, size_t count);

// At most about `count` ticks within [first_ns, last_ns] (unix), at whole minutes, hours, days …
// in UTC; `at` is in nanoseconds after first_ns.
std::vector<Tick> TimeTicks(int64_t first_ns, int64_t last_ns, size_t count);

}  // namespace rill

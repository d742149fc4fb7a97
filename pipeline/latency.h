// Latency of the sensor encoder, derived once from its framing.
//
// A frame is stamped with the last row in it, so no frame comes later than its stamp says. What
// waits are rows: without forecasts on the way (`every` = 0) a row leaves the encoder when its
// patch of P slots is complete, at worst P - 1 slots after it came. With `every` > 0 the row that
// makes a forecast due leaves at once, in a frame of however many slots have elapsed, and a result
// waits for nothing: 0 slots.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rill {

// Slots that a row waits for at worst.
size_t SensorLatencySlots(size_t patch, size_t every);

// The same as time, for a stream of that usual interval; 0 while the interval is unknown.
int64_t SensorLatencyNs(size_t patch, size_t every, int64_t usual_ns);

}  // namespace rill

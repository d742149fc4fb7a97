#include "pipeline/latency.h"

#include <cassert>

#include "pipeline/clock.h"

namespace rill {

size_t SensorLatencySlots(size_t patch, size_t every) {
  assert(patch > 0);
  return every == 0 ? patch - 1 : 0;
}

int64_t SensorLatencyNs(size_t patch, size_t every, int64_t usual_ns) {
  return SaturatedProduct(static_cast<int64_t>(SensorLatencySlots(patch, every)), usual_ns);
}

}  // namespace rill

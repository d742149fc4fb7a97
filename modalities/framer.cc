#include "modalities/framer.h"

#include <algorithm>
#include <cassert>
#include <string>

namespace rill {

Framer::Framer(size_t length, size_t hop, std::string_view name, StateLayout& layout)
    : length_(length),
      hop_(hop),
      samples_(layout.Add(std::string(name) + ".samples", length)),
      filled_(layout.Add(std::string(name) + ".filled", 1, ElementType::kInt64)) {
  assert(hop >= 1 && hop <= length);
}

size_t Framer::Take(std::span<const float> samples, Lane lane) const {
  assert(!IsComplete(lane));
  const size_t count = std::min(samples.size(), Missing(lane));
  const auto to = lane.Floats(samples_).end() - static_cast<std::ptrdiff_t>(Missing(lane));
  std::copy_n(samples.begin(), count, to);
  lane.Integers(filled_)[0] += static_cast<int64_t>(count);
  return count;
}

void Framer::Next(Lane lane) const {
  assert(IsComplete(lane));
  const std::span<float> samples = lane.Floats(samples_);
  std::copy(samples.begin() + static_cast<std::ptrdiff_t>(hop_), samples.end(), samples.begin());
  lane.Integers(filled_)[0] = 0;
}

bool Framer::IsSound(Lane lane) const {
  const int64_t filled = lane.Integers(filled_)[0];
  return filled >= 0 && filled <= static_cast<int64_t>(hop_);
}

}  // namespace rill

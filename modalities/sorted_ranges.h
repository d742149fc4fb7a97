// Sorted strings that begin alike are neighbours: what a search needs to spell its way into them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace rill {

// The strings [first, last), which begin with the same letters, so many; none when first == last.
struct PrefixRange {
  uint32_t first = 0, last = 0, letters = 0;

  bool empty() const { return first == last; }
};

// Those of them that go on with this letter. `letter_at(i, k)` is letter k of string i, -1 behind
// its end.
template <typename LetterAt>
PrefixRange Narrow(const PrefixRange& range, int letter, const LetterAt& letter_at) {
  const auto bound = [&](int least) {
    uint32_t low = range.first, high = range.last;
    while (low < high) {
      const uint32_t middle = low + (high - low) / 2;
      if (letter_at(middle, range.letters) < least)
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  };
  return {bound(letter), bound(letter + 1), range.letters + 1};
}

// The largest of any range of values, in constant time. The values must outlive it.
class RangeMaximum {
 public:
  RangeMaximum() = default;
  explicit RangeMaximum(std::span<const float> values);

  // Of the values [first, last), first < last.
  float Of(uint32_t first, uint32_t last) const;

 private:
  static constexpr size_t kBlock = 64;

  std::span<const float> values_;
  // Level k: the largest of each kBlock << k values from a multiple of kBlock on.
  std::vector<std::vector<float>> levels_;
};

}  // namespace rill

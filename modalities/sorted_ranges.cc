#include "modalities/sorted_ranges.h"

#include <algorithm>
#include <bit>
#include <cassert>

namespace rill {

RangeMaximum::RangeMaximum(std::span<const float> values) : values_(values), levels_(1) {
  for (size_t i = 0; i < values.size(); i += kBlock)
    levels_[0].push_back(std::ranges::max(values.subspan(i, std::min(kBlock, values.size() - i))));
  for (size_t half = 1; 2 * half <= levels_[0].size(); half *= 2) {
    const std::vector<float>& last = levels_.back();
    std::vector<float> next;
    for (size_t i = 0; i + half < last.size(); ++i)
      next.push_back(std::max(last[i], last[i + half]));
    levels_.push_back(std::move(next));
  }
}

float RangeMaximum::Of(uint32_t first, uint32_t last) const {
  assert(first < last && last <= values_.size());
  const size_t from = first / kBlock + 1, to = last / kBlock;  // whole blocks
  if (from >= to) return std::ranges::max(values_.subspan(first, last - first));
  const std::vector<float>& level = levels_[static_cast<size_t>(std::bit_width(to - from)) - 1];
  float most = std::max(level[from], level[to - std::bit_floor(to - from)]);
  for (size_t i = first; i < from * kBlock; ++i) most = std::max(most, values_[i]);
  for (size_t i = to * kBlock; i < last; ++i) most = std::max(most, values_[i]);
  return most;
}

}  // namespace rill

// Softmax attention of a few queries over one key head's cache: the kernel of
// operators/attention.h.
//
// Keys lie in blocks of 16 positions, [position / 16][width][16], so that 16 scores are computed
// together; values lie [position][width]. Positions are visited in spans of kSpan with a running
// maximum, so working memory does not grow with the cache. The order of everything depends on
// `count` alone.
//
// Source: Milakov & Gimelshein 2018, arXiv:1805.02867 (running maximum).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "operators/core/view.h"

namespace rill {

constexpr size_t kKeyBlock = 16;  // positions

struct Attended {
  View<const float> queries;      // [queries, width], scaled
  View<const float> far_queries;  // the same as the first `sinks` positions see them
  size_t sinks = 0;
  size_t count = 0;  // positions
};

// out [queries, width]. The cache is float16 or float32.
void Attend(const uint16_t* keys, const uint16_t* values, const Attended& of, View<float> out);
void Attend(const float* keys, const float* values, const Attended& of, View<float> out);

// Where dimension 0 of a position's key lies; dimension d lies kKeyBlock · d after it.
constexpr size_t KeyOffset(size_t position, size_t width) {
  return position / kKeyBlock * kKeyBlock * width + position % kKeyBlock;
}

}  // namespace rill

#include "operators/core/attend.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "operators/core/quant.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "operators/core/attend.cc"
#include <hwy/foreach_target.h>

#include "operators/core/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace rill::HWY_NAMESPACE {

constexpr size_t kSpan = 128;       // positions
constexpr size_t kMostQueries = 4;  // that share the loads of keys and values
using Keys = hn::CappedTag<float, kKeyBlock>;

HWY_INLINE hn::Vec<Keys> LoadKeys(const float* from) { return hn::LoadU(Keys(), from); }
HWY_INLINE hn::Vec<Keys> LoadKeys(const uint16_t* from) {
  const hn::Rebind<hwy::float16_t, Keys> half;
  return hn::PromoteTo(Keys(), hn::LoadU(half, reinterpret_cast<const hwy::float16_t*>(from)));
}

// Scores [kQueries][kKeyBlock] of one block of keys.
template <size_t kQueries, typename T>
HWY_INLINE void ScoreBlock(const T* HWY_RESTRICT keys, View<const float> queries, size_t first,
                           float* HWY_RESTRICT scores, size_t stride) {
  const Keys d;
  const size_t lanes = hn::Lanes(d), width = queries.columns;
  for (size_t lane = 0; lane < kKeyBlock; lane += lanes) {
    hn::Vec<Keys> sums[kQueries];
#pragma GCC unroll 4
    for (size_t g = 0; g < kQueries; ++g) sums[g] = hn::Zero(d);
    for (size_t i = 0; i < width; ++i) {
      const auto key = LoadKeys(keys + i * kKeyBlock + lane);
#pragma GCC unroll 4
      for (size_t g = 0; g < kQueries; ++g)
        sums[g] = hn::MulAdd(key, hn::Set(d, queries.data[(first + g) * width + i]), sums[g]);
    }
#pragma GCC unroll 4
    for (size_t g = 0; g < kQueries; ++g) hn::StoreU(sums[g], d, scores + g * stride + lane);
  }
}

// out[g] += Σ weights[g][i] values[i], i in order.
template <size_t kQueries, typename T>
HWY_INLINE void AddValues(const T* HWY_RESTRICT values, size_t count, size_t width,
                          const float* HWY_RESTRICT weights, float* HWY_RESTRICT out) {
  const Keys d;
  const size_t lanes = hn::Lanes(d);
  constexpr size_t kWide = 4;  // vectors of a row at a time
  size_t c = 0;
  for (; c + kWide * lanes <= width; c += kWide * lanes) {
    hn::Vec<Keys> sums[kQueries][kWide];
#pragma GCC unroll 4
    for (size_t g = 0; g < kQueries; ++g)
#pragma GCC unroll 4
      for (size_t v = 0; v < kWide; ++v) sums[g][v] = hn::LoadU(d, out + g * width + c + v * lanes);
    for (size_t i = 0; i < count; ++i) {
      hn::Vec<Keys> row[kWide];
#pragma GCC unroll 4
      for (size_t v = 0; v < kWide; ++v) row[v] = LoadKeys(values + i * width + c + v * lanes);
#pragma GCC unroll 4
      for (size_t g = 0; g < kQueries; ++g) {
        const auto weight = hn::Set(d, weights[g * kSpan + i]);
#pragma GCC unroll 4
        for (size_t v = 0; v < kWide; ++v) sums[g][v] = hn::MulAdd(weight, row[v], sums[g][v]);
      }
    }
#pragma GCC unroll 4
    for (size_t g = 0; g < kQueries; ++g)
#pragma GCC unroll 4
      for (size_t v = 0; v < kWide; ++v) hn::StoreU(sums[g][v], d, out + g * width + c + v * lanes);
  }
  const auto value = [](T one) {
    if constexpr (sizeof(T) == 2) {
      return HalfToFloat(one);
    } else {
      return one;
    }
  };
  for (; c < width; ++c)
    for (size_t g = 0; g < kQueries; ++g)
      for (size_t i = 0; i < count; ++i)
        out[g * width + c] =
            std::fma(weights[g * kSpan + i], value(values[i * width + c]), out[g * width + c]);
}

// Scores of the span from `begin` to `end`; what lies behind it in its last block is -inf.
template <size_t kQueries, typename T>
HWY_INLINE void ScoreSpan(const T* keys, const Attended& of, size_t first, size_t begin, size_t end,
                          float* scores) {
  const size_t width = of.queries.columns;
  for (size_t at = begin; at < end; at += kKeyBlock) {
    const T* block = keys + KeyOffset(at, width);
    float* to = scores + (at - begin);
    ScoreBlock<kQueries>(block, of.queries, first, to, kSpan);
    if (at < of.sinks) {
      float far[kQueries * kKeyBlock];
      ScoreBlock<kQueries>(block, of.far_queries, first, far, kKeyBlock);
      for (size_t g = 0; g < kQueries; ++g)
        std::copy_n(far + g * kKeyBlock, std::min(kKeyBlock, of.sinks - at), to + g * kSpan);
    }
    for (size_t i = end - at; i < kKeyBlock; ++i)
      for (size_t g = 0; g < kQueries; ++g)
        to[g * kSpan + i] = -std::numeric_limits<float>::infinity();
  }
}

template <size_t kQueries, typename T>
void AttendQueries(const T* keys, const T* values, const Attended& of, size_t first, float* out) {
  const Keys d;
  const size_t lanes = hn::Lanes(d), width = of.queries.columns;
  float most[kQueries], total[kQueries] = {};
  std::fill_n(most, kQueries, -std::numeric_limits<float>::infinity());
  std::fill_n(out, kQueries * width, 0.0f);
  HWY_ALIGN float scores[kQueries * kSpan];
  for (size_t begin = 0; begin < of.count; begin += kSpan) {
    const size_t end = std::min(of.count, begin + kSpan);
    const size_t padded = (end - begin + kKeyBlock - 1) / kKeyBlock * kKeyBlock;
    ScoreSpan<kQueries>(keys, of, first, begin, end, scores);
    for (size_t g = 0; g < kQueries; ++g) {
      float* row = scores + g * kSpan;
      auto largest = hn::Set(d, most[g]);
      for (size_t i = 0; i < padded; i += lanes) largest = hn::Max(largest, hn::LoadU(d, row + i));
      const float now = hn::GetLane(hn::MaxOfLanes(d, largest));
      if (now > most[g]) {
        const float shrink = std::exp(most[g] - now);
        total[g] *= shrink;
        for (size_t c = 0; c < width; ++c) out[g * width + c] *= shrink;
        most[g] = now;
      }
      auto sum = hn::Zero(d);
      const auto offset = hn::Set(d, most[g]);
      for (size_t i = 0; i < padded; i += lanes) {
        const auto weight = hn::Exp(d, hn::Sub(hn::LoadU(d, row + i), offset));
        hn::StoreU(weight, d, row + i);
        sum = hn::Add(sum, weight);
      }
      total[g] += hn::GetLane(hn::SumOfLanes(d, sum));
    }
    AddValues<kQueries>(values + begin * width, end - begin, width, scores, out);
  }
  for (size_t g = 0; g < kQueries; ++g)
    for (size_t c = 0; c < width; ++c) out[g * width + c] /= total[g];
}

template <typename T>
void AttendAll(const T* keys, const T* values, const Attended& of, View<float> out) {
  static_assert(kMostQueries == 4);
  size_t g = 0;
  for (; g + 4 <= of.queries.rows; g += 4) AttendQueries<4>(keys, values, of, g, out[g].data());
  for (; g + 2 <= of.queries.rows; g += 2) AttendQueries<2>(keys, values, of, g, out[g].data());
  if (g < of.queries.rows) AttendQueries<1>(keys, values, of, g, out[g].data());
}

void AttendHalves(const uint16_t* keys, const uint16_t* values, const Attended& of,
                  View<float> out) {
  AttendAll(keys, values, of, out);
}
void AttendFloats(const float* keys, const float* values, const Attended& of, View<float> out) {
  AttendAll(keys, values, of, out);
}

}  // namespace rill::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace rill {

HWY_EXPORT(AttendHalves);
HWY_EXPORT(AttendFloats);

void Attend(const uint16_t* keys, const uint16_t* values, const Attended& of, View<float> out) {
  HWY_DYNAMIC_DISPATCH(AttendHalves)(keys, values, of, out);
}

void Attend(const float* keys, const float* values, const Attended& of, View<float> out) {
  HWY_DYNAMIC_DISPATCH(AttendFloats)(keys, values, of, out);
}

}  // namespace rill
#endif

#include "operators/core/packed_q8.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

#include "operators/core/quant.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "operators/core/packed_q8.cc"
#include <hwy/foreach_target.h>

#include <hwy/cache_control.h>

#include "operators/core/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace rill::HWY_NAMESPACE {

constexpr size_t kPanel = PackedQ8::kPanel;
using Lanes = hn::CappedTag<float, kPanel>;
using Sum = hn::Vec<Lanes>;
constexpr size_t kLanes = HWY_TARGET == HWY_SCALAR ? 1 : HWY_MIN(HWY_MAX_BYTES / 4, kPanel);
constexpr size_t kVectors = kPanel / kLanes;  // of a panel

// How many sums stay in registers, beside the weights and an input.
constexpr size_t kSums = (HWY_TARGET & (HWY_AVX3 | HWY_AVX3_DL | HWY_NEON)) != 0 ? 24 : 12;
// Rows that share the conversion of a weight.
constexpr size_t kMostRows = HWY_MAX(1, HWY_MIN(6, kSums / kVectors));
// Panels that all rows pass before the next ones, so that these stay in the first cache.
constexpr size_t kGroup = 4;
// Panels side by side: independent sums hide the latency of the multiply-adds.
constexpr size_t PanelsFor(size_t rows) {
  return std::bit_floor(HWY_MAX(1, HWY_MIN(kGroup, kSums / (rows * kVectors))));
}

// One vector of weights, exactly.
HWY_INLINE Sum Convert(const int8_t* from) {
  const hn::Rebind<int8_t, Lanes> bytes;
  const hn::Rebind<int32_t, Lanes> integers;
  return hn::ConvertTo(Lanes(), hn::PromoteTo(integers, hn::LoadU(bytes, from)));
}

// Asks for a block that is used a tile later: the prefetcher of the CPU loses the panels' streams,
// each a few kilobytes, where they begin (from memory a product of one row took 2.2 times as long).
HWY_INLINE void Fetch(const PackedQ8::Block& block) {
  const char* bytes = reinterpret_cast<const char*>(&block);
  for (size_t i = 0; i < sizeof block; i += 64) hwy::Prefetch(bytes + i);
}

// sums += one input of kRows rows times its weights. `weight(v)` and `value(r)` make a vector each;
// the fewer kind is held while the other passes, which leaves the registers to the sums.
template <size_t kRows, size_t kPart, typename Weight, typename Value>
HWY_INLINE void AddInput(const Weight& weight, const Value& value, Sum (&sums)[kRows][kPart]) {
  constexpr size_t kHeld = HWY_MIN(kRows, kPart), kPassing = HWY_MAX(kRows, kPart);
  constexpr bool kHoldValues = kRows < kPart;
  Sum held[kHeld];
#pragma GCC unroll 16
  for (size_t i = 0; i < kHeld; ++i)
    if constexpr (kHoldValues) {
      held[i] = value(i);
    } else {
      held[i] = weight(i);
    }
#pragma GCC unroll 16
  for (size_t j = 0; j < kPassing; ++j) {
    Sum one;
    if constexpr (kHoldValues) {
      one = weight(j);
    } else {
      one = value(j);
    }
#pragma GCC unroll 16
    for (size_t i = 0; i < kHeld; ++i) {
      Sum& sum = kHoldValues ? sums[i][j] : sums[j][i];
      sum = hn::MulAdd(one, held[i], sum);
    }
  }
}

// kRows rows times kPanels panels. The loops over sums are unrolled, so that these stay in
// registers; the totals, used once a block, lie in memory.
template <size_t kRows, size_t kPanels>
void Tile(const PackedQ8& w, size_t first_panel, const float* HWY_RESTRICT x,
          const float* HWY_RESTRICT bias, float* HWY_RESTRICT y) {
  const Lanes d;
  constexpr size_t kPart = kPanels * kVectors;
  const size_t inputs = w.inputs(), outputs = w.outputs(), blocks = w.blocks();
  const size_t following = std::min(kPanels, w.panels() - first_panel - kPanels);
  HWY_ALIGN float totals[kRows][kPanels * kPanel] = {};
  const PackedQ8::Block* block = w.panel(first_panel);
  for (size_t b = 0; b < blocks; ++b, ++block, x += PackedQ8::kInputs) {
    for (size_t p = 0; p < following; ++p) Fetch(block[(kPanels + p) * blocks]);
    Sum sums[kRows][kPart];
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r)
#pragma GCC unroll 16
      for (size_t v = 0; v < kPart; ++v) sums[r][v] = hn::Zero(d);
    for (size_t k = 0; k < PackedQ8::kInputs; ++k)
      AddInput<kRows, kPart>(
          [&](size_t v) {
            return Convert(block[v / kVectors * blocks].values[k] + v % kVectors * kLanes);
          },
          [&](size_t r) { return hn::Set(d, x[r * inputs + k]); }, sums);
#pragma GCC unroll 16
    for (size_t v = 0; v < kPart; ++v) {
      const Sum scale = hn::Load(d, block[v / kVectors * blocks].scales + v % kVectors * kLanes);
#pragma GCC unroll 16
      for (size_t r = 0; r < kRows; ++r) {
        float* total = totals[r] + v * kLanes;
        hn::Store(hn::MulAdd(scale, sums[r][v], hn::Load(d, total)), d, total);
      }
    }
  }
  const size_t begin = first_panel * kPanel, count = std::min(kPanels * kPanel, outputs - begin);
  for (size_t r = 0; r < kRows; ++r)
    for (size_t o = 0; o < count; ++o)
      y[r * outputs + begin + o] = bias == nullptr ? totals[r][o] : totals[r][o] + bias[begin + o];
}

// kRows rows times the panels from `panel` to `end`.
template <size_t kRows>
void Rows(const PackedQ8& w, size_t panel, size_t end, const float* x, const float* bias,
          float* y) {
  constexpr size_t kPanels = PanelsFor(kRows);
  for (; panel + kPanels <= end; panel += kPanels) Tile<kRows, kPanels>(w, panel, x, bias, y);
  for (; panel < end; ++panel) Tile<kRows, 1>(w, panel, x, bias, y);
}

// The same for a number of rows from 1 to kRows.
template <size_t kRows>
void FewRows(size_t rows, const PackedQ8& w, size_t panel, size_t end, const float* x,
             const float* bias, float* y) {
  if constexpr (kRows > 1)
    if (rows < kRows) return FewRows<kRows - 1>(rows, w, panel, end, x, bias, y);
  Rows<kRows>(w, panel, end, x, bias, y);
}

void MultiplyQ8Kernel(const PackedQ8& w, View<const float> x, const float* bias, View<float> y) {
  for (size_t panel = 0; panel < w.panels(); panel += kGroup) {
    const size_t end = std::min(panel + kGroup, w.panels());
    for (size_t r = 0; r < x.rows; r += kMostRows)
      FewRows<kMostRows>(std::min(kMostRows, x.rows - r), w, panel, end, x[r].data(), bias,
                         y[r].data());
  }
}

}  // namespace rill::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace rill {

HWY_EXPORT(MultiplyQ8Kernel);

PackedQ8::PackedQ8(std::span<const std::byte> file, size_t outputs, size_t inputs)
    : outputs_(outputs), blocks_(inputs / kInputs), data_(panels() * blocks_) {
  assert(inputs % kInputs == 0 && file.size() == outputs * blocks_ * (2 + kInputs));
  const std::byte* from = file.data();
  for (size_t o = 0; o < outputs; ++o)
    for (size_t b = 0; b < blocks_; ++b, from += 2 + kInputs) {
      Block& block = data_[o / kPanel * blocks_ + b];
      uint16_t scale = 0;
      std::memcpy(&scale, from, sizeof scale);
      block.scales[o % kPanel] = HalfToFloat(scale);
      for (size_t i = 0; i < kInputs; ++i)
        block.values[i][o % kPanel] = static_cast<int8_t>(from[2 + i]);
    }
}

void Multiply(const PackedQ8& w, View<const float> x, std::span<const float> bias, View<float> y) {
  assert(x.columns == w.inputs() && y.columns == w.outputs() && x.rows == y.rows);
  assert(bias.empty() || bias.size() == w.outputs());
  HWY_DYNAMIC_DISPATCH(MultiplyQ8Kernel)(w, x, bias.empty() ? nullptr : bias.data(), y);
}

}  // namespace rill
#endif

#include "operators/core/kernels.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <type_traits>

#include "operators/core/quant.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "operators/core/kernels.cc"
#include <hwy/foreach_target.h>

#include "operators/core/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace rill::HWY_NAMESPACE {

// Sixteen outputs as one, two, four or sixteen vectors.
using PanelTag = hn::CappedTag<float, PackedMatrix::kPanel>;
constexpr size_t kLanes = HWY_MIN(HWY_MAX_BYTES / sizeof(float), PackedMatrix::kPanel);
constexpr size_t kVectors = PackedMatrix::kPanel / (HWY_TARGET == HWY_SCALAR ? 1 : kLanes);

// kRows rows times kPanels panels: sums run over the inputs in order, one multiply-add each. The
// loops over sums are unrolled, so that these stay in registers.
template <size_t kRows, size_t kPanels>
void Tile(const PackedMatrix& w, size_t first_panel, const float* HWY_RESTRICT x,
          const float* HWY_RESTRICT bias, float* HWY_RESTRICT y) {
  const PanelTag d;
  constexpr size_t kPerPanel = PackedMatrix::kPanel / kVectors;  // lanes of a vector
  const size_t inputs = w.inputs(), outputs = w.outputs();
  const size_t stride = inputs * PackedMatrix::kPanel;
  hn::Vec<PanelTag> sums[kRows][kPanels * kVectors];
#pragma GCC unroll 16
  for (size_t r = 0; r < kRows; ++r)
#pragma GCC unroll 16
    for (size_t v = 0; v < kPanels * kVectors; ++v) sums[r][v] = hn::Zero(d);
  const float* panel = w.panel(first_panel);
  for (size_t k = 0; k < inputs; ++k, panel += PackedMatrix::kPanel) {
    hn::Vec<PanelTag> weights[kPanels * kVectors];
#pragma GCC unroll 16
    for (size_t v = 0; v < kPanels * kVectors; ++v)
      weights[v] = hn::LoadU(d, panel + v / kVectors * stride + v % kVectors * kPerPanel);
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) {
      const hn::Vec<PanelTag> value = hn::Set(d, x[r * inputs + k]);
#pragma GCC unroll 16
      for (size_t v = 0; v < kPanels * kVectors; ++v)
        sums[r][v] = hn::MulAdd(weights[v], value, sums[r][v]);
    }
  }
#pragma GCC unroll 16
  for (size_t r = 0; r < kRows; ++r) {
    HWY_ALIGN float row[kPanels * PackedMatrix::kPanel];
#pragma GCC unroll 16
    for (size_t v = 0; v < kPanels * kVectors; ++v) hn::Store(sums[r][v], d, row + v * kPerPanel);
    const size_t begin = first_panel * PackedMatrix::kPanel;
    const size_t count = std::min(kPanels * PackedMatrix::kPanel, outputs - begin);
    float* to = y + r * outputs + begin;
    if (bias == nullptr) {
      std::copy_n(row, count, to);
    } else {
      for (size_t o = 0; o < count; ++o) to[o] = row[o] + bias[begin + o];
    }
  }
}

void MultiplyKernel(const PackedMatrix& w, View<const float> x, const float* bias, View<float> y) {
  constexpr size_t kRows = 6;    // with two vectors a panel: twelve sums in sixteen registers
  constexpr size_t kPanels = 4;  // of a single row: eight sums hide the latency of the adds
  size_t r = 0;
  for (; r + kRows <= x.rows; r += kRows)
    for (size_t p = 0; p < w.panels(); ++p) Tile<kRows, 1>(w, p, x[r].data(), bias, y[r].data());
  for (; r + 2 <= x.rows; r += 2) {
    size_t p = 0;
    for (; p + 2 <= w.panels(); p += 2) Tile<2, 2>(w, p, x[r].data(), bias, y[r].data());
    if (p < w.panels()) Tile<2, 1>(w, p, x[r].data(), bias, y[r].data());
  }
  if (r < x.rows) {
    size_t p = 0;
    for (; p + kPanels <= w.panels(); p += kPanels)
      Tile<1, kPanels>(w, p, x[r].data(), bias, y[r].data());
    for (; p < w.panels(); ++p) Tile<1, 1>(w, p, x[r].data(), bias, y[r].data());
  }
}

// float16 as float32, n of at most the lanes of a vector; the others are 0. Exact.
HWY_INLINE Vector LoadHalves(const uint16_t* from, size_t n) {
  const Floats d;
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_SSSE3 || HWY_TARGET == HWY_SSE4
  // What Highway has for these takes infinities for numbers.
  HWY_ALIGN float some[HWY_MAX_BYTES / sizeof(float)] = {};
  for (size_t i = 0; i < n; ++i) some[i] = HalfToFloat(from[i]);
  return hn::Load(d, some);
#else
  const hn::Rebind<hwy::float16_t, Floats> half;
  HWY_ALIGN uint16_t some[HWY_MAX_BYTES / sizeof(float)] = {};
  if (n < hn::Lanes(d)) from = std::copy_n(from, n, some) - n;
  return hn::PromoteTo(d, hn::LoadU(half, reinterpret_cast<const hwy::float16_t*>(from)));
#endif
}

// The same of bfloat16.
HWY_INLINE Vector LoadBFloats(const uint16_t* from, size_t n) {
  const Floats d;
  const hn::Rebind<uint16_t, Floats> words;
  const hn::RebindToUnsigned<Floats> wide;
  HWY_ALIGN uint16_t some[HWY_MAX_BYTES / sizeof(float)] = {};
  if (n < hn::Lanes(d)) from = std::copy_n(from, n, some) - n;
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(wide, hn::LoadU(words, from))));
}

// `load(b + i)` gives a vector of b, `tail` the last few of it; the sums are added in one order.
template <typename B, typename Load, typename Tail>
HWY_INLINE float DotOf(const float* a, const B* b, size_t count, const Load& load,
                       const Tail& tail) {
  const Floats d;
  const size_t lanes = hn::Lanes(d);
  Vector even = hn::Zero(d), odd = hn::Zero(d);
  size_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    even = hn::MulAdd(hn::LoadU(d, a + i), load(b + i), even);
    odd = hn::MulAdd(hn::LoadU(d, a + i + lanes), load(b + i + lanes), odd);
  }
  if (i + lanes <= count) {
    even = hn::MulAdd(hn::LoadU(d, a + i), load(b + i), even);
    i += lanes;
  }
  if (i < count) odd = hn::MulAdd(LoadTail(a + i, count - i), tail(b + i, count - i), odd);
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(even, odd)));
}

float DotKernel(const float* a, const float* b, size_t count) {
  return DotOf(
      a, b, count, [](const float* from) HWY_ATTR { return hn::LoadU(Floats(), from); },
      [](const float* from, size_t n) HWY_ATTR { return LoadTail(from, n); });
}

float DotHalvesKernel(const float* a, const uint16_t* b, size_t count) {
  return DotOf(
      a, b, count,
      [](const uint16_t* from) HWY_ATTR { return LoadHalves(from, hn::Lanes(Floats())); },
      [](const uint16_t* from, size_t n) HWY_ATTR { return LoadHalves(from, n); });
}

float DotBFloatsKernel(const float* a, const uint16_t* b, size_t count) {
  return DotOf(
      a, b, count,
      [](const uint16_t* from) HWY_ATTR { return LoadBFloats(from, hn::Lanes(Floats())); },
      [](const uint16_t* from, size_t n) HWY_ATTR { return LoadBFloats(from, n); });
}

// kRows rows of a times kOthers rows of b, each as DotKernel adds them.
template <size_t kRows, size_t kOthers>
void DotTile(View<const float> a, View<const float> b, float* HWY_RESTRICT y, size_t stride) {
  const Floats d;
  const size_t lanes = hn::Lanes(d), count = a.columns;
  Vector even[kRows][kOthers], odd[kRows][kOthers];
#pragma GCC unroll 4
  for (size_t r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (size_t o = 0; o < kOthers; ++o) even[r][o] = odd[r][o] = hn::Zero(d);
  const auto add = [&](const auto& load, size_t i, auto& sums) HWY_ATTR {
    Vector others[kOthers];
#pragma GCC unroll 4
    for (size_t o = 0; o < kOthers; ++o) others[o] = load(b[o].data() + i);
#pragma GCC unroll 4
    for (size_t r = 0; r < kRows; ++r) {
      const Vector value = load(a[r].data() + i);
#pragma GCC unroll 4
      for (size_t o = 0; o < kOthers; ++o) sums[r][o] = hn::MulAdd(value, others[o], sums[r][o]);
    }
  };
  const auto whole = [d](const float* from) HWY_ATTR { return hn::LoadU(d, from); };
  size_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    add(whole, i, even);
    add(whole, i + lanes, odd);
  }
  if (i + lanes <= count) {
    add(whole, i, even);
    i += lanes;
  }
  if (i < count) {
    const size_t left = count - i;
    add([left](const float* from) HWY_ATTR { return LoadTail(from, left); }, i, odd);
  }
  for (size_t r = 0; r < kRows; ++r)
    for (size_t o = 0; o < kOthers; ++o)
      y[r * stride + o] = hn::GetLane(hn::SumOfLanes(d, hn::Add(even[r][o], odd[r][o])));
}

void DotAllKernel(View<const float> a, View<const float> b, float* y, size_t stride) {
  constexpr size_t kRows = HWY_MAX_BYTES >= 64 ? 4 : 2;  // sums of 16 or 8 registers
  size_t o = 0;
  const auto rows = [&]<size_t kOthers>(std::integral_constant<size_t, kOthers>) HWY_ATTR {
    size_t r = 0;
    for (; r + kRows <= a.rows; r += kRows)
      DotTile<kRows, kOthers>(a.Rows(r, kRows), b.Rows(o, kOthers), y + r * stride + o, stride);
    for (; r < a.rows; ++r)
      DotTile<1, kOthers>(a.Rows(r, 1), b.Rows(o, kOthers), y + r * stride + o, stride);
  };
  for (; o + 2 <= b.rows; o += 2) rows(std::integral_constant<size_t, 2>());
  if (o < b.rows) rows(std::integral_constant<size_t, 1>());
}

Extremes ExtremesKernel(const float* x, size_t count) {
  const Floats d;
  const size_t lanes = hn::Lanes(d);
  float least = std::numeric_limits<float>::infinity(), most = -least;
  auto low = hn::Set(d, least), high = hn::Set(d, most);
  auto nan = hn::IsNaN(low);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const Vector v = hn::LoadU(d, x + i);
    low = hn::Min(low, v);
    high = hn::Max(high, v);
    nan = hn::Or(nan, hn::IsNaN(v));
  }
  least = hn::GetLane(hn::MinOfLanes(d, low));
  most = hn::GetLane(hn::MaxOfLanes(d, high));
  bool any = !hn::AllFalse(d, nan);
  for (; i < count; ++i) {
    least = std::min(least, x[i]);
    most = std::max(most, x[i]);
    any |= std::isnan(x[i]);
  }
  if (any) least = most = std::numeric_limits<float>::quiet_NaN();
  return {least, most};
}

void RmsNormKernel(View<const float> x, const float* w, float epsilon, View<float> y) {
  for (size_t r = 0; r < x.rows; ++r) {
    const float* row = x[r].data();
    const float mean = DotKernel(row, row, x.columns) / static_cast<float>(x.columns);
    const Vector scale = hn::Set(Floats(), 1.0f / std::sqrt(mean + epsilon));
    Transform(
        x.columns, y[r].data(),
        [scale](Vector v, Vector weight) { return hn::Mul(hn::Mul(v, scale), weight); }, row, w);
  }
}

void LayerNormKernel(View<const float> x, const float* w, const float* b, float epsilon,
                     View<float> y) {
  const Floats d;
  const float count = static_cast<float>(x.columns);
  for (size_t r = 0; r < x.rows; ++r) {
    float total = 0;
    for (const float v : x[r]) total += v;
    const Vector mean = hn::Set(d, total / count);
    Transform(
        x.columns, y[r].data(), [mean](Vector v) { return hn::Sub(v, mean); }, x[r].data());
    const float variance = DotKernel(y[r].data(), y[r].data(), x.columns) / count;
    const Vector scale = hn::Set(d, 1.0f / std::sqrt(variance + epsilon));
    Transform(
        x.columns, y[r].data(),
        [scale](Vector v, Vector weight, Vector bias) {
          return hn::MulAdd(hn::Mul(v, scale), weight, bias);
        },
        y[r].data(), w, b);
  }
}

void AddIntoKernel(const float* x, size_t count, float* out) {
  Transform(
      count, out, [](Vector a, Vector b) { return hn::Add(a, b); }, out, x);
}

void SiluKernel(const float* x, size_t count, float* out) {
  Transform(
      count, out, [](Vector v) { return SiluOf(v); }, x);
}

void SiluTimesKernel(const float* gate, const float* x, size_t count, float* out) {
  Transform(
      count, out, [](Vector g, Vector v) { return hn::Mul(SiluOf(g), v); }, gate, x);
}

void TanhKernel(const float* x, float in_scale, float out_scale, size_t count, float* out) {
  const Floats d;
  const Vector in = hn::Set(d, in_scale), scale = hn::Set(d, out_scale);
  Transform(
      count, out, [=](Vector v) { return hn::Mul(scale, hn::Tanh(Floats(), hn::Mul(in, v))); }, x);
}

void SigmoidKernel(const float* x, size_t count, float* out) {
  Transform(
      count, out, [](Vector v) { return SigmoidOf(v); }, x);
}

void MulAddIntoKernel(float scale, const float* x, size_t count, float* out) {
  const Vector factor = hn::Set(Floats(), scale);
  Transform(
      count, out, [factor](Vector a, Vector b) { return hn::MulAdd(factor, b, a); }, out, x);
}

void HalvesToFloatsKernel(const uint16_t* halves, size_t count, float* out) {
  const Floats d;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(LoadHalves(halves + i, lanes), d, out + i);
  if (i < count) StoreTail(LoadHalves(halves + i, count - i), out + i, count - i);
}

}  // namespace rill::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace rill {

HWY_EXPORT(MultiplyKernel);
HWY_EXPORT(ExtremesKernel);
HWY_EXPORT(DotKernel);
HWY_EXPORT(DotHalvesKernel);
HWY_EXPORT(DotBFloatsKernel);
HWY_EXPORT(DotAllKernel);
HWY_EXPORT(RmsNormKernel);
HWY_EXPORT(LayerNormKernel);
HWY_EXPORT(AddIntoKernel);
HWY_EXPORT(SiluKernel);
HWY_EXPORT(SiluTimesKernel);
HWY_EXPORT(TanhKernel);
HWY_EXPORT(SigmoidKernel);
HWY_EXPORT(MulAddIntoKernel);
HWY_EXPORT(HalvesToFloatsKernel);

PackedMatrix::PackedMatrix(View<const float> weights)
    : outputs_(weights.rows), inputs_(weights.columns) {
  data_.assign(panels() * inputs_ * kPanel, 0.0f);
  for (size_t o = 0; o < outputs_; ++o)
    for (size_t k = 0; k < inputs_; ++k)
      data_[(o / kPanel * inputs_ + k) * kPanel + o % kPanel] = weights[o][k];
}

void Multiply(const PackedMatrix& w, View<const float> x, std::span<const float> bias,
              View<float> y) {
  assert(x.columns == w.inputs() && y.columns == w.outputs() && x.rows == y.rows);
  assert(bias.empty() || bias.size() == w.outputs());
  HWY_DYNAMIC_DISPATCH(MultiplyKernel)(w, x, bias.empty() ? nullptr : bias.data(), y);
}

void RmsNormRows(View<const float> x, std::span<const float> w, float epsilon, View<float> y) {
  assert(w.size() == x.columns && y.columns == x.columns && y.rows == x.rows);
  HWY_DYNAMIC_DISPATCH(RmsNormKernel)(x, w.data(), epsilon, y);
}

void LayerNormRows(View<const float> x, std::span<const float> w, std::span<const float> b,
                   float epsilon, View<float> y) {
  assert(w.size() == x.columns && b.size() == x.columns && y.columns == x.columns);
  HWY_DYNAMIC_DISPATCH(LayerNormKernel)(x, w.data(), b.data(), epsilon, y);
}

void AddInto(std::span<const float> x, std::span<float> out) {
  assert(x.size() == out.size());
  HWY_DYNAMIC_DISPATCH(AddIntoKernel)(x.data(), x.size(), out.data());
}

void Silu(std::span<const float> x, std::span<float> out) {
  assert(x.size() == out.size());
  HWY_DYNAMIC_DISPATCH(SiluKernel)(x.data(), x.size(), out.data());
}

void SiluTimes(std::span<const float> gate, std::span<const float> x, std::span<float> out) {
  assert(gate.size() == x.size() && x.size() == out.size());
  HWY_DYNAMIC_DISPATCH(SiluTimesKernel)(gate.data(), x.data(), x.size(), out.data());
}

void Tanh(std::span<const float> x, float in_scale, float out_scale, std::span<float> out) {
  assert(x.size() == out.size());
  HWY_DYNAMIC_DISPATCH(TanhKernel)(x.data(), in_scale, out_scale, x.size(), out.data());
}

void Sigmoid(std::span<const float> x, std::span<float> out) {
  assert(x.size() == out.size());
  HWY_DYNAMIC_DISPATCH(SigmoidKernel)(x.data(), x.size(), out.data());
}

Extremes ExtremesOf(std::span<const float> x) {
  return HWY_DYNAMIC_DISPATCH(ExtremesKernel)(x.data(), x.size());
}

float Dot(std::span<const float> a, std::span<const float> b) {
  assert(a.size() == b.size());
  return HWY_DYNAMIC_DISPATCH(DotKernel)(a.data(), b.data(), a.size());
}

float DotHalves(std::span<const float> a, std::span<const uint16_t> b) {
  assert(a.size() == b.size());
  return HWY_DYNAMIC_DISPATCH(DotHalvesKernel)(a.data(), b.data(), a.size());
}

float DotBFloats(std::span<const float> a, std::span<const uint16_t> b) {
  assert(a.size() == b.size());
  return HWY_DYNAMIC_DISPATCH(DotBFloatsKernel)(a.data(), b.data(), a.size());
}

void DotAll(View<const float> a, View<const float> b, size_t first, View<float> y) {
  assert(a.columns == b.columns && y.rows == a.rows && first + b.rows <= y.columns);
  HWY_DYNAMIC_DISPATCH(DotAllKernel)(a, b, y.data + first, y.columns);
}

void MulAddInto(float scale, std::span<const float> x, std::span<float> out) {
  assert(x.size() == out.size());
  HWY_DYNAMIC_DISPATCH(MulAddIntoKernel)(scale, x.data(), x.size(), out.data());
}

void HalvesToFloats(std::span<const uint16_t> halves, std::span<float> out) {
  assert(halves.size() == out.size());
  HWY_DYNAMIC_DISPATCH(HalvesToFloatsKernel)(halves.data(), halves.size(), out.data());
}

void FloatsToHalves(std::span<const float> x, std::span<uint16_t> out) {
  assert(x.size() == out.size());
  std::transform(x.begin(), x.end(), out.begin(), FloatToHalf);
}

}  // namespace rill
#endif

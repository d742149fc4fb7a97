// The product of bfloat16 inputs and weights with AVX512-BF16.
//
// Sixteen lanes each add the products of every sixteenth pair of inputs, and are added up at the
// end: the same for every tile of rows and outputs.
#include "operators/core/int8_kernels.h"

#if defined(__x86_64__) && defined(__GNUC__)

// GCC 12 takes the undefined operands of its own intrinsics for ours.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

#include <algorithm>

#include "operators/core/target.h"

#define RILL_BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))
#define RILL_BF16_INLINE RILL_BF16 inline __attribute__((always_inline))

namespace rill {
namespace {

constexpr size_t kLanes = 16, kStep = 32;  // sums of a vector, inputs of one
constexpr size_t kRows = 6, kOutputs = 4;  // of a tile: its sums are in registers
// A tile's rows meet this many outputs, so many inputs at a time, from the first cache.
constexpr size_t kOutputBlock = 32, kChunk = 2048;
// A single row waits for the memory: kernels ask so many bytes ahead.
constexpr size_t kAhead = 1 << 16;

RILL_BF16_INLINE __m512bh Load(const std::byte* from, __mmask32 mask) {
  return (__m512bh)_mm512_maskz_loadu_epi16(mask, from);
}

// Up to six rows of a matrix, walked together. Told from two pointers and a distance, in registers:
// left alone, the compiler multiplies anew for each row and step.
class WalkedRows {
 public:
  WalkedRows(const void* first, size_t row_bytes)
      : low_(static_cast<const std::byte*>(first)), high_(low_ + 3 * row_bytes), one_(row_bytes) {}
  RILL_BF16_INLINE const std::byte* row(size_t i) const {
    return i < 3 ? low_ + i * one_ : high_ + (i - 3) * one_;
  }
  RILL_BF16_INLINE void Advance(size_t bytes) {
    low_ += bytes;
    high_ += bytes;
    asm("" : "+r"(low_), "+r"(high_), "+r"(one_));
  }

 private:
  const std::byte *low_, *high_;
  size_t one_;
};

// Adds the products of a step's inputs, those of the mask.
template <size_t kTileRows, size_t kTileOutputs>
RILL_BF16_INLINE void AddStep(const WalkedRows& x, const WalkedRows& w, __mmask32 mask,
                              __m512 (&sums)[kTileRows][kTileOutputs]) {
  __m512bh weights[kTileOutputs];
#pragma GCC unroll 8
  for (size_t o = 0; o < kTileOutputs; ++o) weights[o] = Load(w.row(o), mask);
#pragma GCC unroll 8
  for (size_t r = 0; r < kTileRows; ++r) {
    const __m512bh value = Load(x.row(r), mask);
#pragma GCC unroll 8
    for (size_t o = 0; o < kTileOutputs; ++o)
      sums[r][o] = _mm512_dpbf16_ps(sums[r][o], value, weights[o]);
  }
}

// Adds the products of the inputs from `begin` to `end` to sums [output][row][lane].
template <size_t kTileRows, size_t kTileOutputs>
RILL_BF16 void AddChunk(const MappedMatrix& w, const uint16_t* x, size_t row, size_t output,
                        size_t begin, size_t end, float (*kept)[kTileRows][kLanes]) {
  __m512 sums[kTileRows][kTileOutputs];
#pragma GCC unroll 8
  for (size_t r = 0; r < kTileRows; ++r)
#pragma GCC unroll 8
    for (size_t o = 0; o < kTileOutputs; ++o)
      sums[r][o] = begin == 0 ? _mm512_setzero_ps() : _mm512_load_ps(kept[o][r]);
  WalkedRows inputs(x + row * w.inputs() + begin, 2 * w.inputs());
  WalkedRows weights(w.row(output) + 2 * begin, w.row_bytes());
  const std::byte* ahead = w.row(output) + kAhead;
  size_t k = begin;
  for (; k + kStep <= end; k += kStep) {
    if constexpr (kTileRows == 1) {
      Fetch(ahead, kTileOutputs * 2 * kStep);
      ahead += kTileOutputs * 2 * kStep;
    }
    AddStep(inputs, weights, ~__mmask32{0}, sums);
    inputs.Advance(2 * kStep);
    weights.Advance(2 * kStep);
  }
  if (k < end) AddStep(inputs, weights, (__mmask32{1} << (end - k)) - 1, sums);
#pragma GCC unroll 8
  for (size_t r = 0; r < kTileRows; ++r)
#pragma GCC unroll 8
    for (size_t o = 0; o < kTileOutputs; ++o) _mm512_store_ps(kept[o][r], sums[r][o]);
}

// The sums of the lanes of sixteen vectors, `stride` floats apart, each as _mm512_reduce_add_ps
// adds them, halves to halves; but of all vectors together.
RILL_BF16 __m512 ReduceSixteen(const float* vectors, size_t stride) {
  __m512 v[16];
#pragma GCC unroll 16
  for (size_t i = 0; i < 16; ++i) v[i] = _mm512_load_ps(vectors + i * stride);
#pragma GCC unroll 8
  for (size_t i = 0; i < 8; ++i)  // eight lanes each of i and i + 8
    v[i] = _mm512_add_ps(_mm512_shuffle_f32x4(v[i], v[i + 8], 0x44),
                         _mm512_shuffle_f32x4(v[i], v[i + 8], 0xee));
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i)
    v[i] = _mm512_add_ps(_mm512_shuffle_f32x4(v[i], v[i + 4], 0x88),
                         _mm512_shuffle_f32x4(v[i], v[i + 4], 0xdd));
#pragma GCC unroll 2
  for (size_t i = 0; i < 2; ++i)
    v[i] = _mm512_add_ps(_mm512_shuffle_ps(v[i], v[i + 2], 0x44),
                         _mm512_shuffle_ps(v[i], v[i + 2], 0xee));
  const __m512 sums =
      _mm512_add_ps(_mm512_shuffle_ps(v[0], v[1], 0x88), _mm512_shuffle_ps(v[0], v[1], 0xdd));
  return _mm512_permutexvar_ps(
      _mm512_setr_epi32(0, 2, 1, 3, 8, 10, 9, 11, 4, 6, 5, 7, 12, 14, 13, 15), sums);
}

// A tile's rows and the outputs from `first` to `end`, at most kOutputBlock.
template <size_t kTileRows>
RILL_BF16 void MultiplyRows(const MappedMatrix& w, const uint16_t* x, size_t row, size_t first,
                            size_t end, View<float> y) {
  alignas(64) float sums[kOutputBlock][kTileRows][kLanes];
  const size_t chunk = kTileRows < kRows ? w.inputs() : kChunk;
  for (size_t k = 0; k < w.inputs(); k += chunk) {
    const size_t stop = std::min(k + chunk, w.inputs());
    size_t o = first;
    for (; o + kOutputs <= end; o += kOutputs)
      AddChunk<kTileRows, kOutputs>(w, x, row, o, k, stop, sums + (o - first));
    for (; o < end; ++o) AddChunk<kTileRows, 1>(w, x, row, o, k, stop, sums + (o - first));
  }
  size_t o = first;
  for (; o + kLanes <= end; o += kLanes)
    for (size_t r = 0; r < kTileRows; ++r)
      _mm512_storeu_ps(&y[row + r][o], ReduceSixteen(sums[o - first][r], kTileRows * kLanes));
  for (; o < end; ++o)
    for (size_t r = 0; r < kTileRows; ++r)
      y[row + r][o] = _mm512_reduce_add_ps(_mm512_load_ps(sums[o - first][r]));
}

void MultiplyBf16(const MappedMatrix& w, const uint16_t* x, size_t rows, size_t first, size_t end,
                  View<float> y) {
  for (size_t o = first; o < end; o += kOutputBlock) {
    const size_t stop = std::min(o + kOutputBlock, end);
    size_t r = 0;
    for (; r + kRows <= rows; r += kRows) MultiplyRows<kRows>(w, x, r, o, stop, y);
    for (; r + 2 <= rows; r += 2) MultiplyRows<2>(w, x, r, o, stop, y);
    if (r < rows) MultiplyRows<1>(w, x, r, o, stop, y);
  }
}

}  // namespace

Bf16Kernel Avx512Bf16Kernel() {
  const bool has = __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  return has && TargetName().starts_with("AVX3") ? MultiplyBf16 : nullptr;
}

}  // namespace rill

#else

namespace rill {

Bf16Kernel Avx512Bf16Kernel() { return nullptr; }

}  // namespace rill

#endif

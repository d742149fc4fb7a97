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

namespace rill {
namespace {

constexpr size_t kStep = 32;  // inputs of a vector
constexpr size_t kRows = 6, kOutputs = 4;

RILL_BF16 inline __attribute__((always_inline)) __m512bh Load(const void* from, __mmask32 mask) {
  return (__m512bh)_mm512_maskz_loadu_epi16(mask, from);
}

template <size_t kTileRows, size_t kTileOutputs>
RILL_BF16 void Tile(const MappedMatrix& w, const uint16_t* x, size_t row, size_t output,
                    View<float> y) {
  const size_t inputs = w.inputs();
  __m512 sums[kTileRows][kTileOutputs];
#pragma GCC unroll 8
  for (size_t r = 0; r < kTileRows; ++r)
#pragma GCC unroll 8
    for (size_t o = 0; o < kTileOutputs; ++o) sums[r][o] = _mm512_setzero_ps();
  for (size_t k = 0; k < inputs; k += kStep) {
    const size_t left = inputs - k;
    const __mmask32 mask = left >= kStep ? ~__mmask32{0} : (__mmask32{1} << left) - 1;
    __m512bh weights[kTileOutputs];
#pragma GCC unroll 8
    for (size_t o = 0; o < kTileOutputs; ++o) weights[o] = Load(w.row(output + o) + 2 * k, mask);
#pragma GCC unroll 8
    for (size_t r = 0; r < kTileRows; ++r) {
      const __m512bh value = Load(x + (row + r) * inputs + k, mask);
#pragma GCC unroll 8
      for (size_t o = 0; o < kTileOutputs; ++o)
        sums[r][o] = _mm512_dpbf16_ps(sums[r][o], value, weights[o]);
    }
  }
#pragma GCC unroll 8
  for (size_t r = 0; r < kTileRows; ++r)
#pragma GCC unroll 8
    for (size_t o = 0; o < kTileOutputs; ++o)
      y[row + r][output + o] = _mm512_reduce_add_ps(sums[r][o]);
}

template <size_t kTileOutputs>
void Rows(const MappedMatrix& w, const uint16_t* x, size_t rows, size_t output, View<float> y) {
  size_t r = 0;
  for (; r + kRows <= rows; r += kRows) Tile<kRows, kTileOutputs>(w, x, r, output, y);
  for (; r + 2 <= rows; r += 2) Tile<2, kTileOutputs>(w, x, r, output, y);
  if (r < rows) Tile<1, kTileOutputs>(w, x, r, output, y);
}

void MultiplyBf16(const MappedMatrix& w, const uint16_t* x, size_t rows, size_t first, size_t end,
                  View<float> y) {
  size_t o = first;
  for (; o + kOutputs <= end; o += kOutputs) Rows<kOutputs>(w, x, rows, o, y);
  for (; o < end; ++o) Rows<1>(w, x, rows, o, y);
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

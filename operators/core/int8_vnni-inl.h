// What the AVX512-VNNI kernels of int8_kernels.h share: the rows of a panel, and their codes and
// scales in vectors. Included by these kernels alone, where the compiler knows the instructions.
#pragma once

// GCC 12 takes the undefined operands of its own intrinsics for ours.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "operators/core/int8_kernels.h"

#define RILL_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,f16c,fma")))
#define RILL_VNNI_INLINE RILL_VNNI inline __attribute__((always_inline))

namespace rill {
namespace {

// The rows of a whole panel, from some byte on. They are told from two pointers and four distances,
// all in registers: the compiler, left alone, would keep sixteen pointers, most of them elsewhere.
class WalkedPanel {
 public:
  WalkedPanel(const MappedMatrix& w, size_t panel)
      : low_(w.row(panel * kPanelOutputs)),
        high_(low_ + kPanelOutputs / 2 * w.row_bytes()),
        one_(w.row_bytes()),
        three_(3 * one_),
        five_(5 * one_),
        seven_(7 * one_) {}

  RILL_VNNI_INLINE const std::byte* row(size_t i) const {
    const std::byte* base = i < kPanelOutputs / 2 ? low_ : high_;
    switch (i % (kPanelOutputs / 2)) {
      case 0: return base;
      case 1: return base + one_;
      case 2: return base + 2 * one_;
      case 3: return base + three_;
      case 4: return base + 4 * one_;
      case 5: return base + five_;
      case 6: return base + 2 * three_;
      default: return base + seven_;
    }
  }
  // At the beginning of a step: what follows is told anew from the registers.
  RILL_VNNI_INLINE void Hold() {
    asm("" : "+r"(low_), "+r"(high_), "+r"(one_), "+r"(three_), "+r"(five_), "+r"(seven_));
  }
  RILL_VNNI_INLINE void Advance(size_t bytes) {
    low_ += bytes;
    high_ += bytes;
  }

 private:
  const std::byte *low_, *high_;
  size_t one_, three_, five_, seven_;
};

// The same of the last panel, where there are fewer rows: the last one again and again; their sums
// are not used.
class PartPanel {
 public:
  PartPanel(const MappedMatrix& w, size_t panel) {
    for (size_t o = 0; o < kPanelOutputs; ++o)
      rows_[o] = w.row(std::min(panel * kPanelOutputs + o, w.outputs() - 1));
  }
  RILL_VNNI_INLINE const std::byte* row(size_t i) const { return rows_[i]; }
  void Hold() {}
  void Advance(size_t bytes) {
    for (const std::byte*& row : rows_) row += bytes;
  }

 private:
  const std::byte* rows_[kPanelOutputs];
};

RILL_VNNI_INLINE __m128i Load16(const std::byte* from) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}

// 16 bytes of four of the 16 rows: of rows m, m + 4, m + 8 and m + 12.
template <typename Rows>
RILL_VNNI_INLINE __m512i LoadFour(const Rows& rows, size_t m, size_t offset) {
  __m512i z = _mm512_castsi128_si512(Load16(rows.row(m) + offset));
  z = _mm512_mask_broadcast_i32x4(z, 0x00f0, Load16(rows.row(m + 4) + offset));
  z = _mm512_mask_broadcast_i32x4(z, 0x0f00, Load16(rows.row(m + 8) + offset));
  return _mm512_mask_broadcast_i32x4(z, 0xf000, Load16(rows.row(m + 12) + offset));
}

// 16 bytes of each of the 16 rows as four vectors: vector j holds bytes 4 j to 4 j + 3 of every
// row.
template <typename Rows>
RILL_VNNI_INLINE void Gather(const Rows& rows, size_t offset, __m512i (&out)[4]) {
  __m512i z[4];
#pragma GCC unroll 4
  for (size_t m = 0; m < 4; ++m) z[m] = LoadFour(rows, m, offset);
  const __m512i a = _mm512_unpacklo_epi32(z[0], z[1]), b = _mm512_unpackhi_epi32(z[0], z[1]);
  const __m512i c = _mm512_unpacklo_epi32(z[2], z[3]), d = _mm512_unpackhi_epi32(z[2], z[3]);
  out[0] = _mm512_unpacklo_epi64(a, c);
  out[1] = _mm512_unpackhi_epi64(a, c);
  out[2] = _mm512_unpacklo_epi64(b, d);
  out[3] = _mm512_unpackhi_epi64(b, d);
}

RILL_VNNI_INLINE uint64_t Half(const std::byte* from) {
  uint16_t half;
  std::memcpy(&half, from, sizeof half);
  return half;
}

// A float16 number of each row. Put together in integer registers: sixteen small stores and a load
// over them would wait for each other.
template <typename Rows>
RILL_VNNI_INLINE __m512 GatherHalves(const Rows& rows, size_t offset) {
  uint64_t four[4];
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i)
    four[i] = Half(rows.row(4 * i) + offset) | Half(rows.row(4 * i + 1) + offset) << 16 |
              Half(rows.row(4 * i + 2) + offset) << 32 | Half(rows.row(4 * i + 3) + offset) << 48;
  return _mm512_cvtph_ps(
      _mm256_set_epi64x(static_cast<int64_t>(four[3]), static_cast<int64_t>(four[2]),
                        static_cast<int64_t>(four[1]), static_cast<int64_t>(four[0])));
}

// Scales and minima of a K block of each row: UnpackKScales for 16 rows at once.
struct KParts {
  __m512 scales[8], mins[8];
};
template <typename Rows>
RILL_VNNI_INLINE KParts UnpackKParts(const Rows& rows, size_t begin) {
  __m512i words[4];  // d and dmin; the twelve bytes of 6-bit numbers
  Gather(rows, begin, words);
  const __m512 d = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(words[0]));
  const __m512 dmin = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(words[0], 16)));
  const __m512i six = _mm512_set1_epi32(63), four = _mm512_set1_epi32(15);
  const __m512i two = _mm512_set1_epi32(0x30);
  KParts out;
#pragma GCC unroll 4
  for (unsigned i = 0; i < 4; ++i) {
    const __m512i s = _mm512_srli_epi32(words[1], 8 * i), m = _mm512_srli_epi32(words[2], 8 * i);
    const __m512i both = _mm512_srli_epi32(words[3], 8 * i);
    const __m512i high_s = _mm512_and_si512(_mm512_srli_epi32(s, 2), two);
    const __m512i high_m = _mm512_and_si512(_mm512_srli_epi32(m, 2), two);
    const __m512i low_s = _mm512_and_si512(both, four);
    const __m512i low_m = _mm512_and_si512(_mm512_srli_epi32(both, 4), four);
    out.scales[i] = _mm512_mul_ps(d, _mm512_cvtepi32_ps(_mm512_and_si512(s, six)));
    out.mins[i] = _mm512_mul_ps(dmin, _mm512_cvtepi32_ps(_mm512_and_si512(m, six)));
    out.scales[i + 4] = _mm512_mul_ps(d, _mm512_cvtepi32_ps(_mm512_or_si512(low_s, high_s)));
    out.mins[i + 4] = _mm512_mul_ps(dmin, _mm512_cvtepi32_ps(_mm512_or_si512(low_m, high_m)));
  }
  return out;
}

// Bit `bit` of every byte, moved to the fifth place.
RILL_VNNI_INLINE __m512i FifthBit(__m512i bytes, size_t bit) {
  const __m128i up = _mm_cvtsi64_si128(bit < 4 ? static_cast<int64_t>(4 - bit) : 0);
  const __m128i down = _mm_cvtsi64_si128(bit > 4 ? static_cast<int64_t>(bit - 4) : 0);
  return _mm512_and_si512(_mm512_srl_epi16(_mm512_sll_epi16(bytes, up), down),
                          _mm512_set1_epi8(16));
}

// The 16 scales of a block of Q6_K of each row.
template <typename Rows>
RILL_VNNI_INLINE void UnpackQ6Scales(const Rows& rows, size_t begin, __m512 (&out)[16]) {
  const __m512 d = GatherHalves(rows, begin + 208);
  __m512i bytes[4];  // scales 4 j to 4 j + 3 of every row in vector j
  Gather(rows, begin + 192, bytes);
#pragma GCC unroll 16
  for (unsigned s = 0; s < 16; ++s) {
    const __m512i one = _mm512_srai_epi32(_mm512_slli_epi32(bytes[s / 4], 24 - 8 * (s % 4)), 24);
    out[s] = _mm512_mul_ps(d, _mm512_cvtepi32_ps(one));
  }
}

}  // namespace
}  // namespace rill

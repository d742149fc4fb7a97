// The product of 8-bit inputs and quantised weights with AVX2, for CPUs without AVX512-VNNI.
//
// One panel and 256 inputs at a time are unpacked from the file's form into the first cache and
// meet all rows there. Pairs of products are added in 16 bits: codes of at most 63 times 127,
// twice, fit. Codes of Q8_0 are taken as the signed numbers they are, which fit as magnitudes times
// inputs with the codes' signs. So all integer sums are exact.
#include "operators/core/int8_kernels.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "operators/core/target.h"

#define RILL_AVX2 __attribute__((target("avx2,fma,f16c")))
#define RILL_AVX2_INLINE RILL_AVX2 inline __attribute__((always_inline))

namespace rill {
namespace {

constexpr size_t kHalfPanel = 8;  // outputs of a vector
constexpr size_t kGroups = kBlockInputs / 4;

RILL_AVX2_INLINE __m256i Load32(const std::byte* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

RILL_AVX2_INLINE float Half(const std::byte* from) {
  uint16_t half;
  std::memcpy(&half, from, sizeof half);
  return _cvtsh_ss(half);
}

// The codes of block `b` of a row's blocks at `from`, in the order of the inputs; b is below
// kUnpackedBlocks.
template <TensorType kType>
RILL_AVX2_INLINE __m256i Codes(const std::byte* from, size_t b) {
  const __m256i low = _mm256_set1_epi8(15);
  if constexpr (kType == TensorType::kQ4_0) {
    const __m128i pairs = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + b * 18 + 2));
    return _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(pairs, 4), pairs), low);
  } else if constexpr (kType == TensorType::kQ8_0) {
    return Load32(from + b * 34 + 2);
  } else if constexpr (kType == TensorType::kQ6_K) {
    const size_t half = b / 4, quarter = b % 4;
    const __m128i down = _mm_cvtsi32_si128(static_cast<int>(quarter / 2 * 4));
    const __m128i high_down = _mm_cvtsi32_si128(static_cast<int>(quarter * 2));
    const __m256i fours =
        _mm256_and_si256(_mm256_srl_epi16(Load32(from + half * 64 + quarter % 2 * 32), down), low);
    const __m256i twos = _mm256_and_si256(
        _mm256_srl_epi16(Load32(from + 128 + half * 32), high_down), _mm256_set1_epi8(3));
    return _mm256_or_si256(fours, _mm256_slli_epi16(twos, 4));
  } else {  // Q4_K, Q5_K
    constexpr bool kFifthBits = kType == TensorType::kQ5_K;
    const __m128i down = _mm_cvtsi32_si128(static_cast<int>(b % 2 * 4));
    const __m256i pairs = Load32(from + (kFifthBits ? 48 : 16) + b / 2 * 32);
    const __m256i fours = _mm256_and_si256(_mm256_srl_epi16(pairs, down), low);
    if constexpr (!kFifthBits) return fours;
    const __m256i bits = _mm256_and_si256(
        _mm256_srl_epi16(Load32(from + 16), _mm_cvtsi32_si128(static_cast<int>(b))),
        _mm256_set1_epi8(1));
    return _mm256_or_si256(fours, _mm256_slli_epi16(bits, 4));
  }
}

// The scales of `count` blocks of output `o` of the panel.
template <TensorType kType>
RILL_AVX2 void PutScales(const std::byte* from, size_t count, size_t o, PanelBlock* out) {
  if constexpr (kType == TensorType::kQ4_0 || kType == TensorType::kQ8_0) {
    constexpr size_t kBytes = kType == TensorType::kQ4_0 ? 18 : 34;
    for (size_t b = 0; b < count; ++b) out[b].scales[0][o] = Half(from + b * kBytes);
  } else if constexpr (kType == TensorType::kQ6_K) {
    const float d = Half(from + 208);
    for (size_t s = 0; s < 16; ++s)
      out[s / 2].scales[s % 2][o] =
          d * static_cast<float>(static_cast<int8_t>(std::to_integer<uint8_t>(from[192 + s])));
  } else {
    const float d = Half(from), dmin = Half(from + 2);
    const KScales parts = UnpackKScales(from + 4);
    for (size_t b = 0; b < kUnpackedBlocks; ++b) {
      out[b].scales[0][o] = d * static_cast<float>(parts.scales[b]);
      out[b].mins[o] = dmin * static_cast<float>(parts.mins[b]);
    }
  }
}

// Eight rows of eight groups become eight groups of eight rows.
RILL_AVX2_INLINE void Transpose(const __m256i (&rows)[8], __m256i (&groups)[8]) {
  __m256i a[8], b[8];
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i) {
    a[2 * i] = _mm256_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
    a[2 * i + 1] = _mm256_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
  }
#pragma GCC unroll 2
  for (size_t i = 0; i < 2; ++i) {
    b[4 * i] = _mm256_unpacklo_epi64(a[4 * i], a[4 * i + 2]);
    b[4 * i + 1] = _mm256_unpackhi_epi64(a[4 * i], a[4 * i + 2]);
    b[4 * i + 2] = _mm256_unpacklo_epi64(a[4 * i + 1], a[4 * i + 3]);
    b[4 * i + 3] = _mm256_unpackhi_epi64(a[4 * i + 1], a[4 * i + 3]);
  }
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i) {
    groups[i] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x20);
    groups[i + 4] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x31);
  }
}

// `count` blocks of a panel from `first_block` on. Outputs beyond the last one repeat it; their
// sums are not used.
template <TensorType kType>
RILL_AVX2 void Unpack(const MappedMatrix& w, size_t panel, size_t first_block, size_t count,
                      PanelBlock* out) {
  const size_t offset = first_block * w.row_bytes() / (w.inputs() / kBlockInputs);
  const std::byte* rows[kPanelOutputs];
  for (size_t o = 0; o < kPanelOutputs; ++o) {
    rows[o] = w.row(std::min(panel * kPanelOutputs + o, w.outputs() - 1)) + offset;
    PutScales<kType>(rows[o], count, o, out);
  }
  for (size_t b = 0; b < count; ++b)
    for (size_t first = 0; first < kPanelOutputs; first += kHalfPanel) {
      __m256i codes[8], groups[8];
#pragma GCC unroll 8
      for (size_t i = 0; i < 8; ++i) codes[i] = Codes<kType>(rows[first + i], b);
      Transpose(codes, groups);
#pragma GCC unroll 8
      for (size_t j = 0; j < kGroups; ++j)
        _mm256_store_si256(reinterpret_cast<__m256i*>(out[b].codes[j][first]), groups[j]);
    }
}

// Four codes of eight outputs times four inputs, added up.
template <TensorType kType>
RILL_AVX2_INLINE __m256i Products(__m256i codes, __m256i inputs) {
  if constexpr (kType == TensorType::kQ8_0) {
    inputs = _mm256_sign_epi8(inputs, codes);
    codes = _mm256_abs_epi8(codes);
  }
  return _mm256_madd_epi16(_mm256_maddubs_epi16(codes, inputs), _mm256_set1_epi16(1));
}

// One block of a panel and kRows rows from row `r` on: their totals grow by it.
template <TensorType kType, size_t kRows>
RILL_AVX2_INLINE void AddBlock(const PanelBlock& w, const Int8Rows& x, size_t block, size_t r,
                               float* totals) {
  constexpr bool kHalfScales = kType == TensorType::kQ6_K;
  constexpr bool kMins = kType == TensorType::kQ4_K || kType == TensorType::kQ5_K;
  constexpr size_t kParts = kHalfScales ? 2 : 1;
  const size_t at = block * x.rows + r;
  const int8_t* values = x.values + at * kBlockInputs;
  for (size_t half = 0; half < kPanelOutputs; half += kHalfPanel) {
    __m256 sums[kRows];
#pragma GCC unroll 4
    for (size_t i = 0; i < kRows; ++i)
      sums[i] = _mm256_loadu_ps(totals + (r + i) * kPanelOutputs + half);
#pragma GCC unroll 2
    for (size_t part = 0; part < kParts; ++part) {
      __m256i integers[kRows];
#pragma GCC unroll 4
      for (size_t i = 0; i < kRows; ++i) {
        const size_t start = kHalfScales ? (2 * block + part) * x.rows + r + i : at + i;
        integers[i] = kType == TensorType::kQ8_0 ? _mm256_setzero_si256()
                                                 : _mm256_set1_epi32(x.starts[start]);
      }
#pragma GCC unroll 8
      for (size_t group = 0; group < kGroups / kParts; ++group) {
        const size_t j = part * (kGroups / kParts) + group;
        const __m256i codes = Load32(reinterpret_cast<const std::byte*>(w.codes[j][half]));
#pragma GCC unroll 4
        for (size_t i = 0; i < kRows; ++i) {
          int32_t four;
          std::memcpy(&four, values + i * kBlockInputs + 4 * j, sizeof four);
          integers[i] =
              _mm256_add_epi32(integers[i], Products<kType>(codes, _mm256_set1_epi32(four)));
        }
      }
      const __m256 scales = _mm256_load_ps(w.scales[part] + half);
#pragma GCC unroll 4
      for (size_t i = 0; i < kRows; ++i)
        sums[i] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(integers[i]),
                                  _mm256_mul_ps(scales, _mm256_set1_ps(x.scales[at + i])), sums[i]);
    }
#pragma GCC unroll 4
    for (size_t i = 0; i < kRows; ++i) {
      if constexpr (kMins)
        sums[i] = _mm256_fnmadd_ps(_mm256_load_ps(w.mins + half), _mm256_set1_ps(x.offsets[at + i]),
                                   sums[i]);
      _mm256_storeu_ps(totals + (r + i) * kPanelOutputs + half, sums[i]);
    }
  }
}

template <TensorType kType>
RILL_AVX2 void MultiplyPanels(const MappedMatrix& w, const Int8Rows& x, size_t first_panel,
                              size_t end_panel, View<float> y, float* totals) {
  constexpr size_t kTile = 4;  // rows that share the loads of codes
  const size_t blocks = w.inputs() / kBlockInputs;
  PanelBlock unpacked[kUnpackedBlocks];
  for (size_t panel = first_panel; panel < end_panel; ++panel) {
    std::fill_n(totals, x.rows * kPanelOutputs, 0.0f);
    for (size_t b = 0; b < blocks; b += kUnpackedBlocks) {
      const size_t count = std::min(kUnpackedBlocks, blocks - b);
      Fetch(w.row((panel + kPanelsAhead) * kPanelOutputs) +
                kPanelOutputs * w.row_bytes() * b / blocks,
            kPanelOutputs * w.row_bytes() * count / blocks);
      Unpack<kType>(w, panel, b, count, unpacked);
      for (size_t i = 0; i < count; ++i) {
        size_t r = 0;
        for (; r + kTile <= x.rows; r += kTile)
          AddBlock<kType, kTile>(unpacked[i], x, b + i, r, totals);
        for (; r < x.rows; ++r) AddBlock<kType, 1>(unpacked[i], x, b + i, r, totals);
      }
    }
    PutPanel(w, panel, totals, y);
  }
}

void MultiplyAvx2(const MappedMatrix& w, const Int8Rows& x, size_t first_panel, size_t end_panel,
                  View<float> y, float* totals) {
  switch (w.type()) {
    case TensorType::kQ4_0:
      return MultiplyPanels<TensorType::kQ4_0>(w, x, first_panel, end_panel, y, totals);
    case TensorType::kQ8_0:
      return MultiplyPanels<TensorType::kQ8_0>(w, x, first_panel, end_panel, y, totals);
    case TensorType::kQ6_K:
      return MultiplyPanels<TensorType::kQ6_K>(w, x, first_panel, end_panel, y, totals);
    case TensorType::kQ5_K:
      return MultiplyPanels<TensorType::kQ5_K>(w, x, first_panel, end_panel, y, totals);
    default: return MultiplyPanels<TensorType::kQ4_K>(w, x, first_panel, end_panel, y, totals);
  }
}

}  // namespace

Int8Kernel Avx2Int8Kernel() {
  // What Highway calls AVX2 has FMA and F16C.
  const std::string target = TargetName();
  return target == "AVX2" || target.starts_with("AVX3") ? MultiplyAvx2 : nullptr;
}

}  // namespace rill

#else

namespace rill {

Int8Kernel Avx2Int8Kernel() { return nullptr; }

}  // namespace rill

#endif

// The product of 8-bit inputs and quantised weights with AVX2, for CPUs without AVX512-VNNI.
//
// One panel and 256 inputs at a time are unpacked from the file's form into the first cache and
// meet all rows there; a single row meets the file's blocks themselves. Pairs of products are added
// in 16 bits: codes of at most 63 times 127, twice, fit. Codes of Q8_0 are taken as the signed
// numbers they are, which fit as magnitudes times inputs with the codes' signs. So all integer sums
// are exact.
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

// Codes of block `b`, below kUnpackedBlocks, in the order of the inputs, of every type but Q4_0:
// `load` gives 32 bytes at an offset of the blocks.
template <TensorType kType, typename Load>
RILL_AVX2_INLINE __m256i CodesOf(const Load& load, size_t b) {
  const __m256i low = _mm256_set1_epi8(15);
  if constexpr (kType == TensorType::kQ8_0) {
    return load(b * 34 + 2);
  } else if constexpr (kType == TensorType::kQ6_K) {
    const size_t half = b / 4, quarter = b % 4;
    const __m128i down = _mm_cvtsi32_si128(static_cast<int>(quarter / 2 * 4));
    const __m128i high_down = _mm_cvtsi32_si128(static_cast<int>(quarter * 2));
    const __m256i fours =
        _mm256_and_si256(_mm256_srl_epi16(load(half * 64 + quarter % 2 * 32), down), low);
    const __m256i twos =
        _mm256_and_si256(_mm256_srl_epi16(load(128 + half * 32), high_down), _mm256_set1_epi8(3));
    return _mm256_or_si256(fours, _mm256_slli_epi16(twos, 4));
  } else {  // Q4_K, Q5_K
    constexpr bool kFifthBits = kType == TensorType::kQ5_K;
    const __m128i down = _mm_cvtsi32_si128(static_cast<int>(b % 2 * 4));
    const __m256i pairs = load((kFifthBits ? 48 : 16) + b / 2 * 32);
    const __m256i fours = _mm256_and_si256(_mm256_srl_epi16(pairs, down), low);
    if constexpr (!kFifthBits) return fours;
    const __m256i bits = _mm256_and_si256(
        _mm256_srl_epi16(load(16), _mm_cvtsi32_si128(static_cast<int>(b))), _mm256_set1_epi8(1));
    return _mm256_or_si256(fours, _mm256_slli_epi16(bits, 4));
  }
}

// The codes of block `b` of a row's blocks at `from`.
template <TensorType kType>
RILL_AVX2_INLINE __m256i Codes(const std::byte* from, size_t b) {
  if constexpr (kType == TensorType::kQ4_0) {
    const __m128i pairs = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + b * 18 + 2));
    return _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(pairs, 4), pairs),
                            _mm256_set1_epi8(15));
  } else {
    return CodesOf<kType>([from](size_t offset) RILL_AVX2 { return Load32(from + offset); }, b);
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

// 16 bytes of one row and 16 of another.
RILL_AVX2_INLINE __m256i LoadPair(const std::byte* one, const std::byte* other) {
  return _mm256_set_m128i(_mm_loadu_si128(reinterpret_cast<const __m128i*>(other)),
                          _mm_loadu_si128(reinterpret_cast<const __m128i*>(one)));
}

// The codes of block `b` of two rows' blocks: the first 16 of both, and the last.
template <TensorType kType>
RILL_AVX2_INLINE void PairCodes(const std::byte* one, const std::byte* other, size_t b,
                                __m256i (&codes)[2]) {
  if constexpr (kType == TensorType::kQ4_0) {
    const __m256i pairs = LoadPair(one + b * 18 + 2, other + b * 18 + 2);
    codes[0] = _mm256_and_si256(pairs, _mm256_set1_epi8(15));
    codes[1] = _mm256_and_si256(_mm256_srli_epi16(pairs, 4), _mm256_set1_epi8(15));
  } else {
#pragma GCC unroll 2
    for (size_t half = 0; half < 2; ++half) {
      const size_t first = half * kHalfBlock;
      codes[half] = CodesOf<kType>(
          [=](size_t offset)
              RILL_AVX2 { return LoadPair(one + offset + first, other + offset + first); },
          b);
    }
  }
}

// Of four pairs of rows, the first with the fifth and so on, the sums of each row's integers.
RILL_AVX2_INLINE __m256i SumsOfEight(const __m256i (&v)[4]) {
  return _mm256_hadd_epi32(_mm256_hadd_epi32(v[0], v[1]), _mm256_hadd_epi32(v[2], v[3]));
}

// The scales at the beginnings of a block of each of eight rows.
RILL_AVX2_INLINE __m256 GatherHalves(const std::byte* const (&rows)[kHalfPanel], size_t offset) {
  __m128i halves = _mm_setzero_si128();
  const auto half = [&](size_t o) {
    uint16_t value;
    std::memcpy(&value, rows[o] + offset, sizeof value);
    return static_cast<short>(value);
  };
  halves = _mm_insert_epi16(halves, half(0), 0);
  halves = _mm_insert_epi16(halves, half(1), 1);
  halves = _mm_insert_epi16(halves, half(2), 2);
  halves = _mm_insert_epi16(halves, half(3), 3);
  halves = _mm_insert_epi16(halves, half(4), 4);
  halves = _mm_insert_epi16(halves, half(5), 5);
  halves = _mm_insert_epi16(halves, half(6), 6);
  halves = _mm_insert_epi16(halves, half(7), 7);
  return _mm256_cvtph_ps(halves);
}

// One row times half a panel, from its output `first` on: the sums of AddBlock, in its order.
template <TensorType kType>
RILL_AVX2 void MultiplyOne(const MappedMatrix& w, const Int8Rows& x, size_t panel, size_t first,
                           float* totals) {
  constexpr bool kOneScale = kType == TensorType::kQ4_0 || kType == TensorType::kQ8_0;
  constexpr bool kMins = kType == TensorType::kQ4_K || kType == TensorType::kQ5_K;
  const size_t blocks = w.inputs() / kBlockInputs;
  const size_t run_bytes = w.row_bytes() * kUnpackedBlocks / blocks;
  const std::byte* rows[kHalfPanel];
  for (size_t o = 0; o < kHalfPanel; ++o)
    rows[o] = w.row(std::min(panel * kPanelOutputs + first + o, w.outputs() - 1));
  const std::byte* next = w.row((panel + kPanelsAhead) * kPanelOutputs + first);
  PanelBlock parts[kUnpackedBlocks];  // scales alone, where a block has several
  __m256 total = _mm256_setzero_ps();
  for (size_t b = 0; b < blocks; b += kUnpackedBlocks) {
    const size_t count = std::min(kUnpackedBlocks, blocks - b);
    if constexpr (!kOneScale)
      for (size_t o = 0; o < kHalfPanel; ++o) PutScales<kType>(rows[o], count, o, parts);
    for (size_t i = 0; i < count; ++i) {
      const size_t block = b + i;
      // Little by little: the memory answers better than to many requests at once.
      Fetch(next + block * run_bytes, run_bytes);
      const auto* values = reinterpret_cast<const __m128i*>(x.values + block * kBlockInputs);
      const __m256i inputs[2] = {_mm256_broadcastsi128_si256(_mm_loadu_si128(values)),
                                 _mm256_broadcastsi128_si256(_mm_loadu_si128(values + 1))};
      __m256i products[2][4];  // of the first 16 inputs and of the last
#pragma GCC unroll 4
      for (size_t o = 0; o < 4; ++o) {
        __m256i codes[2];
        PairCodes<kType>(rows[o], rows[o + 4], i, codes);
        products[0][o] = Products<kType>(codes[0], inputs[0]);
        products[1][o] = Products<kType>(codes[1], inputs[1]);
      }
      const auto add = [&](__m256i sum, __m256 scales) RILL_AVX2 {
        total = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum),
                                _mm256_mul_ps(scales, _mm256_set1_ps(x.scales[block])), total);
      };
      if constexpr (kType == TensorType::kQ6_K) {
        for (size_t half = 0; half < 2; ++half)
          add(_mm256_add_epi32(SumsOfEight(products[half]),
                               _mm256_set1_epi32(x.starts[2 * block + half])),
              _mm256_load_ps(parts[i].scales[half]));
      } else {
#pragma GCC unroll 4
        for (size_t o = 0; o < 4; ++o)
          products[0][o] = _mm256_add_epi32(products[0][o], products[1][o]);
        __m256i sum = SumsOfEight(products[0]);
        if constexpr (kType != TensorType::kQ8_0)
          sum = _mm256_add_epi32(sum, _mm256_set1_epi32(x.starts[block]));
        add(sum, kOneScale ? GatherHalves(rows, i * run_bytes / kUnpackedBlocks)
                           : _mm256_load_ps(parts[i].scales[0]));
      }
      if constexpr (kMins)
        total = _mm256_fnmadd_ps(_mm256_load_ps(parts[i].mins), _mm256_set1_ps(x.offsets[block]),
                                 total);
    }
    for (const std::byte*& row : rows) row += run_bytes;
  }
  _mm256_storeu_ps(totals + first, total);
}

template <TensorType kType>
RILL_AVX2 void MultiplyPanels(const MappedMatrix& w, const Int8Rows& x, size_t first_panel,
                              size_t end_panel, View<float> y, float* totals) {
  constexpr size_t kTile = 4;  // rows that share the loads of codes
  const size_t blocks = w.inputs() / kBlockInputs;
  PanelBlock unpacked[kUnpackedBlocks];
  for (size_t panel = first_panel; panel < end_panel; ++panel) {
    if (x.rows == 1) {
      for (size_t first = 0; first < kPanelOutputs; first += kHalfPanel)
        MultiplyOne<kType>(w, x, panel, first, totals);
      PutPanel(w, panel, totals, y);
      continue;
    }
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

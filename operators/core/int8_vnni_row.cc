// One row of 8-bit inputs times quantised weights with AVX512-VNNI: as int8_vnni.cc, straight from
// the file's blocks.
#include "operators/core/int8_kernels.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include "operators/core/int8_vnni-inl.h"

namespace rill {
namespace {

// Of four vectors as LoadFour orders rows, the sums of each row's four integers, in order.
RILL_VNNI_INLINE __m512i SumsOfFour(const __m512i (&z)[4]) {
  const __m512i a =
      _mm512_add_epi32(_mm512_unpacklo_epi32(z[0], z[1]), _mm512_unpackhi_epi32(z[0], z[1]));
  const __m512i b =
      _mm512_add_epi32(_mm512_unpacklo_epi32(z[2], z[3]), _mm512_unpackhi_epi32(z[2], z[3]));
  return _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
}

RILL_VNNI_INLINE __m512i Broadcast16(const int8_t* from) {
  return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}

// One row times one panel of Q4_0 or Q8_0, straight from the file's blocks.
template <TensorType kType>
RILL_VNNI void MultiplyOne(const MappedMatrix& w, const Int8Rows& x, size_t panel, View<float> y) {
  constexpr size_t kScale = 2, kBytes = kScale + (kType == TensorType::kQ4_0 ? 16 : 32);
  WalkedPanel rows(w, panel);
  const __m512i low = _mm512_set1_epi8(15), sign = _mm512_set1_epi8(static_cast<char>(0x80));
  const std::byte* next = w.row((panel + kPanelsAhead) * kPanelOutputs);
  const size_t blocks = w.inputs() / kBlockInputs;
  __m512 total = _mm512_setzero_ps();
  for (size_t b = 0; b < blocks; ++b) {
    Fetch(next + b * kPanelOutputs * kBytes, kPanelOutputs * kBytes);
    rows.Hold();
    const int8_t* values = x.values + b * kBlockInputs;
    const __m512i first = Broadcast16(values), second = Broadcast16(values + kHalfBlock);
    __m512i sums[4];
#pragma GCC unroll 4
    for (size_t m = 0; m < 4; ++m) {
      const __m512i bytes = LoadFour(rows, m, kScale);
      __m512i lower, upper;
      if constexpr (kType == TensorType::kQ4_0) {
        lower = _mm512_and_si512(bytes, low);
        upper = _mm512_and_si512(_mm512_srli_epi16(bytes, 4), low);
      } else {
        lower = _mm512_xor_si512(bytes, sign);
        upper = _mm512_xor_si512(LoadFour(rows, m, kScale + kHalfBlock), sign);
      }
      sums[m] = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(_mm512_setzero_si512(), lower, first),
                                    upper, second);
    }
    const __m512i sum = _mm512_add_epi32(SumsOfFour(sums), _mm512_set1_epi32(x.starts[b]));
    const __m512 scale = _mm512_mul_ps(GatherHalves(rows, 0), _mm512_set1_ps(x.scales[b]));
    total = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), scale, total);
    rows.Advance(kBytes);
  }
  _mm512_storeu_ps(y.data + panel * kPanelOutputs, total);
}

// Four vectors' codes times 16 inputs, added to their sums.
RILL_VNNI_INLINE void AddCodes(const __m512i (&codes)[4], __m512i inputs, __m512i (&sums)[4]) {
#pragma GCC unroll 4
  for (size_t m = 0; m < 4; ++m) sums[m] = _mm512_dpbusd_epi32(sums[m], codes[m], inputs);
}

template <typename Rows>
RILL_VNNI_INLINE void LoadAll(const Rows& rows, size_t offset, __m512i (&out)[4]) {
#pragma GCC unroll 4
  for (size_t m = 0; m < 4; ++m) out[m] = LoadFour(rows, m, offset);
}

// The integer sums of the 16 halves of eight blocks of Q6_K, in the order of the inputs. Asks for
// the same blocks of a later panel, `ahead`, little by little: the memory answers better than to
// many requests at once.
template <typename Rows>
RILL_VNNI_INLINE void SumQ6(const Rows& rows, const int8_t* values, __m512i (&out)[16],
                            const std::byte* ahead) {
  constexpr size_t kPart = kPanelOutputs * 210 / 4;
  const __m512i low = _mm512_set1_epi8(15), first_two = _mm512_set1_epi8(0x30);
#pragma GCC unroll 2
  for (size_t half = 0; half < 2; ++half)
#pragma GCC unroll 2
    for (size_t part = 0; part < 2; ++part) {
      Fetch(ahead + (2 * half + part) * kPart, kPart);
      __m512i highs[4];
      LoadAll(rows, 128 + 32 * half + 16 * part, highs);
#pragma GCC unroll 2
      for (size_t odd = 0; odd < 2; ++odd) {
        __m512i lows[4], first[4], second[4], sums[2][4] = {};
        LoadAll(rows, 64 * half + 32 * odd + 16 * part, lows);
#pragma GCC unroll 4
        for (size_t m = 0; m < 4; ++m) {
          // Bits 2 odd and 2 odd + 4 of a byte, and the ones above them, moved to the fifth place.
          const __m512i up =
              odd == 0 ? _mm512_slli_epi16(highs[m], 4) : _mm512_slli_epi16(highs[m], 2);
          const __m512i down = odd == 0 ? highs[m] : _mm512_srli_epi16(highs[m], 2);
          first[m] =
              _mm512_or_si512(_mm512_and_si512(lows[m], low), _mm512_and_si512(up, first_two));
          second[m] = _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi16(lows[m], 4), low),
                                      _mm512_and_si512(down, first_two));
        }
        const size_t block = 4 * half + odd;
        AddCodes(first, Broadcast16(values + 32 * block + 16 * part), sums[0]);
        AddCodes(second, Broadcast16(values + 32 * (block + 2) + 16 * part), sums[1]);
        out[2 * block + part] = SumsOfFour(sums[0]);
        out[2 * (block + 2) + part] = SumsOfFour(sums[1]);
      }
    }
}

// The integer sums of eight blocks of Q4_K or Q5_K; `ahead` as above.
template <bool kFifthBits, typename Rows>
RILL_VNNI_INLINE void SumK(const Rows& rows, const int8_t* values, __m512i (&out)[8],
                           const std::byte* ahead) {
  constexpr size_t kPart = kPanelOutputs * (kFifthBits ? 176 : 144) / 4;
  const __m512i low = _mm512_set1_epi8(15);
  __m512i fifths[2][4];
  if constexpr (kFifthBits)
    for (size_t part = 0; part < 2; ++part) LoadAll(rows, 16 + 16 * part, fifths[part]);
#pragma GCC unroll 4
  for (size_t pair = 0; pair < 4; ++pair) {
    Fetch(ahead + pair * kPart, kPart);
    __m512i sums[2][4] = {};
#pragma GCC unroll 2
    for (size_t part = 0; part < 2; ++part) {
      __m512i fours[4], first[4], second[4];
      LoadAll(rows, (kFifthBits ? 48 : 16) + 32 * pair + 16 * part, fours);
#pragma GCC unroll 4
      for (size_t m = 0; m < 4; ++m) {
        first[m] = _mm512_and_si512(fours[m], low);
        second[m] = _mm512_and_si512(_mm512_srli_epi16(fours[m], 4), low);
        if constexpr (kFifthBits) {
          first[m] = _mm512_or_si512(first[m], FifthBit(fifths[part][m], 2 * pair));
          second[m] = _mm512_or_si512(second[m], FifthBit(fifths[part][m], 2 * pair + 1));
        }
      }
      AddCodes(first, Broadcast16(values + 64 * pair + 16 * part), sums[0]);
      AddCodes(second, Broadcast16(values + 64 * pair + 32 + 16 * part), sums[1]);
    }
    out[2 * pair] = SumsOfFour(sums[0]);
    out[2 * pair + 1] = SumsOfFour(sums[1]);
  }
}

// One row times one panel of a K type.
template <TensorType kType>
RILL_VNNI void MultiplyOneK(const MappedMatrix& w, const Int8Rows& x, size_t panel, View<float> y) {
  constexpr size_t kBytes = kType == TensorType::kQ4_K   ? 144
                            : kType == TensorType::kQ5_K ? 176
                                                         : 210;
  WalkedPanel rows(w, panel);
  const std::byte* next = w.row((panel + kPanelsAhead) * kPanelOutputs);
  const size_t blocks = w.inputs() / kBlockInputs;
  __m512 total = _mm512_setzero_ps();
  for (size_t b = 0; b < blocks; b += kUnpackedBlocks) {
    const std::byte* ahead = next + kPanelOutputs * (b / kUnpackedBlocks) * kBytes;
    const int8_t* values = x.values + b * kBlockInputs;
    rows.Hold();
    const auto add = [&](__m512i sum, int32_t start, __m512 scale, float x_scale) RILL_VNNI {
      total = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_add_epi32(sum, _mm512_set1_epi32(start))),
                              _mm512_mul_ps(scale, _mm512_set1_ps(x_scale)), total);
    };
    if constexpr (kType == TensorType::kQ6_K) {
      __m512i sums[16];
      __m512 scales[16];
      SumQ6(rows, values, sums, ahead);
      UnpackQ6Scales(rows, 0, scales);
      for (size_t i = 0; i < 16; ++i)
        add(sums[i], x.starts[2 * b + i], scales[i], x.scales[b + i / 2]);
    } else {
      __m512i sums[8];
      SumK<kType == TensorType::kQ5_K>(rows, values, sums, ahead);
      const KParts parts = UnpackKParts(rows, 0);
      for (size_t i = 0; i < 8; ++i) {
        add(sums[i], x.starts[b + i], parts.scales[i], x.scales[b + i]);
        total = _mm512_fnmadd_ps(parts.mins[i], _mm512_set1_ps(x.offsets[b + i]), total);
      }
    }
    rows.Advance(kBytes);
  }
  _mm512_storeu_ps(y.data + panel * kPanelOutputs, total);
}

}  // namespace

void MultiplyVnniRow(const MappedMatrix& w, const Int8Rows& x, size_t first_panel, size_t end_panel,
                     View<float> y) {
  for (size_t p = first_panel; p < end_panel; ++p) switch (w.type()) {
      case TensorType::kQ4_0: MultiplyOne<TensorType::kQ4_0>(w, x, p, y); break;
      case TensorType::kQ8_0: MultiplyOne<TensorType::kQ8_0>(w, x, p, y); break;
      case TensorType::kQ4_K: MultiplyOneK<TensorType::kQ4_K>(w, x, p, y); break;
      case TensorType::kQ5_K: MultiplyOneK<TensorType::kQ5_K>(w, x, p, y); break;
      default: MultiplyOneK<TensorType::kQ6_K>(w, x, p, y); break;
    }
}

}  // namespace rill

#endif

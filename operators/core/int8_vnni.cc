// The product of 8-bit inputs and quantised weights with AVX512-VNNI.
//
// For many rows weights are unpacked from the file's form, two panels and 256 inputs at a time,
// into the first cache, and meet all rows there: one instruction multiplies four inputs of 16
// outputs. A single row meets them as they come from memory. The integer sums are exact, so both
// agree.
#include "operators/core/int8_kernels.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include "operators/core/int8_vnni-inl.h"
#include "operators/core/target.h"

namespace rill {
namespace {

constexpr size_t kPair = 2;  // panels that share the loads of inputs

// What is needed next, asked for little by little while the CPU is at work: many requests at once
// keep it waiting for the first of them.
class Ahead {
 public:
  Ahead(const std::byte* next, size_t bytes, size_t pieces) : next_(next), piece_(bytes / pieces) {}
  RILL_VNNI_INLINE void Piece() {
    Fetch(next_, piece_);
    next_ += piece_;
  }

 private:
  const std::byte* next_;
  size_t piece_;
};

RILL_VNNI_INLINE void Put(PanelBlock& block, size_t group, __m512i codes) {
  _mm512_store_si512(block.codes[group], codes);
}

template <typename Rows>
RILL_VNNI void UnpackQ4(Rows rows, size_t count, PanelBlock* out, Ahead& ahead) {
  const __m512i low = _mm512_set1_epi8(15);
  for (size_t b = 0; b < count; ++b) {
    ahead.Piece();
    rows.Hold();
    __m512i pairs[4];
    Gather(rows, 2, pairs);
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      Put(out[b], j, _mm512_and_si512(pairs[j], low));
      Put(out[b], j + 4, _mm512_and_si512(_mm512_srli_epi16(pairs[j], 4), low));
    }
    _mm512_store_ps(out[b].scales[0], GatherHalves(rows, 0));
    rows.Advance(18);
  }
}

template <typename Rows>
RILL_VNNI void UnpackQ8(Rows rows, size_t count, PanelBlock* out, Ahead& ahead) {
  const __m512i sign = _mm512_set1_epi8(static_cast<char>(0x80));
  for (size_t b = 0; b < count; ++b) {
    ahead.Piece();
    rows.Hold();
#pragma GCC unroll 2
    for (size_t part = 0; part < 2; ++part) {
      __m512i bytes[4];
      Gather(rows, 2 + 16 * part, bytes);
#pragma GCC unroll 4
      for (size_t j = 0; j < 4; ++j) Put(out[b], 4 * part + j, _mm512_xor_si512(bytes[j], sign));
    }
    _mm512_store_ps(out[b].scales[0], GatherHalves(rows, 0));
    rows.Advance(34);
  }
}

template <bool kFifthBits, typename Rows>
RILL_VNNI void UnpackK(const Rows& rows, PanelBlock* out, Ahead& ahead) {
  const KParts parts = UnpackKParts(rows, 0);
  for (size_t b = 0; b < kUnpackedBlocks; ++b) {
    _mm512_store_ps(out[b].scales[0], parts.scales[b]);
    _mm512_store_ps(out[b].mins, parts.mins[b]);
  }
  const __m512i low = _mm512_set1_epi8(15);
  for (size_t part = 0; part < 2; ++part) {  // of the 32 bytes that two blocks share
    __m512i fifths[4];
    if constexpr (kFifthBits) Gather(rows, 16 + 16 * part, fifths);
    for (size_t pair = 0; pair < 4; ++pair) {
      ahead.Piece();
      __m512i fours[4];
      Gather(rows, (kFifthBits ? 48 : 16) + 32 * pair + 16 * part, fours);
#pragma GCC unroll 4
      for (size_t j = 0; j < 4; ++j) {
        __m512i first = _mm512_and_si512(fours[j], low);
        __m512i second = _mm512_and_si512(_mm512_srli_epi16(fours[j], 4), low);
        if constexpr (kFifthBits) {
          first = _mm512_or_si512(first, FifthBit(fifths[j], 2 * pair));
          second = _mm512_or_si512(second, FifthBit(fifths[j], 2 * pair + 1));
        }
        Put(out[2 * pair], 4 * part + j, first);
        Put(out[2 * pair + 1], 4 * part + j, second);
      }
    }
  }
}

template <typename Rows>
RILL_VNNI void UnpackQ6(const Rows& rows, PanelBlock* out, Ahead& ahead) {
  __m512 scales[16];
  UnpackQ6Scales(rows, 0, scales);
  for (size_t s = 0; s < 16; ++s) _mm512_store_ps(out[s / 2].scales[s % 2], scales[s]);
  const __m512i low = _mm512_set1_epi8(15), two = _mm512_set1_epi8(3);
  for (size_t half = 0; half < 2; ++half)
    for (size_t part = 0; part < 2; ++part) {
      __m512i highs[4];
      Gather(rows, 128 + 32 * half + 16 * part, highs);
      for (size_t odd = 0; odd < 2; ++odd) {
        ahead.Piece();
        __m512i lows[4];
        Gather(rows, 64 * half + 32 * odd + 16 * part, lows);
        PanelBlock& first = out[4 * half + odd];
        PanelBlock& second = out[4 * half + odd + 2];
        const __m128i shift = _mm_cvtsi32_si128(static_cast<int>(2 * odd));
#pragma GCC unroll 4
        for (size_t j = 0; j < 4; ++j) {
          const __m512i high = _mm512_srl_epi16(highs[j], shift);
          const __m512i first_high = _mm512_slli_epi16(_mm512_and_si512(high, two), 4);
          const __m512i second_high = _mm512_and_si512(high, _mm512_slli_epi16(two, 4));
          Put(first, 4 * part + j, _mm512_or_si512(_mm512_and_si512(lows[j], low), first_high));
          Put(second, 4 * part + j,
              _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi16(lows[j], 4), low), second_high));
        }
      }
    }
}

// `count` blocks of a panel, whose rows are walked to the first of them.
template <typename Rows>
void Unpack(TensorType type, const Rows& rows, size_t count, PanelBlock* out, Ahead& ahead) {
  switch (type) {
    case TensorType::kQ4_0: return UnpackQ4(rows, count, out, ahead);
    case TensorType::kQ8_0: return UnpackQ8(rows, count, out, ahead);
    case TensorType::kQ6_K: return UnpackQ6(rows, out, ahead);
    case TensorType::kQ5_K: return UnpackK<true>(rows, out, ahead);
    default: return UnpackK<false>(rows, out, ahead);
  }
}

// One block of kPanels panels and all rows: totals[panel][row][16] grow by it.
template <size_t kPanels, bool kHalfScales, bool kMins>
RILL_VNNI_INLINE void AddBlock(const PanelBlock* const (&w)[kPanels], const Int8Rows& x,
                               size_t block, float* totals) {
  constexpr size_t kGroups = kBlockInputs / 4;
  __m512i codes[kPanels][kGroups];
  __m512 scales[kPanels];
#pragma GCC unroll 2
  for (size_t p = 0; p < kPanels; ++p) {
#pragma GCC unroll 8
    for (size_t j = 0; j < kGroups; ++j) codes[p][j] = _mm512_load_si512(w[p]->codes[j]);
    scales[p] = _mm512_load_ps(w[p]->scales[0]);
  }
  const int8_t* values = x.values + block * x.rows * kBlockInputs;
  const float* x_scales = x.scales + block * x.rows;
  const int32_t* starts = x.starts + (kHalfScales ? 2 : 1) * block * x.rows;
  for (size_t r = 0; r < x.rows; ++r, values += kBlockInputs) {
    __m512i first[kPanels], second[kPanels];
#pragma GCC unroll 2
    for (size_t p = 0; p < kPanels; ++p) {
      first[p] = _mm512_set1_epi32(starts[r]);
      if constexpr (kHalfScales) second[p] = _mm512_set1_epi32(starts[x.rows + r]);
    }
#pragma GCC unroll 8
    for (size_t j = 0; j < kGroups; ++j) {
      int32_t four;
      std::memcpy(&four, values + 4 * j, sizeof four);
      const __m512i input = _mm512_set1_epi32(four);
#pragma GCC unroll 2
      for (size_t p = 0; p < kPanels; ++p) {
        __m512i& sum = kHalfScales && j >= kGroups / 2 ? second[p] : first[p];
        sum = _mm512_dpbusd_epi32(sum, codes[p][j], input);
      }
    }
    const __m512 x_scale = _mm512_set1_ps(x_scales[r]);
#pragma GCC unroll 2
    for (size_t p = 0; p < kPanels; ++p) {
      float* to = totals + (p * x.rows + r) * kPanelOutputs;
      __m512 total = _mm512_loadu_ps(to);
      total =
          _mm512_fmadd_ps(_mm512_cvtepi32_ps(first[p]), _mm512_mul_ps(scales[p], x_scale), total);
      if constexpr (kHalfScales)
        total = _mm512_fmadd_ps(_mm512_cvtepi32_ps(second[p]),
                                _mm512_mul_ps(_mm512_load_ps(w[p]->scales[1]), x_scale), total);
      if constexpr (kMins)
        total = _mm512_fnmadd_ps(_mm512_load_ps(w[p]->mins),
                                 _mm512_set1_ps(x.offsets[block * x.rows + r]), total);
      _mm512_storeu_ps(to, total);
    }
  }
}

// kPanels panels from `panel` on.
template <size_t kPanels, bool kHalfScales, bool kMins, typename Rows>
RILL_VNNI void MultiplyPanels(const MappedMatrix& w, const Int8Rows& x, size_t panel, View<float> y,
                              float* totals) {
  PanelBlock unpacked[kPanels][kUnpackedBlocks];
  std::fill_n(totals, kPanels * x.rows * kPanelOutputs, 0.0f);
  const size_t blocks = w.inputs() / kBlockInputs;
  // Each block is unpacked from kPanels panels, and then multiplied.
  Ahead ahead(w.row((panel + kPanels) * kPanelOutputs), kPanels * kPanelOutputs * w.row_bytes(),
              (kPanels + 1) * blocks);
  for (size_t b = 0; b < blocks; b += kUnpackedBlocks) {
    const size_t count = std::min(kUnpackedBlocks, blocks - b);
    for (size_t p = 0; p < kPanels; ++p) {
      Rows rows(w, panel + p);
      rows.Advance(w.row_bytes() * b / blocks);
      Unpack(w.type(), rows, count, unpacked[p], ahead);
    }
    for (size_t i = 0; i < count; ++i) {
      ahead.Piece();
      const PanelBlock* block[kPanels];
      for (size_t p = 0; p < kPanels; ++p) block[p] = &unpacked[p][i];
      AddBlock<kPanels, kHalfScales, kMins>(block, x, b + i, totals);
    }
  }
  for (size_t p = 0; p < kPanels; ++p)
    PutPanel(w, panel + p, totals + p * x.rows * kPanelOutputs, y);
}

template <bool kHalfScales, bool kMins>
void MultiplyAll(const MappedMatrix& w, const Int8Rows& x, size_t first_panel, size_t end_panel,
                 View<float> y, float* totals) {
  const size_t whole = std::min(end_panel, w.outputs() / kPanelOutputs);
  size_t panel = first_panel;
  if (x.rows == 1) {
    MultiplyVnniRow(w, x, panel, whole, y);
    panel = std::max(panel, whole);
  }
  for (; panel + kPair <= whole; panel += kPair)
    MultiplyPanels<kPair, kHalfScales, kMins, WalkedPanel>(w, x, panel, y, totals);
  for (; panel < whole; ++panel)
    MultiplyPanels<1, kHalfScales, kMins, WalkedPanel>(w, x, panel, y, totals);
  if (panel < end_panel) MultiplyPanels<1, kHalfScales, kMins, PartPanel>(w, x, panel, y, totals);
}

void MultiplyVnni(const MappedMatrix& w, const Int8Rows& x, size_t first_panel, size_t end_panel,
                  View<float> y, float* totals) {
  const CodeForm form = FormOf(w.type());
  if (form.half_scales) return MultiplyAll<true, false>(w, x, first_panel, end_panel, y, totals);
  if (form.mins) return MultiplyAll<false, true>(w, x, first_panel, end_panel, y, totals);
  MultiplyAll<false, false>(w, x, first_panel, end_panel, y, totals);
}

}  // namespace

Int8Kernel VnniInt8Kernel() {
  const bool has = __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  return has && TargetName().starts_with("AVX3") ? MultiplyVnni : nullptr;
}

}  // namespace rill

#else

namespace rill {

Int8Kernel VnniInt8Kernel() { return nullptr; }

}  // namespace rill

#endif

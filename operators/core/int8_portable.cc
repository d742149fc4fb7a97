// The product of 8-bit inputs and quantised weights in plain loops: what runs where no kernel with
// the instructions for it does, and what those are compared with.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "operators/core/int8_kernels.h"

namespace rill {
namespace {

template <typename T>
T At(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

float HalfAt(const std::byte* from) { return HalfToFloat(At<uint16_t>(from)); }

// `count` blocks of one output, whose codes become bytes in the order of the inputs.
struct UnpackedRow {
  uint8_t codes[kUnpackedBlocks * kBlockInputs];
  float scales[kUnpackedBlocks][2];
  float mins[kUnpackedBlocks];
};

void UnpackRow(TensorType type, const std::byte* from, size_t count, UnpackedRow& out) {
  switch (type) {
    case TensorType::kQ4_0:
      for (size_t b = 0; b < count; ++b, from += 18) {
        out.scales[b][0] = HalfAt(from);
        for (size_t i = 0; i < 16; ++i) {
          const uint8_t pair = At<uint8_t>(from + 2 + i);
          out.codes[b * 32 + i] = pair & 15;
          out.codes[b * 32 + 16 + i] = pair >> 4;
        }
      }
      return;
    case TensorType::kQ8_0:
      for (size_t b = 0; b < count; ++b, from += 34) {
        out.scales[b][0] = HalfAt(from);
        for (size_t i = 0; i < 32; ++i)
          out.codes[b * 32 + i] = static_cast<uint8_t>(At<uint8_t>(from + 2 + i) ^ 0x80);
      }
      return;
    case TensorType::kQ6_K: {
      const float d = HalfAt(from + 208);
      for (size_t i = 0; i < 256; ++i) {
        const size_t half = i / 128, quarter = i / 32 % 4, at = i % 32;
        const int low = At<uint8_t>(from + half * 64 + quarter % 2 * 32 + at) >> (quarter / 2 * 4);
        const int high = At<uint8_t>(from + 128 + half * 32 + at) >> (quarter * 2);
        out.codes[i] = static_cast<uint8_t>((low & 15) | (high & 3) << 4);
      }
      for (size_t s = 0; s < 16; ++s)
        out.scales[s / 2][s % 2] = d * static_cast<float>(At<int8_t>(from + 192 + s));
      return;
    }
    default: {  // Q4_K, Q5_K
      const float d = HalfAt(from), dmin = HalfAt(from + 2);
      const KScales parts = UnpackKScales(from + 4);
      const bool fifth_bits = type == TensorType::kQ5_K;
      const std::byte* fours = from + (fifth_bits ? 48 : 16);
      for (size_t b = 0; b < 8; ++b) {
        out.scales[b][0] = d * static_cast<float>(parts.scales[b]);
        out.mins[b] = dmin * static_cast<float>(parts.mins[b]);
        for (size_t i = 0; i < 32; ++i) {
          const int pair = At<uint8_t>(fours + b / 2 * 32 + i);
          int code = b % 2 == 0 ? pair & 15 : pair >> 4;
          if (fifth_bits) code |= (At<uint8_t>(from + 16 + i) >> b & 1) << 4;
          out.codes[b * 32 + i] = static_cast<uint8_t>(code);
        }
      }
    }
  }
}

// Panel outputs beyond the last one repeat it; their sums are not used.
void UnpackPanel(const MappedMatrix& w, size_t panel, size_t first_block, size_t count,
                 PanelBlock* out) {
  const size_t offset = first_block * w.row_bytes() / (w.inputs() / kBlockInputs);
  const CodeForm form = FormOf(w.type());
  UnpackedRow row;
  for (size_t i = 0; i < kPanelOutputs; ++i) {
    const size_t output = std::min(panel * kPanelOutputs + i, w.outputs() - 1);
    UnpackRow(w.type(), w.row(output) + offset, count, row);
    for (size_t b = 0; b < count; ++b) {
      for (size_t j = 0; j < kBlockInputs / 4; ++j)
        std::memcpy(out[b].codes[j][i], row.codes + b * kBlockInputs + 4 * j, 4);
      out[b].scales[0][i] = row.scales[b][0];
      if (form.half_scales) out[b].scales[1][i] = row.scales[b][1];
      if (form.mins) out[b].mins[i] = row.mins[b];
    }
  }
}

// Adds the part from group `first` to `end` of a block, all of one scale.
void AddPart(const PanelBlock& w, const float* scales, const int8_t* x, float x_scale,
             int32_t start, size_t first, size_t end, float* totals) {
  int32_t sums[kPanelOutputs];
  std::fill_n(sums, kPanelOutputs, start);
  for (size_t j = first; j < end; ++j)
    for (size_t o = 0; o < kPanelOutputs; ++o)
      for (size_t i = 0; i < 4; ++i) sums[o] += w.codes[j][o][i] * x[4 * j + i];
  for (size_t o = 0; o < kPanelOutputs; ++o)
    totals[o] += static_cast<float>(sums[o]) * (scales[o] * x_scale);
}

void AddBlock(const PanelBlock& w, const CodeForm& form, const Int8Rows& x, size_t block,
              float* totals) {
  for (size_t r = 0; r < x.rows; ++r, totals += kPanelOutputs) {
    const size_t at = block * x.rows + r;
    const int8_t* values = x.values + at * kBlockInputs;
    if (form.half_scales) {
      const int32_t* starts = x.starts + 2 * block * x.rows + r;
      AddPart(w, w.scales[0], values, x.scales[at], starts[0], 0, 4, totals);
      AddPart(w, w.scales[1], values, x.scales[at], starts[x.rows], 4, 8, totals);
    } else {
      AddPart(w, w.scales[0], values, x.scales[at], x.starts[at], 0, 8, totals);
    }
    if (form.mins)
      for (size_t o = 0; o < kPanelOutputs; ++o) totals[o] -= w.mins[o] * x.offsets[at];
  }
}

void MultiplyPortable(const MappedMatrix& w, const Int8Rows& x, size_t first_panel,
                      size_t end_panel, View<float> y, float* totals) {
  const CodeForm form = FormOf(w.type());
  const size_t blocks = w.inputs() / kBlockInputs;
  PanelBlock unpacked[kUnpackedBlocks];
  for (size_t panel = first_panel; panel < end_panel; ++panel) {
    std::fill_n(totals, x.rows * kPanelOutputs, 0.0f);
    for (size_t b = 0; b < blocks; b += kUnpackedBlocks) {
      const size_t count = std::min(kUnpackedBlocks, blocks - b);
      UnpackPanel(w, panel, b, count, unpacked);
      for (size_t i = 0; i < count; ++i) AddBlock(unpacked[i], form, x, b + i, totals);
    }
    PutPanel(w, panel, totals, y);
  }
}

}  // namespace

Int8Kernel PortableInt8Kernel() { return MultiplyPortable; }

}  // namespace rill

// The integer side of mapped_matrix: inputs rounded to 8 bits, weights unpacked to codes, and the
// product of both. Only mapped_matrix.cc and the kernels include this.
//
// A panel is 16 outputs. Of a panel, 32 inputs are unpacked to bytes at a time: four neighbouring
// inputs of one output make a group of four bytes, and 16 such groups, one an output, one vector.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "operators/core/mapped_matrix.h"

namespace rill {

constexpr size_t kPanelOutputs = 16;
constexpr size_t kBlockInputs = 32;
constexpr size_t kHalfBlock = 16;
constexpr size_t kUnpackedBlocks = 8;  // unpacked together: the 256 inputs of a K block

// The rows of a panel lie apart, which no prefetcher of a CPU follows: kernels ask for what they
// need later; those that wait for the memory, so many panels ahead. To be inlined, or a compiler
// may find that it does nothing.
constexpr size_t kPanelsAhead = 3;
#if defined(__GNUC__)
__attribute__((always_inline))
#endif
inline void
Fetch([[maybe_unused]] const std::byte* from, [[maybe_unused]] size_t bytes) {
#if defined(__GNUC__)
  for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch(from + at);
#endif
}

// How a type's codes become weights: w = scale (code - zero) - min.
struct CodeForm {
  int zero;
  bool half_scales;  // a scale every 16 inputs instead of every 32
  bool mins;
};
CodeForm FormOf(TensorType type);
bool IsQuantised(TensorType type);

// Rows rounded to 8 bits, cut into blocks: all rows of a block lie together.
struct Int8Rows {
  size_t rows = 0;
  int8_t* values = nullptr;   // [inputs / 32, rows, 32]
  float* scales = nullptr;    // [inputs / 32, rows]
  int32_t* starts = nullptr;  // [inputs / 16, rows], -zero · sum of the 16 values; of a type with
                              // whole scales [inputs / 32, rows] over 32 values
  float* offsets = nullptr;   // [inputs / 32, rows], scale · sum of the values; with mins only
};

// Rounds the blocks from first_block to end_block of all rows. What is not finite makes the scale
// of its block so, and thereby every output of the row.
void RoundRows(View<const float> x, const CodeForm& form, size_t first_block, size_t end_block,
               Int8Rows& out);

// 32 inputs of a panel.
struct alignas(64) PanelBlock {
  uint8_t codes[kBlockInputs / 4][kPanelOutputs][4];
  float scales[2][kPanelOutputs];  // of the two halves; [0] alone without half scales
  float mins[kPanelOutputs];
};

// y[r, first … end) for the panels from first_panel to end_panel: a kernel.
using Int8Kernel = void (*)(const MappedMatrix& w, const Int8Rows& x, size_t first_panel,
                            size_t end_panel, View<float> y, float* totals);
// Floats of `totals`, which a kernel needs; they begin a cache line, which threads would otherwise
// take from each other at every block.
constexpr size_t TotalsFloats(size_t rows) { return 2 * rows * kPanelOutputs; }

// The sums of a panel, [rows, 16], to its outputs; the last panel may have fewer.
inline void PutPanel(const MappedMatrix& w, size_t panel, const float* totals, View<float> y) {
  const size_t first = panel * kPanelOutputs;
  const size_t outputs = std::min(kPanelOutputs, w.outputs() - first);
  for (size_t r = 0; r < y.rows; ++r)
    std::copy_n(totals + r * kPanelOutputs, outputs, y[r].data() + first);
}

// The kernels; null where the CPU or RILL_TARGET rules them out, or the compiler does not know
// them.
Int8Kernel PortableInt8Kernel();
Int8Kernel Avx2Int8Kernel();
Int8Kernel VnniInt8Kernel();

// What VnniInt8Kernel does with whole panels and one row.
void MultiplyVnniRow(const MappedMatrix& w, const Int8Rows& x, size_t first_panel, size_t end_panel,
                     View<float> y);

// y[r, o] for the outputs from `first` to `end` of a BF16 matrix; x [rows, inputs] bfloat16.
using Bf16Kernel = void (*)(const MappedMatrix& w, const uint16_t* x, size_t rows, size_t first,
                            size_t end, View<float> y);
Bf16Kernel Avx512Bf16Kernel();  // null as above

}  // namespace rill

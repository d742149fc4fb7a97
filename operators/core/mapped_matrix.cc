#include "operators/core/mapped_matrix.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>

#include "operators/core/int8_kernels.h"
#include "operators/core/kernels.h"
#include "operators/core/workers.h"

namespace rill {
namespace {

// A part of a loop over outputs reads about so many bytes: enough to be worth a thread's while, and
// little enough that threads end together.
constexpr size_t kPartBytes = 1 << 17;

Int8Kernel BestInt8Kernel() {
  static const Int8Kernel kernel = [] {
    for (const Int8Kernel known : {VnniInt8Kernel(), Avx2Int8Kernel()})
      if (known != nullptr) return known;
    return PortableInt8Kernel();
  }();
  return kernel;
}

Bf16Kernel BestBf16Kernel() {
  static const Bf16Kernel kernel = Avx512Bf16Kernel();
  return kernel;
}

constexpr size_t FloatsFor(size_t bytes) { return (bytes + sizeof(float) - 1) / sizeof(float); }

constexpr size_t kLineFloats = 64 / sizeof(float);  // of a cache line

float* AtCacheLine(float* floats) {
  constexpr uintptr_t kBytes = kLineFloats * sizeof(float);
  return reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(floats) + kBytes - 1) / kBytes *
                                  kBytes);
}

size_t Threads(const Scratch& scratch) {
  return scratch.workers() == nullptr ? 1 : scratch.workers()->threads();
}

// Calls work(first, end, thread) over all of `count` units, which are `unit_bytes` of weights each.
template <typename Work>
void Split(Workers* workers, size_t count, size_t unit_bytes, const Work& work) {
  const size_t each = std::max<size_t>(1, kPartBytes / std::max<size_t>(1, unit_bytes));
  RunParts(workers, (count + each - 1) / each, [&](size_t part, size_t thread) {
    work(part * each, std::min(count, (part + 1) * each), thread);
  });
}

void MultiplyQuantised(const MappedMatrix& w, View<const float> x, Scratch& scratch,
                       View<float> y) {
  const CodeForm form = FormOf(w.type());
  const size_t rows = x.rows, blocks = w.inputs() / kBlockInputs, threads = Threads(scratch);
  Scratch::Frame frame(scratch);
  Int8Rows rounded;
  rounded.rows = rows;
  rounded.values = reinterpret_cast<int8_t*>(frame.Take(blocks, rows * kBlockInputs / 4).data);
  rounded.scales = frame.Take(blocks, rows).data;
  rounded.starts = reinterpret_cast<int32_t*>(frame.Take(2 * blocks, rows).data);
  rounded.offsets = frame.Take(blocks, rows).data;
  const View<float> room = frame.Take(1, threads * TotalsFloats(rows) + kLineFloats);
  float* totals = AtCacheLine(room.data);
  Split(scratch.workers(), blocks, rows * kBlockInputs * sizeof(float),
        [&](size_t first, size_t end, size_t) { RoundRows(x, form, first, end, rounded); });
  // Units are pairs of panels, which share the loads of inputs.
  const size_t panels = (w.outputs() + kPanelOutputs - 1) / kPanelOutputs;
  Split(scratch.workers(), (panels + 1) / 2, 2 * kPanelOutputs * w.row_bytes(),
        [&](size_t first, size_t end, size_t thread) {
          BestInt8Kernel()(w, rounded, 2 * first, std::min(2 * end, panels), y,
                           totals + thread * TotalsFloats(rows));
        });
}

void MultiplyBf16(const MappedMatrix& w, View<const float> x, Scratch& scratch, View<float> y) {
  Scratch::Frame frame(scratch);
  auto* rounded =
      reinterpret_cast<uint16_t*>(frame.Take(1, FloatsFor(2 * x.rows * x.columns)).data);
  std::ranges::transform(View<const float>(x).flat(), rounded, FloatToBFloat16);
  Split(scratch.workers(), w.outputs(), w.row_bytes(), [&](size_t first, size_t end, size_t) {
    BestBf16Kernel()(w, rounded, x.rows, first, end, y);
  });
}

// One row, straight from the file: the same sums as below.
void MultiplyRow(const MappedMatrix& w, std::span<const float> x, Scratch& scratch,
                 std::span<float> y) {
  Split(scratch.workers(), w.outputs(), w.row_bytes(), [&](size_t first, size_t end, size_t) {
    for (size_t o = first; o < end; ++o) switch (const std::byte* row = w.row(o); w.type()) {
        case TensorType::kF16:
          y[o] = DotHalves(x, {reinterpret_cast<const uint16_t*>(row), x.size()});
          break;
        case TensorType::kBF16:
          y[o] = DotBFloats(x, {reinterpret_cast<const uint16_t*>(row), x.size()});
          break;
        default: y[o] = Dot(x, {reinterpret_cast<const float*>(row), x.size()});
      }
  });
}

// A few rows of weights at a time become float32, and meet all rows of x.
constexpr size_t kFloatRows = 4;

void MultiplyFloats(const MappedMatrix& w, View<const float> x, Scratch& scratch, View<float> y) {
  Scratch::Frame frame(scratch);
  View<const float> inputs = x;
  if (w.type() == TensorType::kBF16) {
    const View<float> rounded = frame.Take(x.rows, x.columns);
    std::ranges::transform(x.flat(), rounded.flat().begin(), [](float value) {
      return std::bit_cast<float>(static_cast<uint32_t>(FloatToBFloat16(value)) << 16);
    });
    inputs = rounded;
  }
  if (x.rows == 1) return MultiplyRow(w, inputs[0], scratch, y[0]);
  const View<float> rows = frame.Take(Threads(scratch) * kFloatRows, w.inputs());
  Split(scratch.workers(), w.outputs(), w.row_bytes(),
        [&](size_t first, size_t end, size_t thread) {
          for (size_t o = first; o < end; o += kFloatRows) {
            const size_t count = std::min(kFloatRows, end - o);
            const View<float> some = rows.Rows(thread * kFloatRows, count);
            for (size_t i = 0; i < count; ++i) w.Read(o + i, some[i]);
            DotAll(inputs, some, o, y);
          }
        });
}

}  // namespace

bool IsQuantised(TensorType type) {
  return InfoOf(static_cast<uint32_t>(type))->block_elements > 1;
}

CodeForm FormOf(TensorType type) {
  switch (type) {
    case TensorType::kQ4_0: return {8, false, false};
    case TensorType::kQ8_0: return {128, false, false};
    case TensorType::kQ6_K: return {32, true, false};
    default: return {0, false, true};  // Q4_K, Q5_K
  }
}

MappedMatrix::MappedMatrix(TensorType type, std::span<const std::byte> bytes, size_t outputs,
                           size_t inputs)
    : type_(type), bytes_(bytes), outputs_(outputs), inputs_(inputs) {
  const TensorTypeInfo info = *InfoOf(static_cast<uint32_t>(type));
  row_bytes_ = inputs / info.block_elements * info.block_bytes;
  assert(inputs % info.block_elements == 0 && bytes.size() == outputs * row_bytes_);
}

void MappedMatrix::Read(size_t output, std::span<float> values) const {
  assert(output < outputs_ && values.size() == inputs_);
  ToFloat(type_, {row(output), row_bytes_}, values);
}

size_t MappedMatrix::ScratchFloats(size_t rows, size_t threads) const {
  if (IsQuantised(type_)) {
    const size_t blocks = inputs_ / kBlockInputs;
    return blocks * rows * (kBlockInputs / 4 + 4) + threads * TotalsFloats(rows) + kLineFloats;
  }
  return threads * kFloatRows * inputs_ + (type_ == TensorType::kBF16 ? rows * inputs_ : 0);
}

void Multiply(const MappedMatrix& w, View<const float> x, Scratch& scratch, View<float> y) {
  assert(x.columns == w.inputs() && y.columns == w.outputs() && x.rows == y.rows);
  if (IsQuantised(w.type())) {
    MultiplyQuantised(w, x, scratch, y);
  } else if (w.type() == TensorType::kBF16 && BestBf16Kernel() != nullptr) {
    MultiplyBf16(w, x, scratch, y);
  } else {
    MultiplyFloats(w, x, scratch, y);
  }
}

}  // namespace rill

#include "operators/core/mapped_matrix.h"

#include <algorithm>
#include <array>
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

constexpr size_t kTogether = 16;  // products in one loop

constexpr size_t CeilDiv(size_t a, size_t b) { return (a + b - 1) / b; }

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

constexpr size_t FloatsFor(size_t bytes) { return CeilDiv(bytes, sizeof(float)); }

constexpr size_t kLineFloats = 64 / sizeof(float);  // of a cache line

float* AtCacheLine(float* floats) {
  constexpr size_t kBytes = kLineFloats * sizeof(float);
  return reinterpret_cast<float*>(CeilDiv(reinterpret_cast<uintptr_t>(floats), kBytes) * kBytes);
}

size_t Threads(const Scratch& scratch) {
  return scratch.workers() == nullptr ? 1 : scratch.workers()->threads();
}

// Calls work(first, end, thread) over all of `count` units, which are `unit_bytes` of weights each.
template <typename Work>
void Split(Workers* workers, size_t count, size_t unit_bytes, const Work& work) {
  const size_t each = std::max<size_t>(1, kPartBytes / std::max<size_t>(1, unit_bytes));
  RunParts(workers, CeilDiv(count, each), [&](size_t part, size_t thread) {
    work(part * each, std::min(count, (part + 1) * each), thread);
  });
}

Int8Rows Round(const MappedMatrix& w, View<const float> x, Scratch& scratch,
               Scratch::Frame& frame) {
  const CodeForm form = FormOf(w.type());
  const size_t blocks = w.inputs() / kBlockInputs;
  Int8Rows rounded;
  rounded.rows = x.rows;
  rounded.values = reinterpret_cast<int8_t*>(frame.Take(blocks, x.rows * kBlockInputs / 4).data);
  rounded.scales = frame.Take(blocks, x.rows).data;
  rounded.starts = reinterpret_cast<int32_t*>(frame.Take(2 * blocks, x.rows).data);
  rounded.offsets = frame.Take(blocks, x.rows).data;
  Split(scratch.workers(), blocks, x.rows * kBlockInputs * sizeof(float),
        [&](size_t first, size_t end, size_t) { RoundRows(x, form, first, end, rounded); });
  return rounded;
}

bool OfOneInput(const Product& a, const Product& b) {
  return a.w->type() == b.w->type() && a.x.data == b.x.data && a.x.rows == b.x.rows &&
         a.x.columns == b.x.columns;
}

// A product of quantised weights, cut into parts of some pairs of panels, which share the loads of
// inputs.
struct QuantisedProduct {
  const Product* product;
  Int8Rows rounded;
  size_t pairs_each, parts;
};

void MultiplyQuantised(std::span<const Product> products, Scratch& scratch) {
  Scratch::Frame frame(scratch);
  std::array<QuantisedProduct, kTogether> cut;
  size_t parts = 0, most_rows = 0;
  for (size_t i = 0; i < products.size(); ++i) {
    const auto& [w, x, y] = products[i];
    assert(x.columns == w->inputs() && y.columns == w->outputs() && x.rows == y.rows);
    const bool again = i > 0 && OfOneInput(products[i - 1], products[i]);
    const size_t pair_bytes = 2 * kPanelOutputs * w->row_bytes();
    const size_t pairs = CeilDiv(w->outputs(), 2 * kPanelOutputs);
    const size_t each = std::max<size_t>(1, kPartBytes / pair_bytes);
    cut[i] = {&products[i], again ? cut[i - 1].rounded : Round(*w, x, scratch, frame), each,
              CeilDiv(pairs, each)};
    parts += cut[i].parts;
    most_rows = std::max(most_rows, x.rows);
  }
  const size_t each_total = TotalsFloats(most_rows);
  float* totals = AtCacheLine(frame.Take(1, Threads(scratch) * each_total + kLineFloats).data);
  RunParts(scratch.workers(), parts, [&](size_t part, size_t thread) {
    size_t i = 0;
    for (; part >= cut[i].parts; ++i) part -= cut[i].parts;
    const auto& [w, x, y] = *cut[i].product;
    const size_t first = 2 * part * cut[i].pairs_each;
    const size_t end =
        std::min(first + 2 * cut[i].pairs_each, CeilDiv(w->outputs(), kPanelOutputs));
    BestInt8Kernel()(*w, cut[i].rounded, first, end, y, totals + thread * each_total);
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
    const Product one{&w, x, y};
    MultiplyQuantised({&one, 1}, scratch);
  } else if (w.type() == TensorType::kBF16 && BestBf16Kernel() != nullptr) {
    MultiplyBf16(w, x, scratch, y);
  } else {
    MultiplyFloats(w, x, scratch, y);
  }
}

void MultiplyEach(std::span<const Product> products, Scratch& scratch) {
  const auto quantised = [](const Product& product) { return IsQuantised(product.w->type()); };
  if (!std::ranges::all_of(products, quantised)) {
    for (const auto& [w, x, y] : products) Multiply(*w, x, scratch, y);
    return;
  }
  for (size_t i = 0; i < products.size(); i += kTogether)
    MultiplyQuantised(products.subspan(i, std::min(kTogether, products.size() - i)), scratch);
}

}  // namespace rill

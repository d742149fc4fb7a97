// A weight matrix [outputs, inputs] of Q8_0 that stays 8-bit in memory, and its product.
//
// Of every output, 32 inputs b share a scale. The product converts int8 to float32 in registers:
//
//   y[t, o] = Σ_b scale[o, b] (Σ_i values[o, b, i] x[t, 32 b + i]) + bias[o]
//
//   file      [outputs][blocks]            float16 scale, 32 int8: 1.0625 bytes a weight
//   memory    [outputs / 16][blocks]       16 float32 scales, [32 inputs][16 outputs] int8: 1.125
//   x         [rows, inputs]               float32
//   y         [rows, outputs]              float32
//
// Both sums run in the order of their indices, one multiply-add a term, whatever the number of
// rows: a block of frames equals its steps bit for bit.
//
// Source: Q8_0 as published by ggml-org/ggml, ggml-common.h, block_q8_0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "operators/core/view.h"

namespace rill {

class PackedQ8 {
 public:
  static constexpr size_t kPanel = 16;   // outputs
  static constexpr size_t kInputs = 32;  // of a block of Q8_0

  // Nine cache lines that a product reads once and in order.
  struct alignas(64) Block {
    float scales[kPanel];
    int8_t values[kInputs][kPanel];
  };

  // `file` holds the outputs · inputs / 32 blocks of the file, which is 34 bytes each.
  PackedQ8(std::span<const std::byte> file, size_t outputs, size_t inputs);

  size_t outputs() const { return outputs_; }
  size_t inputs() const { return blocks_ * kInputs; }
  size_t blocks() const { return blocks_; }  // of an output
  size_t panels() const { return (outputs_ + kPanel - 1) / kPanel; }
  const Block* panel(size_t i) const { return data_.data() + i * blocks_; }

 private:
  size_t outputs_;
  size_t blocks_;
  std::vector<Block> data_;  // outputs beyond the last are zero
};

// y = x wᵀ + bias, x [rows, inputs], y [rows, outputs], bias [outputs] or empty. y must not alias
// x.
void Multiply(const PackedQ8& w, View<const float> x, std::span<const float> bias, View<float> y);

}  // namespace rill

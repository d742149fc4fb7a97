// A weight matrix [outputs, inputs] of any type of the file format that stays where the file has
// it, and its product: nothing is copied, and of a mapped file only what is used is ever read.
//
//   y[t, o] = Σ_i w[o, i] x[t, i]
//
//   x   [rows, inputs]    float32
//   y   [rows, outputs]   float32
//
// How x is rounded before it meets the weights, the same for one row as for many:
//
//   F32, F16          not at all
//   BF16              to bfloat16
//   quantised types   to 8 bits in steps of max|x| / 127 over every 32 inputs; codes are multiplied
//                     as integers, exactly, and their sums scaled in float32
//
// Every output adds its products in one order, whatever the number of rows and of threads: a block
// equals its steps bit for bit.
//
// Source: the GGUF and GGML formats as published by ggml-org/ggml.
#pragma once

#include <cstddef>
#include <span>

#include "operators/core/quant.h"
#include "operators/core/scratch.h"
#include "operators/core/view.h"

namespace rill {

class MappedMatrix {
 public:
  // `bytes` holds outputs · inputs values in whole blocks a row, and outlives the object.
  MappedMatrix(TensorType type, std::span<const std::byte> bytes, size_t outputs, size_t inputs);

  TensorType type() const { return type_; }
  size_t outputs() const { return outputs_; }
  size_t inputs() const { return inputs_; }
  size_t row_bytes() const { return row_bytes_; }
  const std::byte* row(size_t output) const { return bytes_.data() + output * row_bytes_; }

  // One row of weights as float32: an embedding.
  void Read(size_t output, std::span<float> values) const;

  // Of a product of `rows` rows, on `threads` threads.
  size_t ScratchFloats(size_t rows, size_t threads) const;

 private:
  TensorType type_;
  std::span<const std::byte> bytes_;
  size_t outputs_, inputs_, row_bytes_;
};

// y = x wᵀ on the workers of `scratch`. y must not alias x.
void Multiply(const MappedMatrix& w, View<const float> x, Scratch& scratch, View<float> y);

// A product among others.
struct Product {
  const MappedMatrix* w;
  View<const float> x;
  View<float> y;
};

// The same of several products, no y of which is an x: quantised ones are one loop of the workers,
// who wait for each other once, and an x that comes again right behind itself is rounded once.
// Needs no more scratch than the products need together.
void MultiplyEach(std::span<const Product> products, Scratch& scratch);

}  // namespace rill

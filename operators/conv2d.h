// Strided convolution over a picture, zero-padded: the stem of an image encoder. No state.
//
//   y[r, c, o] = b[o] + Σ_{i,j,k} w[o, i, j, k] x[s r - (K-1)/2 + i, s c - (K-1)/2 + j, k]
//
//   i, j = 0 ... K-1; x is zero outside the picture; K odd, s <= K
//
//   x  [height · width, channels_in]                      float32, row by row
//   w  [channels_out, K · K · channels_in]                in the file
//   b  [channels_out]
//   y  [ceil(height / s) · ceil(width / s), channels_out]
//
// Source: LeCun et al. 1998, "Gradient-based learning applied to document recognition".
#pragma once

#include <string>

#include "operators/core/scratch.h"
#include "operators/linear.h"

namespace rill {

// Immutable after loading; any number of streams and threads may share one.
class Conv2d {
 public:
  struct Shape {
    size_t height = 1, width = 1, channels_in = 1, channels_out = 1;
    size_t kernel = 3, stride = 1;
  };

  // Reads NAME.weight and NAME.bias.
  static Result<Conv2d> Load(const Weights& weights, const std::string& name, const Shape& shape);

  const Shape& shape() const { return shape_; }
  size_t rows_out() const { return (shape_.height - 1) / shape_.stride + 1; }
  size_t columns_out() const { return (shape_.width - 1) / shape_.stride + 1; }
  size_t ScratchFloats() const { return TileRows() * columns_out() * weight_.inputs(); }

  // `y` must not alias `x`.
  void Run(View<const float> x, Scratch& scratch, View<float> y) const;

 private:
  Conv2d(Linear weight, const Shape& shape) : weight_(std::move(weight)), shape_(shape) {}

  // Rows of output whose patches are gathered for one product.
  size_t TileRows() const;
  void Gather(View<const float> x, size_t row, float* patches) const;

  Linear weight_;
  Shape shape_;
};

}  // namespace rill

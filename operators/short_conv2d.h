// Gated short convolution over a picture: `short_conv` in two dimensions. No state.
//
//   [B | C | X] = in_proj x
//   y = out_proj(C ⊙ conv(B ⊙ X)),   conv(v)[r, c] = Σ_{i,j} w[:, i, j] ⊙ v[r - k + i, c - k + j]
//
//   i, j = 0 ... K-1, k = (K-1)/2; v is zero outside the picture; K odd
//
//   x, y      [height · width, channels]   float32, row by row
//   in_proj   [3 · channels, channels]
//   w         [channels, K · K]            in the file
//   out_proj  [channels, channels]
//
// Source: the short convolution of Liquid AI's LFM2, over pixels.
#pragma once

#include <string>
#include <vector>

#include "operators/core/scratch.h"
#include "operators/linear.h"

namespace rill {

// Immutable after loading; any number of streams and threads may share one.
class ShortConv2d {
 public:
  static constexpr size_t kMostKernel = 7;

  struct Shape {
    size_t height = 1, width = 1, channels = 1, kernel = 3;
  };

  // Reads NAME.in_proj.weight, NAME.conv.weight and NAME.out_proj.weight.
  static Result<ShortConv2d> Load(const Weights& weights, const std::string& name,
                                  const Shape& shape);

  size_t ScratchFloats() const { return 5 * shape_.height * shape_.width * shape_.channels; }

  // `y` may be `x`.
  void Run(View<const float> x, Scratch& scratch, View<float> y) const;

 private:
  ShortConv2d(Linear in_proj, std::vector<float> conv, Linear out_proj, const Shape& shape)
      : in_proj_(std::move(in_proj)),
        conv_(std::move(conv)),
        out_proj_(std::move(out_proj)),
        shape_(shape) {}

  Linear in_proj_;
  std::vector<float> conv_;  // [K · K, channels]
  Linear out_proj_;
  Shape shape_;
};

}  // namespace rill

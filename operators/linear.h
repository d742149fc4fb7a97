// Affine map, the glue between operators.
//
//   y[t] = W x[t] + b
//
//   x   [time, inputs]     float32
//   W   [outputs, inputs]  F32, F16, BF16 or Q8_0 in the file
//   b   [outputs]          float32, or none
//   y   [time, outputs]    float32
//
// Every output adds its products in the order of the inputs, whatever the number of rows: a block
// equals its steps bit for bit. The packed float32 copy serves models of a few million parameters;
// the class is the place where block-quantised kernels over the mapped file come in.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "operators/core/kernels.h"
#include "operators/core/result.h"
#include "operators/core/view.h"
#include "operators/core/weights.h"

namespace rill {

enum class Bias { kNone, kPresent };

// Immutable after loading; any number of streams and threads may share one.
class Linear {
 public:
  // Reads NAME.weight and, if present, NAME.bias.
  static Result<Linear> Load(const Weights& weights, const std::string& name, size_t outputs,
                             size_t inputs, Bias bias = Bias::kNone);

  size_t inputs() const { return weight_.inputs(); }
  size_t outputs() const { return weight_.outputs(); }

  // Parallel form: a block of frames. `y` must not alias `x`.
  void Run(View<const float> x, View<float> y) const { Multiply(weight_, x, bias_, y); }

  // Recurrent form: one frame.
  void Step(std::span<const float> x, std::span<float> y) const {
    Multiply(weight_, {x.data(), 1, x.size()}, bias_, {y.data(), 1, y.size()});
  }

 private:
  Linear(PackedMatrix weight, std::vector<float> bias)
      : weight_(std::move(weight)), bias_(std::move(bias)) {}

  PackedMatrix weight_;
  std::vector<float> bias_;
};

}  // namespace rill

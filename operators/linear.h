// Affine map, the glue between operators.
//
//   y[t] = W x[t] + b
//
//   x   [time, inputs]     float32
//   W   [outputs, inputs]  F32, F16, BF16 or Q8_0 in the file
//   b   [outputs]          float32, or none
//   y   [time, outputs]    float32
//
// Every output adds its products in one order, whatever the number of rows: a block equals its
// steps bit for bit. Q8_0 stays 8-bit in memory (core/packed_q8.h), which is 1.125 bytes a weight;
// the other types are packed as float32.
#pragma once

#include <span>
#include <string>
#include <variant>
#include <vector>

#include "operators/core/kernels.h"
#include "operators/core/packed_q8.h"
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

  size_t inputs() const {
    return std::visit([](const auto& weight) { return weight.inputs(); }, weight_);
  }
  size_t outputs() const {
    return std::visit([](const auto& weight) { return weight.outputs(); }, weight_);
  }

  // Parallel form: a block of frames. `y` must not alias `x`.
  void Run(View<const float> x, View<float> y) const {
    std::visit([&](const auto& weight) { Multiply(weight, x, bias_, y); }, weight_);
  }

  // Recurrent form: one frame.
  void Step(std::span<const float> x, std::span<float> y) const {
    Run({x.data(), 1, x.size()}, {y.data(), 1, y.size()});
  }

 private:
  using Weight = std::variant<PackedMatrix, PackedQ8>;
  Linear(Weight weight, std::vector<float> bias)
      : weight_(std::move(weight)), bias_(std::move(bias)) {}
  static Result<Weight> LoadWeight(const Weights& weights, const std::string& name, size_t outputs,
                                   size_t inputs);

  Weight weight_;
  std::vector<float> bias_;
};

}  // namespace rill

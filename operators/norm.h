// Normalisation of one frame across its channels.
//
//   rms    y = w ⊙ x / sqrt(mean(x²) + epsilon)
//   layer  y = w ⊙ (x - mean(x)) / sqrt(mean((x - mean(x))²) + epsilon) + b
//
//   x, y  [time, channels]   float32
//   w, b  [channels]         float32
//
// Source: Zhang & Sennrich 2019, arXiv:1910.07467; Ba, Kiros & Hinton 2016, arXiv:1607.06450.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "operators/core/kernels.h"
#include "operators/core/result.h"
#include "operators/core/view.h"
#include "operators/core/weights.h"

namespace rill {

// Immutable after loading; any number of streams and threads may share one.
class RmsNorm {
 public:
  static Result<RmsNorm> Load(const Weights& weights, const std::string& name, size_t channels,
                              float epsilon);

  // Parallel form. `y` may be `x`.
  void Run(View<const float> x, View<float> y) const { RmsNormRows(x, weight_, epsilon_, y); }

  // Recurrent form: one frame. `y` may be `x`.
  void Step(std::span<const float> x, std::span<float> y) const {
    Run({x.data(), 1, x.size()}, {y.data(), 1, y.size()});
  }

 private:
  RmsNorm(std::vector<float> weight, float epsilon)
      : weight_(std::move(weight)), epsilon_(epsilon) {}

  std::vector<float> weight_;
  float epsilon_;
};

// Immutable after loading; any number of streams and threads may share one.
class LayerNorm {
 public:
  static Result<LayerNorm> Load(const Weights& weights, const std::string& name, size_t channels,
                                float epsilon);

  // Parallel form. `y` may be `x`.
  void Run(View<const float> x, View<float> y) const {
    LayerNormRows(x, weight_, bias_, epsilon_, y);
  }

  // Recurrent form: one frame. `y` may be `x`.
  void Step(std::span<const float> x, std::span<float> y) const {
    Run({x.data(), 1, x.size()}, {y.data(), 1, y.size()});
  }

 private:
  LayerNorm(std::vector<float> weight, std::vector<float> bias, float epsilon)
      : weight_(std::move(weight)), bias_(std::move(bias)), epsilon_(epsilon) {}

  std::vector<float> weight_;
  std::vector<float> bias_;
  float epsilon_;
};

}  // namespace rill

// Gated channel mixer; no state.
//
//   y[t] = down(silu(gate x[t]) ⊙ up x[t])
//
//   x, y      [time, channels]   float32
//   gate, up  [inner, channels]
//   down      [channels, inner]
//
// Source: Shazeer 2020, arXiv:2002.05202, eq. 6; LFM2's feed-forward layer.
#pragma once

#include <algorithm>
#include <span>
#include <string>

#include "operators/core/result.h"
#include "operators/core/scratch.h"
#include "operators/projection.h"

namespace rill {

// Immutable after loading; any number of streams and threads may share one.
class Swiglu {
 public:
  // Reads NAMEgate.weight, NAMEup.weight and NAMEdown.weight.
  static Result<Swiglu> Load(const Weights& weights, const std::string& name, size_t channels,
                             size_t inner, MatrixForm form = MatrixForm::kPacked);

  size_t ScratchFloats(size_t rows) const {
    return 2 * rows * gate_.outputs() +
           std::max(gate_.ScratchFloats(rows) + up_.ScratchFloats(rows), down_.ScratchFloats(rows));
  }

  // Parallel form. `y` may be `x`.
  void Run(View<const float> x, Scratch& scratch, View<float> y) const;

  // Recurrent form: one frame. `y` may be `x`.
  void Step(std::span<const float> x, Scratch& scratch, std::span<float> y) const;

 private:
  Swiglu(Projection gate, Projection up, Projection down)
      : gate_(std::move(gate)), up_(std::move(up)), down_(std::move(down)) {}

  Projection gate_;
  Projection up_;
  Projection down_;
};

}  // namespace rill

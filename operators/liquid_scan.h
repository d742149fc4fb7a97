// Gated diagonal recurrence in continuous time: how much is forgotten depends on the input and on
// the time that passed.
//
//   [x | g | a | i] = in_proj u[t] + bias
//   alpha = dt[t] · softplus(L) ⊙ sigmoid(a)
//   h[t]  = exp(-alpha) ⊙ h[t-1] + sqrt(1 - exp(-2 alpha)) ⊙ sigmoid(i) ⊙ x
//   y[t]  = out_proj(h[t] ⊙ silu(g))
//
//   u, y      [time, channels]      float32
//   dt        [time]                time since the frame before, 1 is usual
//   in_proj   [4 width, channels]   with bias
//   L         [width]               `decay` in the file
//   out_proj  [channels, width]
//   state     [width]               h; zeros before the first frame
//
// dt = 0 changes nothing, a large dt forgets everything. The square root keeps the variance of h
// that of x, whatever the rate.
//
// Source: De et al. 2024, arXiv:2402.19427, section 2.4 (RG-LRU), with dt in the exponent.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "operators/core/frames.h"
#include "operators/core/scratch.h"
#include "operators/linear.h"

namespace rill {

// Immutable after loading; any number of streams and threads may share one.
class LiquidScan {
 public:
  // Reads NAME.in_proj.{weight,bias}, NAME.decay and NAME.out_proj.weight; adds its state to
  // `layout`.
  static Result<LiquidScan> Load(const Weights& weights, const std::string& name, size_t channels,
                                 size_t width, StateLayout& layout);

  size_t ScratchFloats(size_t rows) const { return rows * 5 * rate_.size(); }

  // Parallel form: the projections see all rows at once, the scan goes through each sequence in
  // order. `y` may be `frames.x`.
  void Run(const Frames& frames, Scratch& scratch, View<float> y) const;

  // Recurrent form: one frame of one lane. `y` may be `x`.
  void Step(std::span<const float> x, float dt, Lane lane, Scratch& scratch,
            std::span<float> y) const;

 private:
  LiquidScan(Linear in_proj, std::vector<float> rate, Linear out_proj, Slot hidden)
      : in_proj_(std::move(in_proj)),
        rate_(std::move(rate)),
        out_proj_(std::move(out_proj)),
        hidden_(hidden) {}

  Linear in_proj_;
  std::vector<float> rate_;  // softplus(L)
  Linear out_proj_;
  Slot hidden_;
};

}  // namespace rill

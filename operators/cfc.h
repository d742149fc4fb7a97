// Closed-form continuous-time cell, default mode of ncps with one hidden layer.
//
//   z    = 1.7159 tanh(0.666 (W [u[t], h] + b))
//   f1   = tanh(W1 z + b1)      f2 = tanh(W2 z + b2)
//   s    = sigmoid((Wa z + ba) dt[t] + (Wb z + bb))
//   h    = f1 ⊙ (1 - s) + f2 ⊙ s
//   y[t] = out_proj h
//
//   u, y         [time, channels]             float32
//   dt           [time]                       time since the frame before
//   W            [hidden, channels + units]   `backbone`; columns: input, then state
//   W1 W2 Wa Wb  [units, hidden]              `ff1`, `ff2`, `time_a`, `time_b`, with biases
//   out_proj     [channels, units]
//   state        [units]                      h; zeros before the first frame
//
// The cell is not linear in h, so a block runs frame after frame; lanes run together.
//
// Source: Hasani et al. 2022, Nature Machine Intelligence 4, eq. 3 and 10; sign and names as in
// mlech26l/ncps.
#pragma once

#include <span>
#include <string>

#include "operators/core/frames.h"
#include "operators/core/scratch.h"
#include "operators/linear.h"

namespace rill {

// Immutable after loading; any number of streams and threads may share one.
class Cfc {
 public:
  // Reads NAME.{backbone,ff1,ff2,time_a,time_b}.{weight,bias} and NAME.out_proj.weight; adds its
  // state to `layout`.
  static Result<Cfc> Load(const Weights& weights, const std::string& name, size_t channels,
                          size_t units, size_t hidden, StateLayout& layout);

  size_t ScratchFloats(size_t rows) const {
    return rows * (1 + backbone_.inputs() + backbone_.outputs() + 6 * ff1_.outputs());
  }

  // Parallel form: all sequences advance together, frame after frame. `y` may be `frames.x`.
  void Run(const Frames& frames, Scratch& scratch, View<float> y) const;

  // Recurrent form: one frame of one lane. `y` may be `x`.
  void Step(std::span<const float> x, float dt, Lane lane, Scratch& scratch,
            std::span<float> y) const;

 private:
  Cfc(Linear backbone, Linear ff1, Linear ff2, Linear time_a, Linear time_b, Linear out_proj,
      Slot hidden)
      : backbone_(std::move(backbone)),
        ff1_(std::move(ff1)),
        ff2_(std::move(ff2)),
        time_a_(std::move(time_a)),
        time_b_(std::move(time_b)),
        out_proj_(std::move(out_proj)),
        hidden_(hidden) {}

  // The cell over rows that hold [u, h]: the new h, for as many independent lanes.
  void Cell(View<const float> inputs, std::span<const float> dt, Scratch& scratch,
            View<float> h) const;

  Linear backbone_;
  Linear ff1_;
  Linear ff2_;
  Linear time_a_;
  Linear time_b_;
  Linear out_proj_;
  Slot hidden_;
};

}  // namespace rill

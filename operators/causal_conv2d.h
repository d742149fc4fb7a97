// Strided convolution over time and frequency, causal in time: the front of an audio encoder.
//
//   y[t, f, o] = b[o] + Σ_{i,j,c} w[o, i, j, c] x[s t + s - K + i, s f - (K-1)/2 + j, c]
//
//   i, j = 0 ... K-1; x is zero before the first frame and beyond its bins; K odd, s <= K
//
//   x      [time, bins, channels_in]          float32, channels innermost
//   w      [channels_out, K · K · channels_in]  in the file
//   b      [channels_out]
//   y      [time / s, bins / s, channels_out]
//   state  [K-1, bins · channels_in], the last frames, oldest first, zeros at first; and how many
//          frames have come since the last output
//
// Source: the subsampling of Gulati et al. 2020, arXiv:2005.08100, made causal.
#pragma once

#include <span>
#include <string>

#include "operators/core/scratch.h"
#include "operators/core/state.h"
#include "operators/linear.h"

namespace rill {

// Immutable after loading; any number of streams and threads may share one.
class CausalConv2d {
 public:
  struct Shape {
    size_t bins = 1, channels_in = 1, channels_out = 1;  // bins: a multiple of the stride
    size_t kernel = 3, stride = 2;
  };
  // Outputs that one product of a block makes at most; longer blocks are cut.
  static constexpr size_t kTile = 8;

  // Reads NAME.weight and NAME.bias; adds its state to `layout`.
  static Result<CausalConv2d> Load(const Weights& weights, const std::string& name,
                                   const Shape& shape, StateLayout& layout);

  size_t stride() const { return shape_.stride; }
  size_t inputs() const { return shape_.bins * shape_.channels_in; }
  size_t outputs() const { return shape_.bins / shape_.stride * shape_.channels_out; }
  size_t ScratchFloats() const { return kTile * PatchFloats(); }
  // Output frames that so many input frames will make.
  size_t Count(size_t frames, Lane lane) const {
    return (static_cast<size_t>(lane.Integers(phase_)[0]) + frames) / shape_.stride;
  }

  // Input frames that the next output still lacks.
  size_t Missing(Lane lane) const {
    return shape_.stride - static_cast<size_t>(lane.Integers(phase_)[0]);
  }

  // Parallel form: frames x [n, inputs] of one lane to y [Count(n), outputs]. `y` must not alias
  // `x`.
  void Run(View<const float> x, Lane lane, Scratch& scratch, View<float> y) const;

  // Recurrent form: true when the frame completes an output.
  bool Step(std::span<const float> x, Lane lane, Scratch& scratch, std::span<float> y) const;

  // Whether the counter is one that frames can lead to: for states that come from outside.
  bool IsSound(Lane lane) const;

 private:
  CausalConv2d(Linear weight, const Shape& shape, Slot history, Slot phase)
      : weight_(std::move(weight)), shape_(shape), history_(history), phase_(phase) {}

  size_t PatchFloats() const { return shape_.bins / shape_.stride * weight_.inputs(); }
  // Takes a frame; writes the patches of an output, one a bin of it, when the frame completes one.
  bool Gather(std::span<const float> x, Lane lane, std::span<float> patches) const;

  Linear weight_;  // [channels_out, K · K · channels_in]
  Shape shape_;
  Slot history_, phase_;
};

}  // namespace rill

// Double-gated depthwise causal convolution, LFM2's short-range operator.
//
//   [B | C | X] = in_proj x[t]
//   v[t]        = B ⊙ X
//   y[t]        = out_proj(C ⊙ Σ_k w[k] ⊙ v[t - (K-1) + k])     k = 0 … K-1
//
//   x, y      [time, channels]        float32
//   in_proj   [3 channels, channels]
//   w         [channels, K]           in the file; the last tap meets the current frame
//   out_proj  [channels, channels]
//   state     [K-1, channels]         v of the last K-1 frames, oldest first; zeros at first
//
// Source: Liquid AI's LFM2, as published in transformers (`lfm2`) and llama.cpp.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "operators/core/frames.h"
#include "operators/core/scratch.h"
#include "operators/projection.h"

namespace rill {

// Immutable after loading; any number of streams and threads may share one.
class ShortConv {
 public:
  // Reads NAME.in_proj.weight, NAME.conv.weight and NAME.out_proj.weight; adds its state to
  // `layout`.
  static Result<ShortConv> Load(const Weights& weights, const std::string& name, size_t channels,
                                size_t taps, StateLayout& layout,
                                MatrixForm form = MatrixForm::kPacked);

  size_t ScratchFloats(size_t rows) const {
    return rows * 3 * channels_ +
           std::max(in_proj_.ScratchFloats(rows), out_proj_.ScratchFloats(rows));
  }

  // Parallel form. `y` may be `frames.x`; dt is not used.
  void Run(const Frames& frames, Scratch& scratch, View<float> y) const;

  // Recurrent form: one frame of one lane. `y` may be `x`; dt is not used.
  void Step(std::span<const float> x, float dt, Lane lane, Scratch& scratch,
            std::span<float> y) const;

 private:
  ShortConv(Projection in_proj, std::vector<float> taps_by_channel, Projection out_proj,
            size_t channels, size_t taps, Slot history)
      : in_proj_(std::move(in_proj)),
        conv_(std::move(taps_by_channel)),
        out_proj_(std::move(out_proj)),
        channels_(channels),
        taps_(taps),
        history_(history) {}

  Projection in_proj_;
  std::vector<float> conv_;  // [K, channels]
  Projection out_proj_;
  size_t channels_;
  size_t taps_;
  Slot history_;
};

}  // namespace rill

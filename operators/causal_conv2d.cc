#include "operators/causal_conv2d.h"

#include <algorithm>
#include <cassert>

namespace rill {

Result<CausalConv2d> CausalConv2d::Load(const Weights& weights, const std::string& name,
                                        const Shape& shape, StateLayout& layout) {
  if (shape.kernel % 2 == 0 || shape.stride == 0 || shape.stride > shape.kernel ||
      shape.bins % shape.stride != 0)
    return weights.Complain(name + ": a kernel of " + std::to_string(shape.kernel) +
                            ", a stride of " + std::to_string(shape.stride) + " and " +
                            std::to_string(shape.bins) +
                            " bins: the kernel must be odd and no smaller than the stride, which "
                            "must divide the bins");
  Result<Linear> weight =
      Linear::Load(weights, name, shape.channels_out,
                   shape.kernel * shape.kernel * shape.channels_in, Bias::kPresent);
  if (!weight) return weight.error();
  const Slot history =
      layout.Add(name + ".history", (shape.kernel - 1) * shape.bins * shape.channels_in);
  const Slot phase = layout.Add(name + ".phase", 1, ElementType::kInt64);
  return CausalConv2d(std::move(*weight), shape, history, phase);
}

bool CausalConv2d::Gather(std::span<const float> x, Lane lane, std::span<float> patches) const {
  const size_t kernel = shape_.kernel, channels = shape_.channels_in, width = inputs();
  assert(x.size() == width);
  const std::span<float> history = lane.Floats(history_);
  int64_t& phase = lane.Integers(phase_)[0];
  const bool complete = ++phase == static_cast<int64_t>(shape_.stride);
  if (complete) {
    phase = 0;
    float* to = patches.data();
    for (size_t f = 0; f < shape_.bins / shape_.stride; ++f) {
      for (size_t i = 0; i < kernel; ++i) {
        const float* frame = i + 1 < kernel ? history.data() + i * width : x.data();
        for (size_t j = 0; j < kernel; ++j, to += channels) {
          const size_t bin = shape_.stride * f + j - (kernel - 1) / 2;  // wraps below the first
          if (bin < shape_.bins) {
            std::copy_n(frame + bin * channels, channels, to);
          } else {
            std::fill_n(to, channels, 0.0f);
          }
        }
      }
    }
  }
  if (kernel > 1) {
    std::copy(history.begin() + static_cast<std::ptrdiff_t>(width), history.end(), history.begin());
    std::copy(x.begin(), x.end(), history.end() - static_cast<std::ptrdiff_t>(width));
  }
  return complete;
}

void CausalConv2d::Run(View<const float> x, Lane lane, Scratch& scratch, View<float> y) const {
  assert(y.rows == Count(x.rows, lane) && y.columns == outputs());
  Scratch::Frame frame(scratch);
  const size_t bins = shape_.bins / shape_.stride;
  const View<float> patches = frame.Take(kTile, PatchFloats());
  size_t made = 0, gathered = 0;
  const auto multiply = [&] {
    weight_.Run({patches.data, gathered * bins, weight_.inputs()},
                {y.Rows(made, gathered).data, gathered * bins, shape_.channels_out});
    made += gathered;
    gathered = 0;
  };
  for (size_t t = 0; t < x.rows; ++t) {
    if (Gather(x[t], lane, patches[gathered])) ++gathered;
    if (gathered == kTile) multiply();
  }
  if (gathered > 0) multiply();
}

bool CausalConv2d::Step(std::span<const float> x, Lane lane, Scratch& scratch,
                        std::span<float> y) const {
  Scratch::Frame frame(scratch);
  const std::span<float> patches = frame.Take(1, PatchFloats())[0];
  if (!Gather(x, lane, patches)) return false;
  const size_t bins = shape_.bins / shape_.stride;
  weight_.Run({patches.data(), bins, weight_.inputs()}, {y.data(), bins, shape_.channels_out});
  return true;
}

bool CausalConv2d::IsSound(Lane lane) const {
  const int64_t phase = lane.Integers(phase_)[0];
  return phase >= 0 && phase < static_cast<int64_t>(shape_.stride);
}

}  // namespace rill

#include "operators/short_conv2d.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "operators/short_conv2d.cc"
#include <hwy/foreach_target.h>

#include "operators/core/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace rill::HWY_NAMESPACE {

// v = B ⊙ X for `pixels` rows of bcx [pixels, 3 channels].
void GateInKernel(const float* bcx, size_t pixels, size_t channels, float* v) {
  for (size_t p = 0; p < pixels; ++p, bcx += 3 * channels, v += channels)
    Transform(
        channels, v, [](Vector b, Vector x) { return hn::Mul(b, x); }, bcx, bcx + 2 * channels);
}

// out = gate ⊙ Σ_k weights[k] ⊙ taps[k], taps added in their order.
void GatedSumKernel(const float* const* taps, const float* const* weights, size_t count,
                    const float* gate, size_t channels, float* out) {
  const Floats d;
  const size_t lanes = hn::Lanes(d);
  const auto sum = [&](const auto& load, size_t c) {
    Vector total = hn::Zero(d);
    for (size_t k = 0; k < count; ++k)
      total = hn::MulAdd(load(weights[k] + c), load(taps[k] + c), total);
    return hn::Mul(load(gate + c), total);
  };
  size_t c = 0;
  for (; c + lanes <= channels; c += lanes)
    hn::StoreU(sum([&](const float* from) { return hn::LoadU(d, from); }, c), d, out + c);
  if (const size_t rest = channels - c; rest > 0)
    StoreTail(sum([&](const float* from) { return LoadTail(from, rest); }, c), out + c, rest);
}

}  // namespace rill::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace rill {

HWY_EXPORT(GateInKernel);
HWY_EXPORT(GatedSumKernel);

Result<ShortConv2d> ShortConv2d::Load(const Weights& weights, const std::string& name,
                                      const Shape& shape) {
  if (shape.kernel % 2 == 0 || shape.kernel > kMostKernel)
    return weights.Complain(name + ": a kernel of " + std::to_string(shape.kernel) +
                            ": it must be odd and at most " + std::to_string(kMostKernel));
  const size_t channels = shape.channels, taps = shape.kernel * shape.kernel;
  Result<Linear> in_proj = Linear::Load(weights, name + ".in_proj", 3 * channels, channels);
  if (!in_proj) return in_proj.error();
  const Result<std::vector<float>> conv = weights.Matrix(name + ".conv.weight", channels, taps);
  if (!conv) return conv.error();
  Result<Linear> out_proj = Linear::Load(weights, name + ".out_proj", channels, channels);
  if (!out_proj) return out_proj.error();
  std::vector<float> by_tap(taps * channels);
  for (size_t c = 0; c < channels; ++c)
    for (size_t k = 0; k < taps; ++k) by_tap[k * channels + c] = (*conv)[c * taps + k];
  return ShortConv2d(std::move(*in_proj), std::move(by_tap), std::move(*out_proj), shape);
}

void ShortConv2d::Run(View<const float> x, Scratch& scratch, View<float> y) const {
  const size_t channels = shape_.channels, kernel = shape_.kernel, before = (kernel - 1) / 2;
  assert(x.rows == shape_.height * shape_.width && x.columns == channels);
  Scratch::Frame frame(scratch);
  const View<float> bcx = frame.Take(x.rows, 3 * channels);
  const View<float> v = frame.Take(x.rows, channels), gated = frame.Take(x.rows, channels);
  in_proj_.Run(x, bcx);
  HWY_DYNAMIC_DISPATCH(GateInKernel)(bcx.data, x.rows, channels, v.data);
  const float* taps[kMostKernel * kMostKernel];
  const float* weights[kMostKernel * kMostKernel];
  for (size_t r = 0; r < shape_.height; ++r) {
    for (size_t c = 0; c < shape_.width; ++c) {
      size_t count = 0;  // of the taps inside the picture
      for (size_t i = 0; i < kernel; ++i) {
        for (size_t j = 0; j < kernel; ++j) {
          const size_t row = r + i - before, column = c + j - before;  // wrap outside
          if (row >= shape_.height || column >= shape_.width) continue;
          taps[count] = v[row * shape_.width + column].data();
          weights[count++] = conv_.data() + (i * kernel + j) * channels;
        }
      }
      const size_t pixel = r * shape_.width + c;
      HWY_DYNAMIC_DISPATCH(GatedSumKernel)
      (taps, weights, count, bcx[pixel].data() + channels, channels, gated[pixel].data());
    }
  }
  out_proj_.Run(gated, y);
}

}  // namespace rill
#endif

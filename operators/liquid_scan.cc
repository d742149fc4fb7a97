#include "operators/liquid_scan.h"

#include <cassert>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "operators/liquid_scan.cc"
#include <hwy/foreach_target.h>

#include "operators/core/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace rill::HWY_NAMESPACE {

// One frame: `projected` [4 width] holds x, g, a and i; h moves on and h ⊙ silu(g) goes to `out`.
void ScanKernel(const float* projected, const float* rate, float dt, size_t width, float* h,
                float* out) {
  const Floats d;
  const Vector minus_dt = hn::Set(d, -dt), two = hn::Set(d, 2.0f);
  const auto advance = [&](Vector x, Vector a, Vector i, Vector rates, Vector before) {
    const Vector minus_alpha = hn::Mul(hn::Mul(minus_dt, rates), SigmoidOf(a));
    // With e = exp(-alpha) - 1: the decay is 1 + e and 1 - decay² = -e (2 + e), exact for small
    // alpha.
    const Vector e = hn::Expm1(d, minus_alpha);
    const Vector gain = hn::Sqrt(hn::Neg(hn::Mul(e, hn::Add(two, e))));
    return hn::MulAdd(gain, hn::Mul(SigmoidOf(i), x), hn::MulAdd(e, before, before));
  };
  Transform(width, h, advance, projected, projected + 2 * width, projected + 3 * width, rate,
            static_cast<const float*>(h));
  Transform(
      width, out, [](Vector g, Vector hidden) { return hn::Mul(SiluOf(g), hidden); },
      projected + width, static_cast<const float*>(h));
}

}  // namespace rill::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace rill {

HWY_EXPORT(ScanKernel);

Result<LiquidScan> LiquidScan::Load(const Weights& weights, const std::string& name,
                                    size_t channels, size_t width, StateLayout& layout) {
  Result<Linear> in_proj =
      Linear::Load(weights, name + ".in_proj", 4 * width, channels, Bias::kPresent);
  if (!in_proj) return in_proj.error();
  Result<std::vector<float>> decay = weights.Vector(name + ".decay", width);
  if (!decay) return decay.error();
  Result<Linear> out_proj = Linear::Load(weights, name + ".out_proj", channels, width);
  if (!out_proj) return out_proj.error();
  for (float& rate : *decay)  // softplus in double, in the form that neither overflows nor cancels
    rate = static_cast<float>(std::max<double>(rate, 0) +
                              std::log1p(std::exp(-std::fabs(static_cast<double>(rate)))));
  const Slot hidden = layout.Add(name + ".h", width);
  return LiquidScan(std::move(*in_proj), std::move(*decay), std::move(*out_proj), hidden);
}

void LiquidScan::Run(const Frames& frames, Scratch& scratch, View<float> y) const {
  assert(frames.dt.size() == frames.x.rows);
  const size_t width = rate_.size();
  Scratch::Frame frame(scratch);
  const View<float> projected = frame.Take(frames.x.rows, 4 * width);
  const View<float> gated = frame.Take(frames.x.rows, width);
  in_proj_.Run(frames.x, projected);
  size_t t = 0;
  for (const Sequence& sequence : frames.batch)
    for (size_t end = t + sequence.rows; t < end; ++t) HWY_DYNAMIC_DISPATCH(ScanKernel)
  (projected[t].data(), rate_.data(), frames.dt[t], width, sequence.lane.Floats(hidden_).data(),
   gated[t].data());
  out_proj_.Run(gated, y);
}

void LiquidScan::Step(std::span<const float> x, float dt, Lane lane, Scratch& scratch,
                      std::span<float> y) const {
  const size_t width = rate_.size();
  Scratch::Frame frame(scratch);
  const std::span<float> projected = frame.Take(1, 4 * width)[0];
  const std::span<float> gated = frame.Take(1, width)[0];
  in_proj_.Step(x, projected);
  HWY_DYNAMIC_DISPATCH(ScanKernel)
  (projected.data(), rate_.data(), dt, width, lane.Floats(hidden_).data(), gated.data());
  out_proj_.Step(gated, y);
}

}  // namespace rill
#endif

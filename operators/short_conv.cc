#include "operators/short_conv.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "operators/short_conv.cc"
#include <hwy/foreach_target.h>

#include "operators/core/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace rill::HWY_NAMESPACE {

// One frame: `bcx` [3 channels] holds B, C and X; the gated convolution goes to `out`, `history`
// [taps-1, channels] moves on by a frame. `out` may be the first third of `bcx`.
void GatedConvKernel(const float* bcx, const float* conv, size_t channels, size_t taps,
                     float* history, float* out) {
  const float* c_gate = bcx + channels;
  const float* x = bcx + 2 * channels;
  Transform(
      channels, out, [](Vector b, Vector v) { return hn::Mul(b, v); }, bcx, x);  // v[t]
  const Floats d;
  const size_t lanes = hn::Lanes(d);
  const auto convolve = [&](size_t c, size_t count) {
    const bool whole = count == lanes;
    const auto load = [&](const float* from) {
      return whole ? hn::LoadU(d, from + c) : LoadTail(from + c, count);
    };
    const auto store = [&](Vector v, float* to) {
      whole ? hn::StoreU(v, d, to + c) : StoreTail(v, to + c, count);
    };
    const Vector current = load(out);
    Vector sum = hn::Zero(d);
    for (size_t k = 0; k + 1 < taps; ++k) {
      sum = hn::MulAdd(load(conv + k * channels), load(history + k * channels), sum);
      store(k + 2 < taps ? load(history + (k + 1) * channels) : current, history + k * channels);
    }
    sum = hn::MulAdd(load(conv + (taps - 1) * channels), current, sum);
    store(hn::Mul(load(c_gate), sum), out);
  };
  size_t c = 0;
  for (; c + lanes <= channels; c += lanes) convolve(c, lanes);
  if (c < channels) convolve(c, channels - c);
}

}  // namespace rill::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace rill {

HWY_EXPORT(GatedConvKernel);

Result<ShortConv> ShortConv::Load(const Weights& weights, const std::string& name, size_t channels,
                                  size_t taps, StateLayout& layout, MatrixForm form) {
  Result<Projection> in_proj =
      Projection::Load(weights, name + ".in_proj", 3 * channels, channels, form);
  if (!in_proj) return in_proj.error();
  const Result<std::vector<float>> conv = weights.Matrix(name + ".conv.weight", channels, taps);
  if (!conv) return conv.error();
  Result<Projection> out_proj =
      Projection::Load(weights, name + ".out_proj", channels, channels, form);
  if (!out_proj) return out_proj.error();
  std::vector<float> by_tap(taps * channels);
  for (size_t c = 0; c < channels; ++c)
    for (size_t k = 0; k < taps; ++k) by_tap[k * channels + c] = (*conv)[c * taps + k];
  const Slot history = layout.Add(name + ".history", (taps - 1) * channels);
  return ShortConv(std::move(*in_proj), std::move(by_tap), std::move(*out_proj), channels, taps,
                   history);
}

void ShortConv::Run(const Frames& frames, Scratch& scratch, View<float> y) const {
  Scratch::Frame frame(scratch);
  const View<float> bcx = frame.Take(frames.x.rows, 3 * channels_);
  in_proj_.Run(frames.x, scratch, bcx);
  // The gated rows are packed to the front of the block: row t ends before row t + 1 of `bcx`
  // begins.
  const View<float> gated{bcx.data, bcx.rows, channels_};
  size_t t = 0;
  for (const Sequence& sequence : frames.batch)
    for (size_t end = t + sequence.rows; t < end; ++t) HWY_DYNAMIC_DISPATCH(GatedConvKernel)
  (bcx[t].data(), conv_.data(), channels_, taps_, sequence.lane.Floats(history_).data(),
   bcx[t].data());
  for (t = 1; t < bcx.rows; ++t) std::copy_n(bcx[t].data(), channels_, gated[t].data());
  out_proj_.Run(gated, scratch, y);
}

void ShortConv::Step(std::span<const float> x, float, Lane lane, Scratch& scratch,
                     std::span<float> y) const {
  Scratch::Frame frame(scratch);
  const std::span<float> bcx = frame.Take(1, 3 * channels_)[0];
  in_proj_.Step(x, scratch, bcx);
  HWY_DYNAMIC_DISPATCH(GatedConvKernel)
  (bcx.data(), conv_.data(), channels_, taps_, lane.Floats(history_).data(), bcx.data());
  out_proj_.Step(bcx.first(channels_), scratch, y);
}

}  // namespace rill
#endif

#include "operators/cfc.h"

#include <algorithm>
#include <cassert>

namespace rill {

Result<Cfc> Cfc::Load(const Weights& weights, const std::string& name, size_t channels,
                      size_t units, size_t hidden, StateLayout& layout) {
  Result<Linear> backbone =
      Linear::Load(weights, name + ".backbone", hidden, channels + units, Bias::kPresent);
  if (!backbone) return backbone.error();
  Result<Linear> ff1 = Linear::Load(weights, name + ".ff1", units, hidden, Bias::kPresent);
  if (!ff1) return ff1.error();
  Result<Linear> ff2 = Linear::Load(weights, name + ".ff2", units, hidden, Bias::kPresent);
  if (!ff2) return ff2.error();
  Result<Linear> time_a = Linear::Load(weights, name + ".time_a", units, hidden, Bias::kPresent);
  if (!time_a) return time_a.error();
  Result<Linear> time_b = Linear::Load(weights, name + ".time_b", units, hidden, Bias::kPresent);
  if (!time_b) return time_b.error();
  Result<Linear> out_proj = Linear::Load(weights, name + ".out_proj", channels, units);
  if (!out_proj) return out_proj.error();
  const Slot state = layout.Add(name + ".h", units);
  return Cfc(std::move(*backbone), std::move(*ff1), std::move(*ff2), std::move(*time_a),
             std::move(*time_b), std::move(*out_proj), state);
}

void Cfc::Cell(View<const float> inputs, std::span<const float> dt, Scratch& scratch,
               View<float> h) const {
  Scratch::Frame frame(scratch);
  const size_t rows = inputs.rows, units = h.columns;
  const View<float> z = frame.Take(rows, backbone_.outputs());
  const View<float> f1 = frame.Take(rows, units), f2 = frame.Take(rows, units);
  const View<float> a = frame.Take(rows, units), s = frame.Take(rows, units);
  backbone_.Run(inputs, z);
  Tanh(z.flat(), 0.666f, 1.7159f, z.flat());  // LeCun's scaled tanh, constants of ncps
  ff1_.Run(z, f1);
  ff2_.Run(z, f2);
  time_a_.Run(z, a);
  time_b_.Run(z, s);
  Tanh(f1.flat(), 1.0f, 1.0f, f1.flat());
  Tanh(f2.flat(), 1.0f, 1.0f, f2.flat());
  for (size_t r = 0; r < rows; ++r) MulAddInto(dt[r], a[r], s[r]);
  Sigmoid(s.flat(), s.flat());
  for (size_t r = 0; r < rows; ++r)
    for (size_t c = 0; c < units; ++c) h[r][c] = f1[r][c] * (1.0f - s[r][c]) + f2[r][c] * s[r][c];
}

void Cfc::Run(const Frames& frames, Scratch& scratch, View<float> y) const {
  assert(frames.dt.size() == frames.x.rows);
  const size_t channels = frames.x.columns, units = hidden_.count;
  Scratch::Frame frame(scratch);
  const View<float> h = frame.Take(frames.x.rows, units);
  size_t longest = 0;
  for (const Sequence& sequence : frames.batch) longest = std::max(longest, sequence.rows);
  for (size_t t = 0; t < longest; ++t) {
    Scratch::Frame step(scratch);
    const View<float> inputs = step.Take(frames.batch.size(), backbone_.inputs());
    const View<float> next = step.Take(frames.batch.size(), units);
    const std::span<float> dt = step.Take(1, frames.batch.size())[0];
    size_t first = 0, active = 0;
    for (const Sequence& sequence : frames.batch) {
      if (t < sequence.rows) {
        const std::span<float> before = sequence.lane.Floats(hidden_);
        const std::span<float> input = inputs[active];
        std::copy_n(frames.x[first + t].begin(), channels, input.begin());
        std::copy(before.begin(), before.end(), input.begin() + channels);
        dt[active++] = frames.dt[first + t];
      }
      first += sequence.rows;
    }
    Cell(inputs.Rows(0, active), dt, scratch, next.Rows(0, active));
    first = active = 0;
    for (const Sequence& sequence : frames.batch) {
      if (t < sequence.rows) {
        const std::span<const float> after = next[active++];
        std::copy(after.begin(), after.end(), sequence.lane.Floats(hidden_).begin());
        std::copy(after.begin(), after.end(), h[first + t].begin());
      }
      first += sequence.rows;
    }
  }
  out_proj_.Run(h, y);
}

void Cfc::Step(std::span<const float> x, float dt, Lane lane, Scratch& scratch,
               std::span<float> y) const {
  const std::span<float> h = lane.Floats(hidden_);
  Scratch::Frame frame(scratch);
  const View<float> input = frame.Take(1, backbone_.inputs());
  std::copy(x.begin(), x.end(), input[0].begin());
  std::copy(h.begin(), h.end(), input[0].begin() + static_cast<ptrdiff_t>(x.size()));
  Cell(input, {&dt, 1}, scratch, {h.data(), 1, h.size()});
  out_proj_.Step(h, y);
}

}  // namespace rill

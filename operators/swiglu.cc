#include "operators/swiglu.h"

#include <array>

namespace rill {

Result<Swiglu> Swiglu::Load(const Weights& weights, const std::string& name, size_t channels,
                            size_t inner, MatrixForm form) {
  Result<Projection> gate = Projection::Load(weights, name + "gate", inner, channels, form);
  if (!gate) return gate.error();
  Result<Projection> up = Projection::Load(weights, name + "up", inner, channels, form);
  if (!up) return up.error();
  Result<Projection> down = Projection::Load(weights, name + "down", channels, inner, form);
  if (!down) return down.error();
  return Swiglu(std::move(*gate), std::move(*up), std::move(*down));
}

void Swiglu::Run(View<const float> x, Scratch& scratch, View<float> y) const {
  Scratch::Frame frame(scratch);
  const View<float> gate = frame.Take(x.rows, gate_.outputs());
  const View<float> inner = frame.Take(x.rows, gate_.outputs());
  Projection::RunEach(std::array<Projection::Output, 2>{{{&gate_, gate}, {&up_, inner}}}, x,
                      scratch);
  SiluTimes(gate.flat(), inner.flat(), inner.flat());
  down_.Run(inner, scratch, y);
}

void Swiglu::Step(std::span<const float> x, Scratch& scratch, std::span<float> y) const {
  Run({x.data(), 1, x.size()}, scratch, {y.data(), 1, y.size()});
}

}  // namespace rill

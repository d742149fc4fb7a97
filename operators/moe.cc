#include "operators/moe.h"

#include <algorithm>
#include <array>

#include "operators/core/kernels.h"
#include "operators/core/workers.h"

namespace rill {
namespace {

// The matrices [outputs, inputs] of all experts, which lie one after another.
Result<std::vector<MappedMatrix>> LoadExperts(const Weights& weights, const std::string& name,
                                              size_t experts, size_t outputs, size_t inputs) {
  const Result<Tensor> tensor = weights.Get(name + ".weight", std::array{experts, outputs, inputs});
  if (!tensor) return tensor.error();
  const size_t bytes = tensor->bytes.size() / experts;
  std::vector<MappedMatrix> matrices;
  for (size_t e = 0; e < experts; ++e)
    matrices.emplace_back(tensor->type, tensor->bytes.subspan(e * bytes, bytes), outputs, inputs);
  return matrices;
}

}  // namespace

Result<Moe> Moe::Load(const Weights& weights, const std::string& name, const std::string& bias_name,
                      size_t channels, const MoeConfig& config) {
  Result<Linear> router = Linear::Load(weights, name + "gate_inp", config.experts, channels);
  if (!router) return router.error();
  std::vector<float> bias(config.experts, 0.0f);
  if (weights.tensors().contains(bias_name)) {
    Result<std::vector<float>> read = weights.Vector(bias_name, config.experts);
    if (!read) return read.error();
    bias = std::move(*read);
  }
  const auto load = [&](const char* part, size_t outputs, size_t inputs) {
    return LoadExperts(weights, name + part, config.experts, outputs, inputs);
  };
  const auto gate = load("gate_exps", config.inner, channels);
  if (!gate) return gate.error();
  const auto up = load("up_exps", config.inner, channels);
  if (!up) return up.error();
  const auto down = load("down_exps", channels, config.inner);
  if (!down) return down.error();
  std::vector<Expert> experts;
  for (size_t e = 0; e < config.experts; ++e) experts.push_back({(*gate)[e], (*up)[e], (*down)[e]});
  return Moe(std::move(*router), std::move(bias), std::move(experts), config);
}

size_t Moe::ScratchFloats(size_t rows) const {
  const Expert& one = experts_.front();
  const size_t channels = one.gate.inputs(),
               product = std::max(one.gate.ScratchFloats(rows, Workers::kMostThreads),
                                  one.down.ScratchFloats(rows, Workers::kMostThreads));
  return rows * (config_.experts + 3 * channels + 2 * config_.inner) + config_.experts + product;
}

void Moe::Choose(std::span<float> scores, std::span<float> order) const {
  Sigmoid(scores, scores);
  for (size_t e = 0; e < scores.size(); ++e) order[e] = scores[e] + bias_[e];
  float sum = 0;
  // An expert is chosen when fewer than `used` come before it.
  for (size_t e = 0; e < scores.size(); ++e) {
    size_t before = 0;
    for (size_t other = 0; other < scores.size(); ++other)
      before += order[other] > order[e] || (order[other] == order[e] && other < e);
    if (before >= config_.used) {
      scores[e] = 0;
    } else {
      sum += scores[e];
    }
  }
  const float factor = config_.normalised ? config_.scale / (sum + 1e-6f) : config_.scale;
  for (float& score : scores) score *= factor;
}

void Moe::Run(View<const float> x, Scratch& scratch, View<float> y) const {
  Scratch::Frame frame(scratch);
  const size_t channels = x.columns;
  const View<float> weights = frame.Take(x.rows, config_.experts);
  const std::span<float> order = frame.Take(1, config_.experts)[0];
  router_.Run(x, weights);
  for (size_t r = 0; r < x.rows; ++r) Choose(weights[r], order);
  const View<float> sum = frame.Take(x.rows, channels);
  std::ranges::fill(sum.flat(), 0.0f);
  for (size_t e = 0; e < experts_.size(); ++e) {
    const auto chosen = [&](size_t r) { return weights[r][e] != 0; };
    size_t count = 0;
    for (size_t r = 0; r < x.rows; ++r) count += chosen(r);
    if (count == 0) continue;
    Scratch::Frame inside(scratch);
    const View<float> in = inside.Take(count, channels), out = inside.Take(count, channels);
    const View<float> gate = inside.Take(count, config_.inner);
    const View<float> inner = inside.Take(count, config_.inner);
    size_t at = 0;
    for (size_t r = 0; r < x.rows; ++r)
      if (chosen(r)) std::ranges::copy(x[r], in[at++].begin());
    Multiply(experts_[e].gate, in, scratch, gate);
    Multiply(experts_[e].up, in, scratch, inner);
    SiluTimes(gate.flat(), inner.flat(), inner.flat());
    Multiply(experts_[e].down, inner, scratch, out);
    at = 0;
    for (size_t r = 0; r < x.rows; ++r)
      if (chosen(r)) MulAddInto(weights[r][e], out[at++], sum[r]);
  }
  std::ranges::copy(sum.flat(), y.data);
}

}  // namespace rill

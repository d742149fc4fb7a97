#include "operators/moe.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

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
  const size_t channels = one.gate.inputs(), all = rows * std::min(config_.used, kTogether);
  const auto product = [all](const MappedMatrix& w) {
    return w.ScratchFloats(all, Workers::kMostThreads);
  };
  return rows * (config_.experts + channels) + config_.experts +
         all * 2 * (channels + config_.inner) +
         std::max(product(one.gate) + product(one.up), product(one.down));
}

void Moe::Choose(std::span<float> scores, std::span<float> order) const {
  Sigmoid(scores, scores);
  for (size_t e = 0; e < scores.size(); ++e) order[e] = scores[e] + bias_[e];
  if (std::isnan(ExtremesOf(order).most)) {
    std::ranges::fill(scores, 0.0f);
    std::ranges::fill(scores.first(config_.used), std::numeric_limits<float>::quiet_NaN());
    return;
  }
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

void Moe::RunExperts(std::span<const size_t> chosen, View<const float> x, View<const float> weights,
                     Scratch& scratch, View<float> sum) const {
  Scratch::Frame frame(scratch);
  // Rows of an expert lie together, in time order; of one that all chose, x itself is its rows.
  std::array<View<const float>, kTogether> in;
  std::array<View<float>, kTogether> gate, inner, out;
  std::array<Product, 2 * kTogether> products;
  for (size_t i = 0; i < chosen.size(); ++i) {
    const size_t e = chosen[i];
    size_t count = 0;
    for (size_t r = 0; r < x.rows; ++r) count += weights[r][e] != 0;
    in[i] = x;
    if (count < x.rows) {
      const View<float> copy = frame.Take(count, x.columns);
      size_t at = 0;
      for (size_t r = 0; r < x.rows; ++r)
        if (weights[r][e] != 0) std::ranges::copy(x[r], copy[at++].begin());
      in[i] = copy;
    }
    gate[i] = frame.Take(count, config_.inner);
    inner[i] = frame.Take(count, config_.inner);
    out[i] = frame.Take(count, x.columns);
    products[2 * i] = {&experts_[e].gate, in[i], gate[i]};
    products[2 * i + 1] = {&experts_[e].up, in[i], inner[i]};
  }
  MultiplyEach(std::span(products).first(2 * chosen.size()), scratch);
  for (size_t i = 0; i < chosen.size(); ++i) {
    SiluTimes(gate[i].flat(), inner[i].flat(), inner[i].flat());
    products[i] = {&experts_[chosen[i]].down, inner[i], out[i]};
  }
  MultiplyEach(std::span(products).first(chosen.size()), scratch);
  for (size_t i = 0; i < chosen.size(); ++i) {
    size_t at = 0;
    for (size_t r = 0; r < x.rows; ++r)
      if (const float weight = weights[r][chosen[i]]; weight != 0)
        MulAddInto(weight, out[i][at++], sum[r]);
  }
}

void Moe::Run(View<const float> x, Scratch& scratch, View<float> y) const {
  Scratch::Frame frame(scratch);
  const View<float> weights = frame.Take(x.rows, config_.experts);
  const std::span<float> order = frame.Take(1, config_.experts)[0];
  router_.Run(x, weights);
  for (size_t r = 0; r < x.rows; ++r) Choose(weights[r], order);
  const View<float> sum = frame.Take(x.rows, x.columns);
  std::ranges::fill(sum.flat(), 0.0f);
  std::array<size_t, kTogether> chosen;
  size_t count = 0;
  for (size_t e = 0; e < experts_.size(); ++e) {
    for (size_t r = 0; r < x.rows; ++r)
      if (weights[r][e] != 0) {
        chosen[count++] = e;
        break;
      }
    if (count < kTogether && e + 1 < experts_.size()) continue;
    RunExperts(std::span(chosen).first(count), x, weights, scratch, sum);
    count = 0;
  }
  std::ranges::copy(sum.flat(), y.data);
}

}  // namespace rill

#include "modalities/token_sampler.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "operators/core/kernels.h"

namespace rill {

Result<void> Check(const SamplerOptions& sampling) {
  const auto refuse = [](const char* what, double value, const char* range) {
    return Error{std::string(what) + " is " + std::to_string(value) + ", it must be " + range};
  };
  if (!(sampling.temperature >= 0 && sampling.temperature <= 100))
    return refuse("the temperature", sampling.temperature, "from 0 to 100");
  if (!(sampling.top_p > 0 && sampling.top_p <= 1))
    return refuse("top-p", sampling.top_p, "above 0 and at most 1");
  if (!(sampling.min_p >= 0 && sampling.min_p <= 1))
    return refuse("min-p", sampling.min_p, "from 0 to 1");
  if (!(sampling.repetition_penalty >= 0.01 && sampling.repetition_penalty <= 100))
    return refuse("the repetition penalty", sampling.repetition_penalty, "from 0.01 to 100");
  if (sampling.repetition_window > 4096)
    return refuse("the repetition window", static_cast<double>(sampling.repetition_window),
                  "at most 4096 tokens");
  return {};
}

uint64_t RandomBits(uint64_t seed, uint64_t i) {
  // SplitMix64 (Steele et al. 2014), entered at its i-th step.
  uint64_t z = seed + (i + 1) * 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

TokenSampler::TokenSampler(size_t tokens) : penalised_(tokens) { candidates_.reserve(tokens); }

void TokenSampler::Penalise(std::span<float> logits, std::span<const int32_t> recent,
                            float penalty) {
  for (const int32_t token : recent) {
    const size_t i = static_cast<size_t>(token);
    if (penalised_[i]) continue;
    penalised_[i] = true;
    logits[i] = logits[i] > 0 ? logits[i] / penalty : logits[i] * penalty;
  }
  for (const int32_t token : recent) penalised_[static_cast<size_t>(token)] = false;
}

int32_t TokenSampler::Choose(std::span<float> logits, std::span<const int32_t> recent,
                             const SamplerOptions& sampling, uint64_t random) {
  if (sampling.repetition_penalty != 1)
    Penalise(logits, recent, static_cast<float>(sampling.repetition_penalty));
  if (sampling.temperature == 0)
    return static_cast<int32_t>(std::ranges::find(logits, ExtremesOf(logits).most) -
                                logits.begin());

  candidates_.clear();
  for (size_t i = 0; i < logits.size(); ++i)
    candidates_.push_back({logits[i], static_cast<int32_t>(i), 0});
  const auto likelier = [](const Candidate& a, const Candidate& b) {
    return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
  };
  const float most = std::ranges::max_element(candidates_, {}, &Candidate::logit)->logit;
  // Only what can be drawn with a double needs an order: e^-800 cannot.
  const float least = most - 800 * static_cast<float>(sampling.temperature);
  std::erase_if(candidates_, [&](const Candidate& c) { return !(c.logit >= least); });
  if (sampling.top_k > 0 && sampling.top_k < candidates_.size()) {
    const auto end = candidates_.begin() + static_cast<std::ptrdiff_t>(sampling.top_k);
    std::nth_element(candidates_.begin(), end - 1, candidates_.end(), likelier);
    candidates_.erase(end, candidates_.end());
  }
  std::ranges::sort(candidates_, likelier);
  double sum = 0;
  for (Candidate& c : candidates_)
    sum += c.probability = std::exp((c.logit - most) / sampling.temperature);
  double kept = 0, floor = sampling.min_p * candidates_[0].probability;
  size_t count = 0;
  while (count < candidates_.size() && (count == 0 || kept < sampling.top_p * sum) &&
         candidates_[count].probability >= floor)
    kept += candidates_[count++].probability;
  double left = static_cast<double>(random >> 11) * 0x1p-53 * kept;
  for (size_t i = 0; i + 1 < count; ++i)
    if ((left -= candidates_[i].probability) < 0) return candidates_[i].token;
  return candidates_[count - 1].token;
}

}  // namespace rill

// The choice of the next token from its logits.
//
// In this order, each step where it is asked for: the logits of recent tokens are divided by the
// repetition penalty where positive and multiplied by it where negative; the `top_k` largest are
// kept; all are divided by the temperature and made probabilities; of those the fewest are kept
// that add up to `top_p`, and those of at least `min_p` times the largest; one is drawn. Without a
// temperature the largest logit wins, the lower token where two are equal.
//
// What is drawn depends on the logits, the options and one random number: nothing is remembered.
//
// Source: Keskar et al. 2019, arXiv:1909.05858 (penalty); Fan et al. 2018, arXiv:1805.04833 (top
// k); Holtzman et al. 2020, arXiv:1904.09751 (top p); Nguyen et al. 2024, arXiv:2407.01082 (min p).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "operators/core/result.h"

namespace rill {

struct SamplerOptions {
  double temperature = 0;  // 0: the likeliest token
  size_t top_k = 0;        // 0: all
  double top_p = 1;
  double min_p = 0;
  double repetition_penalty = 1;
  size_t repetition_window = 64;  // tokens
  uint64_t seed = 0;
};

// What is wrong with the numbers, if anything.
Result<void> Check(const SamplerOptions& sampling);

// The i-th random number of a seed.
uint64_t RandomBits(uint64_t seed, uint64_t i);

// Working memory of a choice.
class TokenSampler {
 public:
  explicit TokenSampler(size_t tokens);

  // `logits` [tokens], of at most 1e30, are changed; `recent` may hold a token more than once.
  int32_t Choose(std::span<float> logits, std::span<const int32_t> recent,
                 const SamplerOptions& sampling, uint64_t random);

 private:
  struct Candidate {
    float logit;
    int32_t token;
    double probability;
  };
  void Penalise(std::span<float> logits, std::span<const int32_t> recent, float penalty);

  std::vector<Candidate> candidates_;
  std::vector<bool> penalised_;
};

}  // namespace rill

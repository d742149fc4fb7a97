// Mixture of experts: a channel mixer of which every frame uses a few parts; no state.
//
//   s = sigmoid(router x)                      [E]
//   chosen = the K largest of s + bias, the lower index first where they are equal
//   w = s over the chosen, divided by its sum + 1e-6 if so declared, times `scale`
//   y = Σ w[e] swiglu_e(x)                     e ascending
//
//   x, y      [time, channels]      float32
//   router    [E, channels], bias [E]    float32
//   gate, up  [E, inner, channels]
//   down      [E, channels, inner]
//
// The experts stay in the file (core/mapped_matrix.h). Frames of a block that chose the same expert
// meet its weights together; what a frame becomes does not depend on the others.
//
// Source: Liquid AI's LFM2-8B-A1B (`lfm2_moe`), as published in transformers and llama.cpp.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "operators/core/mapped_matrix.h"
#include "operators/core/result.h"
#include "operators/core/scratch.h"
#include "operators/linear.h"

namespace rill {

struct MoeConfig {
  size_t experts = 1;
  size_t used = 1;  // of them for a frame
  size_t inner = 1;
  bool normalised = true;
  float scale = 1;
};

// Immutable after loading; any number of streams and threads may share one.
class Moe {
 public:
  // Reads NAMEgate_inp.weight, NAME{gate,up,down}_exps.weight and `bias_name`, which may be absent.
  static Result<Moe> Load(const Weights& weights, const std::string& name,
                          const std::string& bias_name, size_t channels, const MoeConfig& config);

  size_t ScratchFloats(size_t rows) const;

  // Parallel form. `y` may be `x`.
  void Run(View<const float> x, Scratch& scratch, View<float> y) const;

  // Recurrent form: one frame. `y` may be `x`.
  void Step(std::span<const float> x, Scratch& scratch, std::span<float> y) const {
    Run({x.data(), 1, x.size()}, scratch, {y.data(), 1, y.size()});
  }

 private:
  struct Expert {
    MappedMatrix gate, up, down;
  };
  Moe(Linear router, std::vector<float> bias, std::vector<Expert> experts, const MoeConfig& config)
      : router_(std::move(router)),
        bias_(std::move(bias)),
        experts_(std::move(experts)),
        config_(config) {}

  // Scores [E] of a row become its weights: zero where the expert is not chosen. Where one is no
  // number there is no order, and the row becomes none.
  void Choose(std::span<float> scores, std::span<float> order) const;

  // Adds what some experts, at most kTogether, each chosen by a row at least, make of their rows.
  static constexpr size_t kTogether = 8;
  void RunExperts(std::span<const size_t> chosen, View<const float> x, View<const float> weights,
                  Scratch& scratch, View<float> sum) const;

  Linear router_;
  std::vector<float> bias_;
  std::vector<Expert> experts_;
  MoeConfig config_;
};

}  // namespace rill

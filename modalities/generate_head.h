// Hidden frames to the logits of the next token.
//
//   z[t] = W h[t]        W [tokens, width]: output.weight, or the table of the encoder
//
// Source: Liquid AI's LFM2 in GGUF, tensors output and token_embd.
#pragma once

#include <string>

#include "operators/core/scratch.h"
#include "operators/projection.h"

namespace rill {

// Immutable after loading; any number of streams and threads may share one.
class GenerateHead {
 public:
  static Result<GenerateHead> Load(const Weights& weights, size_t width, size_t tokens);

  size_t tokens() const { return out_.outputs(); }
  size_t ScratchFloats(size_t rows) const { return out_.ScratchFloats(rows); }

  // z [rows, tokens].
  void Run(View<const float> hidden, Scratch& scratch, View<float> z) const {
    out_.Run(hidden, scratch, z);
  }

 private:
  explicit GenerateHead(Projection out) : out_(std::move(out)) {}

  Projection out_;
};

}  // namespace rill

// Tokens to embeddings: a table with a row a token, which stays in the file.
//
//   x[t] = table[token[t]]      table [tokens, width], any type of the file format
//
// Source: Liquid AI's LFM2 in GGUF, tensor token_embd.
#pragma once

#include <cstdint>
#include <span>

#include "operators/core/mapped_matrix.h"
#include "operators/core/result.h"
#include "operators/core/weights.h"

namespace rill {

// Immutable after loading; any number of streams and threads may share one.
class TextEncoder {
 public:
  static Result<TextEncoder> Load(const Weights& weights, size_t width);

  // Of the vocabulary.
  size_t tokens() const { return table_.outputs(); }

  // y [tokens, width]; every token is below tokens().
  void Run(std::span<const int32_t> tokens, View<float> y) const;

 private:
  explicit TextEncoder(MappedMatrix table) : table_(table) {}

  MappedMatrix table_;
};

}  // namespace rill

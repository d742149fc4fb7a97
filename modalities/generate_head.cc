#include "modalities/generate_head.h"

namespace rill {

Result<GenerateHead> GenerateHead::Load(const Weights& weights, size_t width, size_t tokens) {
  const bool own = weights.tensors().contains("output.weight");
  Result<Projection> out =
      Projection::Load(weights, own ? "output" : "token_embd", tokens, width, MatrixForm::kMapped);
  if (!out) return out.error();
  return GenerateHead(std::move(*out));
}

}  // namespace rill

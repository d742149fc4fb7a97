#include "modalities/text_encoder.h"

#include <array>
#include <cassert>

namespace rill {

Result<TextEncoder> TextEncoder::Load(const Weights& weights, size_t width) {
  const auto found = weights.tensors().find("token_embd.weight");
  const size_t tokens =
      found == weights.tensors().end() ? 0 : static_cast<size_t>(found->second.extents[1]);
  const Result<Tensor> table = weights.Get("token_embd.weight", std::array{tokens, width});
  if (!table) return table.error();
  return TextEncoder(MappedMatrix(table->type, table->bytes, tokens, width));
}

void TextEncoder::Run(std::span<const int32_t> tokens, View<float> y) const {
  assert(tokens.size() == y.rows);
  for (size_t t = 0; t < tokens.size(); ++t) table_.Read(static_cast<size_t>(tokens[t]), y[t]);
}

}  // namespace rill

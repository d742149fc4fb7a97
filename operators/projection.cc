#include "operators/projection.h"

#include <array>
#include <cassert>

#include "operators/core/workers.h"

namespace rill {

Result<Projection> Projection::Load(const Weights& weights, const std::string& name, size_t outputs,
                                    size_t inputs, MatrixForm form) {
  if (form == MatrixForm::kMapped) {
    const Result<Tensor> tensor = weights.Get(name + ".weight", std::array{outputs, inputs});
    if (!tensor) return tensor.error();
    return Projection(MappedMatrix(tensor->type, tensor->bytes, outputs, inputs));
  }
  Result<Linear> linear = Linear::Load(weights, name, outputs, inputs);
  if (!linear) return linear.error();
  return Projection(std::move(*linear));
}

size_t Projection::ScratchFloats(size_t rows) const {
  const auto* mapped = std::get_if<MappedMatrix>(&matrix_);
  return mapped == nullptr ? 0 : mapped->ScratchFloats(rows, Workers::kMostThreads);
}

void Projection::Run(View<const float> x, Scratch& scratch, View<float> y) const {
  if (const auto* mapped = std::get_if<MappedMatrix>(&matrix_))
    return Multiply(*mapped, x, scratch, y);
  std::get<Linear>(matrix_).Run(x, y);
}

void Projection::RunEach(std::span<const Output> outputs, View<const float> x, Scratch& scratch) {
  std::array<Product, kMostOutputs> products;
  assert(outputs.size() <= products.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const auto& [projection, y] = outputs[i];
    const auto* mapped = std::get_if<MappedMatrix>(&projection->matrix_);
    if (mapped == nullptr) {
      for (const Output& output : outputs) output.projection->Run(x, scratch, output.y);
      return;
    }
    products[i] = {mapped, x, y};
  }
  MultiplyEach(std::span(products).first(outputs.size()), scratch);
}

}  // namespace rill

#include "operators/linear.h"

namespace rill {

Result<Linear::Weight> Linear::LoadWeight(const Weights& weights, const std::string& name,
                                          size_t outputs, size_t inputs) {
  const auto blocks = weights.Q8Matrix(name, outputs, inputs);
  if (!blocks) return blocks.error();
  if (*blocks) return Weight(PackedQ8(**blocks, outputs, inputs));
  const Result<std::vector<float>> values = weights.Matrix(name, outputs, inputs);
  if (!values) return values.error();
  return Weight(PackedMatrix({values->data(), outputs, inputs}));
}

Result<Linear> Linear::Load(const Weights& weights, const std::string& name, size_t outputs,
                            size_t inputs, Bias bias) {
  Result<Weight> weight = LoadWeight(weights, name + ".weight", outputs, inputs);
  if (!weight) return weight.error();
  std::vector<float> offsets;
  if (bias == Bias::kPresent) {
    Result<std::vector<float>> read = weights.Vector(name + ".bias", outputs);
    if (!read) return read.error();
    offsets = std::move(*read);
  }
  return Linear(std::move(*weight), std::move(offsets));
}

}  // namespace rill

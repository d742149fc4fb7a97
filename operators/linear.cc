#include "operators/linear.h"

namespace rill {

Result<Linear> Linear::Load(const Weights& weights, const std::string& name, size_t outputs,
                            size_t inputs, Bias bias) {
  const Result<std::vector<float>> weight = weights.Matrix(name + ".weight", outputs, inputs);
  if (!weight) return weight.error();
  std::vector<float> offsets;
  if (bias == Bias::kPresent) {
    Result<std::vector<float>> read = weights.Vector(name + ".bias", outputs);
    if (!read) return read.error();
    offsets = std::move(*read);
  }
  return Linear(PackedMatrix({weight->data(), outputs, inputs}), std::move(offsets));
}

}  // namespace rill

#include "operators/norm.h"

namespace rill {

Result<RmsNorm> RmsNorm::Load(const Weights& weights, const std::string& name, size_t channels,
                              float epsilon) {
  Result<std::vector<float>> weight = weights.Vector(name + ".weight", channels);
  if (!weight) return weight.error();
  return RmsNorm(std::move(*weight), epsilon);
}

Result<LayerNorm> LayerNorm::Load(const Weights& weights, const std::string& name, size_t channels,
                                  float epsilon) {
  Result<std::vector<float>> weight = weights.Vector(name + ".weight", channels);
  if (!weight) return weight.error();
  Result<std::vector<float>> bias = weights.Vector(name + ".bias", channels);
  if (!bias) return bias.error();
  return LayerNorm(std::move(*weight), std::move(*bias), epsilon);
}

}  // namespace rill

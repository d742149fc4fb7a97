// A model file with its matrices in another type.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "operators/core/weights.h"

namespace rill {

struct QuantizeOptions {
  TensorType matrices, embeddings;  // the latter of the table of tokens and of the logits
};

// The type of that name: "Q4_K".
Result<TensorType> ReadTensorType(const std::string& name);

// Writes the file that `path` names, or none. Norms, convolutions and the routers of experts stay
// as they are; a matrix whose rows are no multiple of a block of the type becomes Q8_0, or stays.
// `progress` is told how many tensors are done.
Result<void> QuantizeModel(const std::shared_ptr<const Weights>& weights,
                           const QuantizeOptions& options, const std::string& path,
                           const std::function<void(size_t)>& progress);

}  // namespace rill

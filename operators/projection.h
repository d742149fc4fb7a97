// A matrix without bias in one of two forms, for operators that models of all sizes share.
//
//   kPacked   linear.h: a copy laid out for the kernels, inputs not rounded; for models of a few
//             million parameters
//   kMapped   core/mapped_matrix.h: stays in the file, on the workers of the scratch memory; for
//             models that fill the memory
#pragma once

#include <span>
#include <string>
#include <variant>

#include "operators/core/mapped_matrix.h"
#include "operators/linear.h"

namespace rill {

enum class MatrixForm { kPacked, kMapped };

// Immutable after loading; any number of streams and threads may share one.
class Projection {
 public:
  // Reads NAME.weight. A mapped one needs the file for as long as it lives.
  static Result<Projection> Load(const Weights& weights, const std::string& name, size_t outputs,
                                 size_t inputs, MatrixForm form);

  size_t inputs() const {
    return std::visit([](const auto& matrix) { return matrix.inputs(); }, matrix_);
  }
  size_t outputs() const {
    return std::visit([](const auto& matrix) { return matrix.outputs(); }, matrix_);
  }
  size_t ScratchFloats(size_t rows) const;

  // Parallel form: a block of frames. `y` must not alias `x`.
  void Run(View<const float> x, Scratch& scratch, View<float> y) const;

  // Parallel form of several, at most kMostOutputs, that have one input. Takes the scratch of all.
  static constexpr size_t kMostOutputs = 4;
  struct Output {
    const Projection* projection;
    View<float> y;
  };
  static void RunEach(std::span<const Output> outputs, View<const float> x, Scratch& scratch);

  // Recurrent form: one frame.
  void Step(std::span<const float> x, Scratch& scratch, std::span<float> y) const {
    Run({x.data(), 1, x.size()}, scratch, {y.data(), 1, y.size()});
  }

 private:
  explicit Projection(std::variant<Linear, MappedMatrix> matrix) : matrix_(std::move(matrix)) {}

  std::variant<Linear, MappedMatrix> matrix_;
};

}  // namespace rill

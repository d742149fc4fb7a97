// Hidden frames to the probabilities of labels.
//
//   p[t] = softmax(out(rms_norm(hidden[t])))   one label is right, or
//   p[t] = sigmoid(out(rms_norm(hidden[t])))   any number of labels are
//
//   hidden  [width]   float32
//   p       [labels]  float32
//
// No state: what a stream has seen so far is in the backbone's. A model may have several such
// heads, `classify` and `classify.NAME`. Tensors: docs/model-format.md.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "operators/core/scratch.h"
#include "operators/linear.h"
#include "operators/norm.h"

namespace rill {

// Immutable after loading; any number of streams and threads may share one.
class ClassifyHead {
 public:
  static constexpr size_t kMostLabels = 1 << 14;

  // `name`: `classify` or `classify.NAME`.
  static Result<ClassifyHead> Load(const Weights& weights, const std::string& name, size_t width);

  const std::vector<std::string>& labels() const { return labels_; }
  bool exclusive() const { return exclusive_; }  // softmax
  size_t width() const { return out_.inputs(); }
  size_t ScratchFloats() const { return width(); }

  void Step(std::span<const float> hidden, Scratch& scratch, std::span<float> probabilities) const;

 private:
  ClassifyHead(std::vector<std::string> labels, bool exclusive, RmsNorm norm, Linear out)
      : labels_(std::move(labels)),
        exclusive_(exclusive),
        norm_(std::move(norm)),
        out_(std::move(out)) {}

  std::vector<std::string> labels_;
  bool exclusive_;
  RmsNorm norm_;
  Linear out_;
};

}  // namespace rill

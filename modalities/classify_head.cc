#include "modalities/classify_head.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "modalities/utf8_stream.h"
#include "operators/core/kernels.h"

namespace rill {
namespace {

// Labels are printed, drawn and put into messages.
bool IsPrintable(std::string_view label) {
  if (label.empty()) return false;
  while (!label.empty()) {
    const Utf8Front front = ReadUtf8(label);
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(label[i]); };
    if (front.kind != Utf8Front::Kind::kWhole || byte(0) < 0x20 || byte(0) == 0x7F) return false;
    if (byte(0) == 0xC2 && byte(1) < 0xA0) return false;  // the controls U+0080 to U+009F
    label.remove_prefix(front.bytes);
  }
  return true;
}

}  // namespace

Result<ClassifyHead> ClassifyHead::Load(const Weights& weights, const std::string& name,
                                        size_t width) {
  const Result<double> epsilon = weights.Number("rill.norm_epsilon", 0, 1);
  if (!epsilon) return epsilon.error();
  Result<std::vector<std::string>> labels = weights.Texts("rill." + name + ".labels");
  if (!labels) return labels.error();
  if (labels->empty() || labels->size() > kMostLabels)
    return weights.Complain("rill." + name + ".labels has " + std::to_string(labels->size()) +
                            " labels, 1 to " + std::to_string(kMostLabels) + " are read");
  if (const auto unfit = std::ranges::find_if_not(*labels, IsPrintable); unfit != labels->end())
    return weights.Complain("rill." + name + ".labels: label " +
                            std::to_string(unfit - labels->begin()) +
                            " is not a name of printable UTF-8");
  const Result<std::string> activation = weights.Text("rill." + name + ".activation");
  if (!activation) return activation.error();
  if (*activation != "softmax" && *activation != "sigmoid")
    return weights.Complain("rill." + name + ".activation is neither softmax nor sigmoid");
  Result<RmsNorm> norm =
      RmsNorm::Load(weights, name + ".norm", width, static_cast<float>(*epsilon));
  if (!norm) return norm.error();
  Result<Linear> out = Linear::Load(weights, name + ".out", labels->size(), width, Bias::kPresent);
  if (!out) return out.error();
  return ClassifyHead(std::move(*labels), *activation == "softmax", std::move(*norm),
                      std::move(*out));
}

void ClassifyHead::Step(std::span<const float> hidden, Scratch& scratch,
                        std::span<float> probabilities) const {
  assert(hidden.size() == width() && probabilities.size() == labels_.size());
  Scratch::Frame frame(scratch);
  const std::span<float> x = frame.Take(1, width())[0];
  norm_.Step(hidden, x);
  out_.Step(x, probabilities);
  if (!exclusive_) {
    Sigmoid(probabilities, probabilities);
    return;
  }
  const float most = *std::ranges::max_element(probabilities);
  double sum = 0;
  for (float& p : probabilities) {
    const double power = std::exp(static_cast<double>(p - most));
    p = static_cast<float>(power);
    sum += power;
  }
  for (float& p : probabilities) p = static_cast<float>(static_cast<double>(p) / sum);
}

}  // namespace rill

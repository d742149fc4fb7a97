// The contract every stateful operator keeps (house rule 5): one suite over all of them.
//
// To put an operator under it, add a case to contract_test.cc: its name, its tensors, how to load
// it, its reference.
#pragma once

#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "operators/core/frames.h"
#include "operators/core/scratch.h"
#include "operators/core/weights.h"
#include "tests/operators/reference.h"
#include "tests/support/gguf_builder.h"
#include "tests/support/random.h"

namespace rill::testing {

constexpr float kTolerance = 1e-5f;  // absolute, one operator against double precision

// Tensors by name, their shapes, and the file that holds them. Matrices whose rows are whole blocks
// of `type` are written in it, all else in float32.
class TensorSet {
 public:
  explicit TensorSet(TensorType type = TensorType::kF32) : type_(type) {}

  // Values uniform in ±bound.
  void Add(const std::string& name, const std::vector<uint64_t>& shape, double bound,
           Random& random) {
    size_t count = 1;
    for (const uint64_t extent : shape) count *= extent;
    values_[name] = random.Floats(count, -bound, bound);
    const size_t block = InfoOf(static_cast<uint32_t>(type_))->block_elements;
    const bool whole = shape.size() == 2 && shape[1] % block == 0;
    builder_.Tensor(name, shape, values_[name], whole ? type_ : TensorType::kF32);
    if (whole && type_ != TensorType::kF32)
      values_[name] = *Load()->Matrix(name, shape[0], shape[1]);
  }
  // Raw blocks of any type, whose values are what they mean.
  void AddBlocks(const std::string& name, const std::vector<uint64_t>& shape,
                 const std::vector<std::byte>& blocks, TensorType type) {
    values_[name].resize(shape[0] * shape[1]);
    ToFloat(type, blocks, values_[name]);
    builder_.Blocks(name, shape, blocks, type);
  }
  // As the file holds them, which may be rounded.
  const reference::Tensors& values() const { return values_; }
  std::shared_ptr<const Weights> Load() {
    bytes_ = builder_.Bytes();
    return *Weights::Parse(bytes_, "test");
  }

 private:
  TensorType type_;
  GgufBuilder builder_;
  reference::Tensors values_;
  std::vector<std::byte> bytes_;
};

// Any operator behind two functions.
struct AnyOperator {
  StateLayout layout;
  size_t scratch_floats = 0;  // for the longest block of the suite
  std::function<void(const Frames&, Scratch&, View<float>)> run;
  std::function<void(std::span<const float>, float, Lane, Scratch&, std::span<float>)> step;
};

constexpr size_t kLongestBlock = 160;

template <typename Operator>
AnyOperator Wrap(Operator loaded, const StateLayout& layout) {
  auto op = std::make_shared<Operator>(std::move(loaded));
  return {
      layout, op->ScratchFloats(kLongestBlock),
      [op](const Frames& frames, Scratch& scratch, View<float> y) { op->Run(frames, scratch, y); },
      [op](std::span<const float> x, float dt, Lane lane, Scratch& scratch, std::span<float> y) {
        op->Step(x, dt, lane, scratch, y);
      }};
}

struct Case {
  std::string name;
  size_t channels;
  std::function<AnyOperator(TensorSet&)> make;
  std::function<std::vector<reference::Row>(const reference::Tensors&, const std::vector<float>& dt,
                                            const std::vector<reference::Row>& x)>
      expect;
  TensorType type = TensorType::kF32;  // of the matrices
  float tolerance = kTolerance;

  friend void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }
};

// A block of random frames with irregular dt.
struct Block {
  Block(size_t rows, size_t channels, uint64_t seed) : rows(rows), channels(channels) {
    Random random(seed);
    x = random.Floats(rows * channels);
    dt = random.Floats(rows, 0.0, 3.0);
  }
  View<const float> view() const { return {x.data(), rows, channels}; }
  std::vector<reference::Row> Doubles() const {
    std::vector<reference::Row> out;
    for (size_t t = 0; t < rows; ++t) out.emplace_back(view()[t].begin(), view()[t].end());
    return out;
  }

  size_t rows, channels;
  std::vector<float> x, dt;
};

}  // namespace rill::testing

// Vector code that several operators share.
//
// Every function gives the same bits for a row whatever rows surround it: sums run in one fixed
// order, multiply-adds are explicit, and elementwise functions treat the tail with the same
// instructions as the body.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "operators/core/view.h"

namespace rill {

// A weight matrix [outputs, inputs] laid out for Multiply: panels of 16 outputs,
// [panel][input][16], zero-padded.
class PackedMatrix {
 public:
  static constexpr size_t kPanel = 16;

  PackedMatrix() = default;
  explicit PackedMatrix(View<const float> weights);

  size_t outputs() const { return outputs_; }
  size_t inputs() const { return inputs_; }
  size_t panels() const { return (outputs_ + kPanel - 1) / kPanel; }
  const float* panel(size_t i) const { return data_.data() + i * inputs_ * kPanel; }

 private:
  size_t outputs_ = 0;
  size_t inputs_ = 0;
  std::vector<float> data_;
};

// y = x wᵀ + bias, x [rows, inputs], y [rows, outputs], bias [outputs] or empty. y must not alias
// x.
void Multiply(const PackedMatrix& w, View<const float> x, std::span<const float> bias,
              View<float> y);

// y = w ⊙ x / sqrt(mean(x²) + epsilon) a row. y may be x.
void RmsNormRows(View<const float> x, std::span<const float> w, float epsilon, View<float> y);
// y = w ⊙ (x - mean) / sqrt(variance + epsilon) + b a row. y may be x.
void LayerNormRows(View<const float> x, std::span<const float> w, std::span<const float> b,
                   float epsilon, View<float> y);

// Elementwise over equal lengths; `out` may be any input.
void AddInto(std::span<const float> x, std::span<float> out);  // out += x
void Silu(std::span<const float> x, std::span<float> out);
void SiluTimes(std::span<const float> gate, std::span<const float> x,
               std::span<float> out);  // silu(gate) x
void Tanh(std::span<const float> x, float in_scale, float out_scale,
          std::span<float> out);  // o tanh(i x)
void Sigmoid(std::span<const float> x, std::span<float> out);

// NaN both where a number is NaN; ∞ and -∞ of none.
struct Extremes {
  float least, most;
};
Extremes ExtremesOf(std::span<const float> x);

float Dot(std::span<const float> a, std::span<const float> b);
// Of float16 and of bfloat16, as Dot adds.
float DotHalves(std::span<const float> a, std::span<const uint16_t> b);
float DotBFloats(std::span<const float> a, std::span<const uint16_t> b);
// y[i, first + j] = Dot(a[i], b[j]), the same bits.
void DotAll(View<const float> a, View<const float> b, size_t first, View<float> y);
void MulAddInto(float scale, std::span<const float> x, std::span<float> out);  // out += scale x
void HalvesToFloats(std::span<const uint16_t> halves, std::span<float> out);
void FloatsToHalves(std::span<const float> x, std::span<uint16_t> out);

}  // namespace rill

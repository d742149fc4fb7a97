// What lies between the matrix products of a training step, each in one pass over memory: PyTorch
// makes five to twenty of it. Called by kernels.py, which says what each does; bfloat16 is
// uint16_t.
//
// Rows are [time, batch] flattened, so row t · batch + b is frame t of clip b.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

using Half = uint16_t;  // bfloat16

inline float Wide(Half half) {
  const uint32_t bits = static_cast<uint32_t>(half) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline Half Narrow(float value) {  // to nearest, ties to even
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return static_cast<Half>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

// Bounded, because the reciprocal that -Ofast makes of an infinity is not a number.
inline float Sigmoid(float x) { return 1.0f / (1.0f + std::exp(std::min(-x, 80.0f))); }

struct Decay {
  float kept, gain;  // exp(-alpha), sqrt(1 - exp(-2 alpha))
};

// The difference loses all digits where alpha is small, so there a polynomial stands for it.
inline Decay DecayOf(float rate, float gate) {
  const float alpha = std::max(rate * gate, 5e-10f), kept = std::exp(-alpha);
  const float small = alpha * (2 - alpha * (2 - alpha * (4.0f / 3)));
  return {kept, std::sqrt(alpha < 0.02f ? small : 1 - kept * kept)};
}

// Adds what each thread has summed to `total`.
void Join(const std::vector<float>& own, float* total) {
#pragma omp critical
  for (size_t i = 0; i < own.size(); ++i) total[i] += own[i];
}

}  // namespace

extern "C" {

void norm_forward(const float* x, const Half* delta, const float* weight, float epsilon,
                  int64_t rows, int64_t width, float* sum, Half* out, float* inverse) {
#pragma omp parallel for
  for (int64_t r = 0; r < rows; ++r) {
    const float* from = x + r * width;
    float* s = sum + r * width;
    float squares = 0;
    if (delta != nullptr) {
      const Half* d = delta + r * width;
      for (int64_t j = 0; j < width; ++j) {
        s[j] = from[j] + Wide(d[j]);
        squares += s[j] * s[j];
      }
      from = s;
    } else {
      for (int64_t j = 0; j < width; ++j) squares += from[j] * from[j];
    }
    const float i = 1.0f / std::sqrt(squares / static_cast<float>(width) + epsilon);
    inverse[r] = i;
    for (int64_t j = 0; j < width; ++j) out[r * width + j] = Narrow(from[j] * i * weight[j]);
  }
}

void norm_backward(const float* sum, const float* weight, const float* inverse,
                   const float* grad_sum, const Half* grad_out, int64_t rows, int64_t width,
                   float* grad_x, Half* grad_delta, float* grad_weight) {
#pragma omp parallel
  {
    std::vector<float> own(width);
#pragma omp for
    for (int64_t r = 0; r < rows; ++r) {
      const float* x = sum + r * width;
      const Half* g = grad_out + r * width;
      float* to = grad_x + r * width;
      const float i = inverse[r];
      float projection = 0;
      for (int64_t j = 0; j < width; ++j) {
        const float normal = x[j] * i, grad = Wide(g[j]);
        own[j] += grad * normal;
        projection += grad * weight[j] * normal;
      }
      projection /= static_cast<float>(width);
      for (int64_t j = 0; j < width; ++j)
        to[j] = (Wide(g[j]) * weight[j] - x[j] * i * projection) * i;
      if (grad_sum != nullptr)
        for (int64_t j = 0; j < width; ++j) to[j] += grad_sum[r * width + j];
      if (grad_delta != nullptr)
        for (int64_t j = 0; j < width; ++j) grad_delta[r * width + j] = Narrow(to[j]);
    }
    Join(own, grad_weight);
  }
}

void gated_conv_forward(const Half* bcx, const float* weight, int64_t time, int64_t batch,
                        int64_t width, int64_t taps, Half* out) {
#pragma omp parallel
  {
    std::vector<float> v((time + taps - 1) * width), mixed(width);
#pragma omp for
    for (int64_t b = 0; b < batch; ++b) {
      std::fill_n(v.begin(), (taps - 1) * width, 0.0f);
      for (int64_t t = 0; t < time; ++t) {
        const Half* row = bcx + (t * batch + b) * 3 * width;
        float* now = v.data() + (t + taps - 1) * width;
        for (int64_t j = 0; j < width; ++j) now[j] = Wide(row[j]) * Wide(row[2 * width + j]);
        std::fill(mixed.begin(), mixed.end(), 0.0f);
        for (int64_t k = 0; k < taps; ++k) {
          const float *w = weight + k * width, *past = v.data() + (t + k) * width;
          for (int64_t j = 0; j < width; ++j) mixed[j] += w[j] * past[j];
        }
        Half* to = out + (t * batch + b) * width;
        for (int64_t j = 0; j < width; ++j) to[j] = Narrow(Wide(row[width + j]) * mixed[j]);
      }
    }
  }
}

void gated_conv_backward(const Half* bcx, const float* weight, const Half* grad_out, int64_t time,
                         int64_t batch, int64_t width, int64_t taps, Half* grad_bcx,
                         float* grad_weight) {
#pragma omp parallel
  {
    const int64_t edge = taps - 1;
    std::vector<float> v((time + edge) * width), grads((time + edge) * width), mixed(width);
    std::vector<float> own(taps * width);
#pragma omp for
    for (int64_t b = 0; b < batch; ++b) {
      std::fill_n(v.begin(), edge * width, 0.0f);
      std::fill(grads.begin() + time * width, grads.end(), 0.0f);
      for (int64_t t = 0; t < time; ++t) {
        const Half* row = bcx + (t * batch + b) * 3 * width;
        const Half* g = grad_out + (t * batch + b) * width;
        float *now = v.data() + (t + edge) * width, *grad = grads.data() + t * width;
        for (int64_t j = 0; j < width; ++j) {
          now[j] = Wide(row[j]) * Wide(row[2 * width + j]);
          grad[j] = Wide(g[j]) * Wide(row[width + j]);
        }
        std::fill(mixed.begin(), mixed.end(), 0.0f);
        for (int64_t k = 0; k < taps; ++k) {
          const float *w = weight + k * width, *past = v.data() + (t + k) * width;
          float* sum = own.data() + k * width;
          for (int64_t j = 0; j < width; ++j) {
            mixed[j] += w[j] * past[j];
            sum[j] += grad[j] * past[j];
          }
        }
        Half* to = grad_bcx + (t * batch + b) * 3 * width + width;
        for (int64_t j = 0; j < width; ++j) to[j] = Narrow(Wide(g[j]) * mixed[j]);
      }
      for (int64_t t = 0; t < time; ++t) {
        std::fill(mixed.begin(), mixed.end(), 0.0f);
        for (int64_t k = 0; k < taps; ++k) {
          const float *w = weight + k * width, *later = grads.data() + (t + edge - k) * width;
          for (int64_t j = 0; j < width; ++j) mixed[j] += w[j] * later[j];
        }
        const Half* row = bcx + (t * batch + b) * 3 * width;
        Half* to = grad_bcx + (t * batch + b) * 3 * width;
        for (int64_t j = 0; j < width; ++j) {
          to[j] = Narrow(mixed[j] * Wide(row[2 * width + j]));
          to[2 * width + j] = Narrow(mixed[j] * Wide(row[j]));
        }
      }
    }
    Join(own, grad_weight);
  }
}

// Pictures [batch, height, width, 3 channels]; the products lie in a frame of zeros, one wide.
void gated_conv2d_forward(const Half* bcx, const float* weight, int64_t batch, int64_t height,
                          int64_t width, int64_t channels, Half* out) {
  const int64_t stride = (width + 2) * channels;
#pragma omp parallel
  {
    std::vector<float> v((height + 2) * stride), mixed(channels);
#pragma omp for
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t p = 0; p < height * width; ++p) {
        const Half* row = bcx + (b * height * width + p) * 3 * channels;
        float* to = v.data() + (p / width + 1) * stride + (p % width + 1) * channels;
        for (int64_t j = 0; j < channels; ++j) to[j] = Wide(row[j]) * Wide(row[2 * channels + j]);
      }
      for (int64_t p = 0; p < height * width; ++p) {
        std::fill(mixed.begin(), mixed.end(), 0.0f);
        for (int64_t k = 0; k < 9; ++k) {
          const float* w = weight + k * channels;
          const float* near =
              v.data() + (p / width + k / 3) * stride + (p % width + k % 3) * channels;
          for (int64_t j = 0; j < channels; ++j) mixed[j] += w[j] * near[j];
        }
        const int64_t at = b * height * width + p;
        const Half* gate = bcx + at * 3 * channels + channels;
        for (int64_t j = 0; j < channels; ++j)
          out[at * channels + j] = Narrow(Wide(gate[j]) * mixed[j]);
      }
    }
  }
}

void gated_conv2d_backward(const Half* bcx, const float* weight, const Half* grad_out,
                           int64_t batch, int64_t height, int64_t width, int64_t channels,
                           Half* grad_bcx, float* grad_weight) {
  const int64_t stride = (width + 2) * channels;
#pragma omp parallel
  {
    std::vector<float> v((height + 2) * stride), grads(v.size()), mixed(channels);
    std::vector<float> own(9 * channels);
#pragma omp for
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t p = 0; p < height * width; ++p) {
        const int64_t at = b * height * width + p;
        const Half *row = bcx + at * 3 * channels, *g = grad_out + at * channels;
        const int64_t inside = (p / width + 1) * stride + (p % width + 1) * channels;
        for (int64_t j = 0; j < channels; ++j) {
          v[inside + j] = Wide(row[j]) * Wide(row[2 * channels + j]);
          grads[inside + j] = Wide(g[j]) * Wide(row[channels + j]);
        }
      }
      for (int64_t p = 0; p < height * width; ++p) {
        const int64_t at = b * height * width + p;
        const int64_t corner = (p / width) * stride + (p % width) * channels;
        const float* grad = grads.data() + corner + stride + channels;
        std::fill(mixed.begin(), mixed.end(), 0.0f);
        for (int64_t k = 0; k < 9; ++k) {
          const float* w = weight + k * channels;
          const float* near = v.data() + corner + (k / 3) * stride + (k % 3) * channels;
          float* sum = own.data() + k * channels;
          for (int64_t j = 0; j < channels; ++j) {
            mixed[j] += w[j] * near[j];
            sum[j] += grad[j] * near[j];
          }
        }
        Half* to = grad_bcx + at * 3 * channels + channels;
        for (int64_t j = 0; j < channels; ++j)
          to[j] = Narrow(Wide(grad_out[at * channels + j]) * mixed[j]);
      }
      for (int64_t p = 0; p < height * width; ++p) {
        const int64_t at = b * height * width + p;
        const int64_t corner = (p / width) * stride + (p % width) * channels;
        std::fill(mixed.begin(), mixed.end(), 0.0f);
        for (int64_t k = 0; k < 9; ++k) {
          const float* w = weight + (8 - k) * channels;
          const float* near = grads.data() + corner + (k / 3) * stride + (k % 3) * channels;
          for (int64_t j = 0; j < channels; ++j) mixed[j] += w[j] * near[j];
        }
        const Half* row = bcx + at * 3 * channels;
        Half* to = grad_bcx + at * 3 * channels;
        for (int64_t j = 0; j < channels; ++j) {
          to[j] = Narrow(mixed[j] * Wide(row[2 * channels + j]));
          to[2 * channels + j] = Narrow(mixed[j] * Wide(row[j]));
        }
      }
    }
    Join(own, grad_weight);
  }
}

void liquid_scan_forward(const Half* p, const float* bias, const float* rate, int64_t time,
                         int64_t batch, int64_t width, float* h, Half* out) {
#pragma omp parallel for
  for (int64_t b = 0; b < batch; ++b) {
    std::vector<float> state(width);
    for (int64_t t = 0; t < time; ++t) {
      const Half* row = p + (t * batch + b) * 4 * width;
      float* keep = h + (t * batch + b) * width;
      Half* to = out + (t * batch + b) * width;
      for (int64_t j = 0; j < width; ++j) {
        const float x = Wide(row[j]) + bias[j], g = Wide(row[width + j]) + bias[width + j];
        const float a = Wide(row[2 * width + j]) + bias[2 * width + j];
        const float i = Wide(row[3 * width + j]) + bias[3 * width + j];
        const auto [decay, gain] = DecayOf(rate[j], Sigmoid(a));
        state[j] = decay * state[j] + gain * Sigmoid(i) * x;
        keep[j] = state[j];
        to[j] = Narrow(state[j] * g * Sigmoid(g));
      }
    }
  }
}

void liquid_scan_backward(const Half* p, const float* bias, const float* rate, const float* h,
                          const Half* grad_out, int64_t time, int64_t batch, int64_t width,
                          Half* grad_p, float* grad_bias, float* grad_rate) {
#pragma omp parallel
  {
    std::vector<float> own(5 * width);  // of the biases, then of the rates
    const std::vector<float> zeros(width);
#pragma omp for
    for (int64_t b = 0; b < batch; ++b) {
      std::vector<float> carried(width);  // gradient of h[t] from later frames
      for (int64_t t = time - 1; t >= 0; --t) {
        const Half* row = p + (t * batch + b) * 4 * width;
        const Half* grad = grad_out + (t * batch + b) * width;
        const float* now = h + (t * batch + b) * width;
        const float* before = t > 0 ? now - batch * width : zeros.data();
        Half* to = grad_p + (t * batch + b) * 4 * width;
        for (int64_t j = 0; j < width; ++j) {
          const float x = Wide(row[j]) + bias[j], g = Wide(row[width + j]) + bias[width + j];
          const float a = Wide(row[2 * width + j]) + bias[2 * width + j];
          const float i = Wide(row[3 * width + j]) + bias[3 * width + j];
          const float gate = Sigmoid(a), admit = Sigmoid(i), open = Sigmoid(g);
          const auto [decay, gain] = DecayOf(rate[j], gate);
          const float go = Wide(grad[j]);
          const float gh = carried[j] + go * g * open;
          carried[j] = gh * decay;
          const float gx = gh * gain * admit;
          const float gg = go * now[j] * open * (1 + g * (1 - open));
          // d alpha: through the decay of the state and through the gain of the input.
          const float galpha = gh * (decay * decay / gain * admit * x - decay * before[j]);
          const float ga = galpha * rate[j] * gate * (1 - gate);
          const float gi = gh * gain * x * admit * (1 - admit);
          to[j] = Narrow(gx), to[width + j] = Narrow(gg);
          to[2 * width + j] = Narrow(ga), to[3 * width + j] = Narrow(gi);
          own[j] += gx, own[width + j] += gg, own[2 * width + j] += ga, own[3 * width + j] += gi;
          own[4 * width + j] += galpha * gate;
        }
      }
    }
    Join({own.begin(), own.begin() + 4 * width}, grad_bias);
    Join({own.begin() + 4 * width, own.end()}, grad_rate);
  }
}

void swiglu_forward(const Half* gate_up, const Half* mask, int64_t rows, int64_t width,
                    Half* inner) {
#pragma omp parallel for
  for (int64_t r = 0; r < rows; ++r) {
    const Half *gate = gate_up + r * 2 * width, *up = gate + width;
    Half* to = inner + r * width;
    for (int64_t j = 0; j < width; ++j) {
      const float g = Wide(gate[j]);
      to[j] = Narrow(g * Sigmoid(g) * Wide(up[j]));
    }
    if (mask != nullptr)
      for (int64_t j = 0; j < width; ++j) to[j] = Narrow(Wide(to[j]) * Wide(mask[r * width + j]));
  }
}

void swiglu_backward(const Half* gate_up, const Half* mask, const Half* grad_inner, int64_t rows,
                     int64_t width, Half* grad_gate_up) {
#pragma omp parallel
  {
    std::vector<float> grads(width);
#pragma omp for
    for (int64_t r = 0; r < rows; ++r) {
      const Half *gate = gate_up + r * 2 * width, *up = gate + width;
      Half *to_gate = grad_gate_up + r * 2 * width, *to_up = to_gate + width;
      for (int64_t j = 0; j < width; ++j) grads[j] = Wide(grad_inner[r * width + j]);
      if (mask != nullptr)
        for (int64_t j = 0; j < width; ++j) grads[j] *= Wide(mask[r * width + j]);
      for (int64_t j = 0; j < width; ++j) {
        const float g = Wide(gate[j]), s = Sigmoid(g);
        to_gate[j] = Narrow(grads[j] * Wide(up[j]) * s * (1 + g * (1 - s)));
        to_up[j] = Narrow(grads[j] * g * s);
      }
    }
  }
}

void silu_forward(const Half* x, int64_t count, Half* y) {
#pragma omp parallel for
  for (int64_t i = 0; i < count; ++i) y[i] = Narrow(Wide(x[i]) * Sigmoid(Wide(x[i])));
}

void silu_backward(const Half* x, const Half* grad, int64_t count, Half* to) {
#pragma omp parallel for
  for (int64_t i = 0; i < count; ++i) {
    const float value = Wide(x[i]), s = Sigmoid(value);
    to[i] = Narrow(Wide(grad[i]) * s * (1 + value * (1 - s)));
  }
}

}  // extern "C"

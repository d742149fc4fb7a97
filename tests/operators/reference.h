// Every operator once more: plain loops in double precision, to be read beside the papers. Tests
// compare with these.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <string>
#include <vector>

namespace rill::reference {

using Row = std::vector<double>;
using Tensors = std::map<std::string, std::vector<float>>;

inline double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
inline double Silu(double x) { return x * Sigmoid(x); }

inline Row Linear(const std::vector<float>& w, const Row& x,
                  const std::vector<float>* b = nullptr) {
  Row y(w.size() / x.size());
  for (size_t o = 0; o < y.size(); ++o) {
    for (size_t k = 0; k < x.size(); ++k) y[o] += static_cast<double>(w[o * x.size() + k]) * x[k];
    if (b != nullptr) y[o] += (*b)[o];
  }
  return y;
}

inline Row RmsNorm(const std::vector<float>& w, double epsilon, Row x) {
  double mean = 0;
  for (const double v : x) mean += v * v / static_cast<double>(x.size());
  for (size_t c = 0; c < x.size(); ++c) x[c] *= w[c] / std::sqrt(mean + epsilon);
  return x;
}

inline Row LayerNorm(const std::vector<float>& w, const std::vector<float>& b, double epsilon,
                     Row x) {
  const double count = static_cast<double>(x.size());
  double mean = 0, variance = 0;
  for (const double v : x) mean += v / count;
  for (const double v : x) variance += (v - mean) * (v - mean) / count;
  for (size_t c = 0; c < x.size(); ++c)
    x[c] = w[c] * (x[c] - mean) / std::sqrt(variance + epsilon) + b[c];
  return x;
}

inline Row Swiglu(const Tensors& t, const Row& x) {
  const Row gate = Linear(t.at("op.gate.weight"), x);
  Row inner = Linear(t.at("op.up.weight"), x);
  for (size_t i = 0; i < inner.size(); ++i) inner[i] *= Silu(gate[i]);
  return Linear(t.at("op.down.weight"), inner);
}

// Stateful operators: a whole sequence from the zero state.

inline std::vector<Row> ShortConv(const Tensors& t, size_t taps, const std::vector<Row>& u) {
  const size_t channels = u[0].size();
  std::vector<Row> v, y;
  for (const Row& x : u) {
    const Row bcx = Linear(t.at("op.in_proj.weight"), x);
    v.emplace_back(channels);
    for (size_t c = 0; c < channels; ++c) v.back()[c] = bcx[c] * bcx[2 * channels + c];
    Row out(channels);
    for (size_t c = 0; c < channels; ++c) {
      for (size_t k = 0; k < taps; ++k)
        if (v.size() + k >= taps)
          out[c] += t.at("op.conv.weight")[c * taps + k] * v[v.size() + k - taps][c];
      out[c] *= bcx[channels + c];
    }
    y.push_back(Linear(t.at("op.out_proj.weight"), out));
  }
  return y;
}

inline std::vector<Row> LiquidScan(const Tensors& t, const std::vector<float>& dt,
                                   const std::vector<Row>& u) {
  const std::vector<float>& decay = t.at("op.decay");
  const size_t width = decay.size();
  Row h(width);
  std::vector<Row> y;
  for (size_t n = 0; n < u.size(); ++n) {
    const Row p = Linear(t.at("op.in_proj.weight"), u[n], &t.at("op.in_proj.bias"));
    Row out(width);
    for (size_t c = 0; c < width; ++c) {
      const double alpha = dt[n] * std::log1p(std::exp(decay[c])) * Sigmoid(p[2 * width + c]);
      h[c] = std::exp(-alpha) * h[c] +
             std::sqrt(1 - std::exp(-2 * alpha)) * Sigmoid(p[3 * width + c]) * p[c];
      out[c] = h[c] * Silu(p[width + c]);
    }
    y.push_back(Linear(t.at("op.out_proj.weight"), out));
  }
  return y;
}

inline std::vector<Row> Cfc(const Tensors& t, const std::vector<float>& dt,
                            const std::vector<Row>& u) {
  const auto layer = [&](const std::string& name, const Row& x) {
    return Linear(t.at("op." + name + ".weight"), x, &t.at("op." + name + ".bias"));
  };
  Row h(t.at("op.ff1.bias").size());
  std::vector<Row> y;
  for (size_t n = 0; n < u.size(); ++n) {
    Row input = u[n];
    input.insert(input.end(), h.begin(), h.end());
    Row z = layer("backbone", input);
    for (double& v : z) v = 1.7159 * std::tanh(0.666 * v);
    const Row ff1 = layer("ff1", z), ff2 = layer("ff2", z);
    const Row a = layer("time_a", z), b = layer("time_b", z);
    for (size_t c = 0; c < h.size(); ++c) {
      const double gate = Sigmoid(a[c] * dt[n] + b[c]);
      h[c] = std::tanh(ff1[c]) * (1 - gate) + std::tanh(ff2[c]) * gate;
    }
    y.push_back(Linear(t.at("op.out_proj.weight"), h));
  }
  return y;
}

struct AttentionShape {
  size_t heads, kv_heads, head_width;
  size_t window, sinks;  // window 0: full
  double rope_base, epsilon;
  size_t rope_pairs = std::numeric_limits<size_t>::max();
  size_t gates = 0;  // rows of op.gate.weight: none, one a head or one an element
};

inline void Rotate(Row& heads, size_t width, double base, double position,
                   size_t pairs = std::numeric_limits<size_t>::max()) {
  for (size_t begin = 0; begin < heads.size(); begin += width)
    for (size_t i = 0; i < std::min(pairs, width / 2); ++i) {
      const double angle =
          position * std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(width));
      const double a = heads[begin + i], b = heads[begin + width / 2 + i];
      heads[begin + i] = a * std::cos(angle) - b * std::sin(angle);
      heads[begin + width / 2 + i] = b * std::cos(angle) + a * std::sin(angle);
    }
}

inline std::vector<Row> Attention(const Tensors& t, const AttentionShape& s,
                                  const std::vector<Row>& u) {
  const auto heads_of = [&](const std::string& name, const Row& x) {
    Row out, all = Linear(t.at("op." + name + "_proj.weight"), x);
    for (size_t begin = 0; begin < all.size(); begin += s.head_width) {
      const Row head(all.begin() + static_cast<ptrdiff_t>(begin),
                     all.begin() + static_cast<ptrdiff_t>(begin + s.head_width));
      const Row normed = RmsNorm(t.at("op." + name + "_norm.weight"), s.epsilon, head);
      out.insert(out.end(), normed.begin(), normed.end());
    }
    return out;
  };
  std::vector<Row> keys, values, y;
  for (size_t n = 0; n < u.size(); ++n) {
    keys.push_back(heads_of("k", u[n]));
    Rotate(keys.back(), s.head_width, s.rope_base, static_cast<double>(n), s.rope_pairs);
    values.push_back(Linear(t.at("op.v_proj.weight"), u[n]));
    const Row plain = heads_of("q", u[n]);
    Row out(plain.size());
    for (size_t head = 0; head < s.heads; ++head) {
      const size_t kv = head / (s.heads / s.kv_heads);
      Row weights(n + 1);
      double total = 0;
      for (size_t m = 0; m <= n; ++m) {
        const bool evicting = s.window > 0 && n >= s.sinks + s.window;
        if (s.window > 0 && m >= s.sinks && m + s.window <= n) continue;
        Row q = plain;
        const bool far = evicting && m < s.sinks;
        Rotate(q, s.head_width, s.rope_base, static_cast<double>(far ? s.sinks + s.window : n),
               s.rope_pairs);
        double score = 0;
        for (size_t i = 0; i < s.head_width; ++i)
          score += q[head * s.head_width + i] * keys[m][kv * s.head_width + i];
        total += weights[m] = std::exp(score / std::sqrt(static_cast<double>(s.head_width)));
      }
      for (size_t m = 0; m <= n; ++m)
        for (size_t i = 0; i < s.head_width; ++i)
          out[head * s.head_width + i] += weights[m] / total * values[m][kv * s.head_width + i];
    }
    if (s.gates > 0) {
      const Row gates = Linear(t.at("op.gate.weight"), u[n]);
      for (size_t i = 0; i < out.size(); ++i) out[i] *= Sigmoid(gates[i * s.gates / out.size()]);
    }
    y.push_back(Linear(t.at("op.out_proj.weight"), out));
  }
  return y;
}

// Mixture of experts of one frame; the tensors of Moe under "op.".
inline Row Moe(const Tensors& t, size_t used, const Row& x) {
  const Row logits = Linear(t.at("op.gate_inp.weight"), x);
  const size_t experts = logits.size(),
               inner = t.at("op.gate_exps.weight").size() / experts / x.size();
  std::vector<size_t> order(experts);
  for (size_t e = 0; e < experts; ++e) order[e] = e;
  const auto score = [&](size_t e) { return Sigmoid(logits[e]) + t.at("op.bias")[e]; };
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return score(a) > score(b); });
  double sum = 1e-6;
  for (size_t k = 0; k < used; ++k) sum += Sigmoid(logits[order[k]]);
  const auto part = [&](const char* name, size_t e) {
    const std::vector<float>& all = t.at(name);
    const auto begin = all.begin() + static_cast<ptrdiff_t>(e * inner * x.size());
    return std::vector<float>(begin, begin + static_cast<ptrdiff_t>(inner * x.size()));
  };
  Row y(x.size());
  for (size_t k = 0; k < used; ++k) {
    const size_t e = order[k];
    const Row gate = Linear(part("op.gate_exps.weight", e), x);
    Row middle = Linear(part("op.up_exps.weight", e), x);
    for (size_t i = 0; i < inner; ++i) middle[i] *= Silu(gate[i]);
    const Row out = Linear(part("op.down_exps.weight", e), middle);
    for (size_t c = 0; c < y.size(); ++c) y[c] += Sigmoid(logits[e]) / sum * out[c];
  }
  return y;
}

}  // namespace rill::reference

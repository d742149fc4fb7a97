#include "operators/attention.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

namespace rill {

Result<Attention> Attention::Load(const Weights& weights, const std::string& name, size_t channels,
                                  const AttentionConfig& config, StateLayout& layout) {
  const size_t width = config.head_width, kv_width = config.kv_heads * width;
  Result<Linear> q = Linear::Load(weights, name + ".q_proj", config.heads * width, channels);
  if (!q) return q.error();
  Result<Linear> k = Linear::Load(weights, name + ".k_proj", kv_width, channels);
  if (!k) return k.error();
  Result<Linear> v = Linear::Load(weights, name + ".v_proj", kv_width, channels);
  if (!v) return v.error();
  Result<Linear> out = Linear::Load(weights, name + ".out_proj", channels, config.heads * width);
  if (!out) return out.error();
  Result<RmsNorm> q_norm = RmsNorm::Load(weights, name + ".q_norm", width, config.norm_epsilon);
  if (!q_norm) return q_norm.error();
  Result<RmsNorm> k_norm = RmsNorm::Load(weights, name + ".k_norm", width, config.norm_epsilon);
  if (!k_norm) return k_norm.error();
  Attention attention(std::move(*q), std::move(*k), std::move(*v), std::move(*out),
                      std::move(*q_norm), std::move(*k_norm), config);
  const ElementType type =
      config.precision == CachePrecision::kFloat16 ? ElementType::kFloat16 : ElementType::kFloat32;
  attention.keys_ = layout.Add(name + ".keys", attention.rows() * kv_width, type);
  attention.values_ = layout.Add(name + ".values", attention.rows() * kv_width, type);
  attention.position_ = layout.Add(name + ".position", 1, ElementType::kInt64);
  return attention;
}

Attention::Attention(Linear q_proj, Linear k_proj, Linear v_proj, Linear out_proj, RmsNorm q_norm,
                     RmsNorm k_norm, const AttentionConfig& config)
    : q_proj_(std::move(q_proj)),
      k_proj_(std::move(k_proj)),
      v_proj_(std::move(v_proj)),
      out_proj_(std::move(out_proj)),
      q_norm_(std::move(q_norm)),
      k_norm_(std::move(k_norm)),
      config_(config) {
  for (size_t i = 0; i < config.head_width / 2; ++i)
    frequencies_.push_back(std::pow(
        config.rope_base, -2.0 * static_cast<double>(i) / static_cast<double>(config.head_width)));
}

size_t Attention::ScratchFloats(size_t count) const {
  const size_t q_width = config_.heads * config_.head_width;
  const size_t kv_width = config_.kv_heads * config_.head_width;
  return count * (q_width + 2 * kv_width) + q_width + rows() * config_.heads / config_.kv_heads +
         3 * config_.head_width + q_width;
}

int64_t Attention::Room(Lane lane) const {
  if (config_.window > 0) return std::numeric_limits<int64_t>::max();
  return static_cast<int64_t>(config_.capacity) - lane.Integers(position_)[0];
}

bool Attention::IsSound(Lane lane) const {
  constexpr int64_t kMostFrames = int64_t{1} << 62;  // no stream lives so long
  const int64_t position = lane.Integers(position_)[0];
  return position >= 0 && position < kMostFrames && Room(lane) >= 0;
}

void Attention::Rotate(std::span<float> heads, int64_t position) const {
  const size_t half = config_.head_width / 2;
  for (size_t i = 0; i < half; ++i) {
    const double angle = static_cast<double>(position) * frequencies_[i];
    const float cosine = static_cast<float>(std::cos(angle));
    const float sine = static_cast<float>(std::sin(angle));
    for (size_t begin = 0; begin < heads.size(); begin += config_.head_width) {
      const float a = heads[begin + i], b = heads[begin + half + i];
      heads[begin + i] = a * cosine - b * sine;
      heads[begin + half + i] = b * cosine + a * sine;
    }
  }
}

void Attention::Store(Lane lane, Slot slot, size_t row, std::span<const float> values) const {
  const size_t begin = row * values.size();
  if (slot.type == ElementType::kFloat16) {
    FloatsToHalves(values, lane.Halves(slot).subspan(begin, values.size()));
  } else {
    std::copy(values.begin(), values.end(),
              lane.Floats(slot).begin() + static_cast<ptrdiff_t>(begin));
  }
}

std::span<const float> Attention::Read(Lane lane, Slot slot, size_t row, size_t head,
                                       std::span<float> buffer) const {
  const size_t begin = (row * config_.kv_heads + head) * config_.head_width;
  if (slot.type != ElementType::kFloat16) return lane.Floats(slot).subspan(begin, buffer.size());
  HalvesToFloats(lane.Halves(slot).subspan(begin, buffer.size()), buffer);
  return buffer;
}

void Attention::Attend(std::span<float> q, std::span<float> k, std::span<const float> v, Lane lane,
                       Scratch& scratch) const {
  const size_t width = config_.head_width, group = config_.heads / config_.kv_heads;
  const int64_t position = lane.Integers(position_)[0]++;
  const size_t seen = static_cast<size_t>(position);
  const bool evicting = config_.window > 0 && seen >= rows();
  const size_t sinks = config_.window > 0 ? config_.sinks : 0;
  const auto row_of = [&](size_t at) {  // where the key of a position lies
    return at < sinks || config_.window == 0 ? at : sinks + (at - sinks) % config_.window;
  };

  Scratch::Frame frame(scratch);
  const std::span<float> far_q = frame.Take(1, q.size())[0];  // the query as the sinks see it
  if (evicting && sinks > 0) {
    std::copy(q.begin(), q.end(), far_q.begin());
    Rotate(far_q, static_cast<int64_t>(sinks + config_.window));
  }
  Rotate(q, position);
  Rotate(k, position);
  Store(lane, keys_, row_of(seen), k);
  Store(lane, values_, row_of(seen), v);

  const size_t count = std::min(seen + 1, rows());
  const auto position_at = [&](size_t i) {  // of the i-th oldest key that is kept
    return i < sinks || !evicting ? i : seen + 1 - config_.window + (i - sinks);
  };
  const float scale = 1.0f / std::sqrt(static_cast<float>(width));
  const View<float> scores = frame.Take(group, rows());
  const std::span<float> buffer = frame.Take(1, width)[0];
  for (size_t head = 0; head < config_.kv_heads; ++head) {
    for (size_t i = 0; i < count; ++i) {
      const auto key = Read(lane, keys_, row_of(position_at(i)), head, buffer);
      const std::span<const float> queries = evicting && i < sinks ? far_q : q;
      for (size_t g = 0; g < group; ++g)
        scores[g][i] = scale * Dot(queries.subspan((head * group + g) * width, width), key);
    }
    const std::span<float> outputs = q.subspan(head * group * width, group * width);
    std::fill(outputs.begin(), outputs.end(), 0.0f);
    for (size_t g = 0; g < group; ++g) {
      const std::span<float> row = scores[g].first(count);
      const float most = *std::max_element(row.begin(), row.end());
      float total = 0;
      for (float& score : row) total += score = std::exp(score - most);
      for (float& score : row) score /= total;
    }
    for (size_t i = 0; i < count; ++i) {
      const auto value = Read(lane, values_, row_of(position_at(i)), head, buffer);
      for (size_t g = 0; g < group; ++g)
        MulAddInto(scores[g][i], value, outputs.subspan(g * width, width));
    }
  }
}

void Attention::Run(const Frames& frames, Scratch& scratch, View<float> y) const {
  Scratch::Frame frame(scratch);
  const View<float> q = frame.Take(frames.x.rows, q_proj_.outputs());
  const View<float> k = frame.Take(frames.x.rows, k_proj_.outputs());
  const View<float> v = frame.Take(frames.x.rows, v_proj_.outputs());
  q_proj_.Run(frames.x, q);
  k_proj_.Run(frames.x, k);
  v_proj_.Run(frames.x, v);
  const size_t width = config_.head_width;
  const View<float> q_heads{q.data, q.rows * config_.heads, width};
  const View<float> k_heads{k.data, k.rows * config_.kv_heads, width};
  q_norm_.Run(q_heads, q_heads);
  k_norm_.Run(k_heads, k_heads);
  size_t t = 0;
  for (const Sequence& sequence : frames.batch)
    for (size_t end = t + sequence.rows; t < end; ++t)
      Attend(q[t], k[t], v[t], sequence.lane, scratch);
  out_proj_.Run(q, y);
}

void Attention::Step(std::span<const float> x, float dt, Lane lane, Scratch& scratch,
                     std::span<float> y) const {
  const Sequence sequence{lane, 1};
  Run({{x.data(), 1, x.size()}, {&dt, 1}, {&sequence, 1}}, scratch, {y.data(), 1, y.size()});
}

}  // namespace rill

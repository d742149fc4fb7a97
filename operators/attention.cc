#include "operators/attention.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "operators/core/workers.h"

namespace rill {

AttentionNames AttentionNames::Under(const std::string& name) {
  return {name + ".q_proj",
          name + ".k_proj",
          name + ".v_proj",
          name + ".out_proj",
          name + ".q_norm",
          name + ".k_norm",
          ""};
}

Result<Attention> Attention::Load(const Weights& weights, const std::string& name,
                                  const AttentionNames& names, size_t channels,
                                  const AttentionConfig& config, StateLayout& layout) {
  const size_t width = config.head_width, kv_width = config.kv_heads * width;
  const size_t q_width = config.heads * width;
  const auto load = [&](const std::string& tensor, size_t outputs, size_t inputs) {
    return Projection::Load(weights, tensor, outputs, inputs, config.form);
  };
  Result<Projection> q = load(names.q, q_width, channels);
  if (!q) return q.error();
  Result<Projection> k = load(names.k, kv_width, channels);
  if (!k) return k.error();
  Result<Projection> v = load(names.v, kv_width, channels);
  if (!v) return v.error();
  Result<Projection> out = load(names.out, channels, q_width);
  if (!out) return out.error();
  std::optional<Projection> gate;
  if (!names.gate.empty()) {
    const auto found = weights.tensors().find(names.gate + ".weight");
    const bool by_element = found != weights.tensors().end() && found->second.extents[1] == q_width;
    Result<Projection> loaded = load(names.gate, by_element ? q_width : config.heads, channels);
    if (!loaded) return loaded.error();
    gate = std::move(*loaded);
  }
  Result<RmsNorm> q_norm = RmsNorm::Load(weights, names.q_norm, width, config.norm_epsilon);
  if (!q_norm) return q_norm.error();
  Result<RmsNorm> k_norm = RmsNorm::Load(weights, names.k_norm, width, config.norm_epsilon);
  if (!k_norm) return k_norm.error();
  Attention attention(std::move(*q), std::move(*k), std::move(*v), std::move(*out), std::move(gate),
                      std::move(*q_norm), std::move(*k_norm), config);
  const ElementType type =
      config.precision == CachePrecision::kFloat16 ? ElementType::kFloat16 : ElementType::kFloat32;
  attention.keys_ = layout.Add(name + ".keys", attention.padded_rows() * kv_width, type);
  attention.values_ = layout.Add(name + ".values", attention.rows() * kv_width, type);
  attention.position_ = layout.Add(name + ".position", 1, ElementType::kInt64);
  return attention;
}

Attention::Attention(Projection q_proj, Projection k_proj, Projection v_proj, Projection out_proj,
                     std::optional<Projection> gate, RmsNorm q_norm, RmsNorm k_norm,
                     const AttentionConfig& config)
    : q_proj_(std::move(q_proj)),
      k_proj_(std::move(k_proj)),
      v_proj_(std::move(v_proj)),
      out_proj_(std::move(out_proj)),
      gate_(std::move(gate)),
      q_norm_(std::move(q_norm)),
      k_norm_(std::move(k_norm)),
      config_(config) {
  const size_t pairs = std::min(config.head_width / 2, config.rope_pairs);
  for (size_t i = 0; i < pairs; ++i)
    frequencies_.push_back(std::pow(
        config.rope_base, -2.0 * static_cast<double>(i) / static_cast<double>(config.head_width)));
  far_turn_.resize(2 * pairs);
  Turn(static_cast<int64_t>(config.sinks + config.window), far_turn_);
}

size_t Attention::ScratchFloats(size_t count) const {
  const size_t q_width = config_.heads * config_.head_width;
  const size_t kv_width = config_.kv_heads * config_.head_width;
  const size_t group_width = config_.heads / config_.kv_heads * config_.head_width;
  const size_t attend = 2 * (count * frequencies_.size() + Workers::kMostThreads * group_width);
  const size_t inputs =
      q_proj_.ScratchFloats(count) + k_proj_.ScratchFloats(count) + v_proj_.ScratchFloats(count);
  size_t most = std::max({attend, inputs, out_proj_.ScratchFloats(count)});
  if (gate_) most = std::max(most, count * gate_->outputs() + gate_->ScratchFloats(count));
  return count * (q_width + 2 * kv_width) + most;
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

void Attention::Turn(int64_t position, std::span<float> turn) const {
  for (size_t i = 0; i < frequencies_.size(); ++i) {
    const double angle = static_cast<double>(position) * frequencies_[i];
    turn[2 * i] = static_cast<float>(std::cos(angle));
    turn[2 * i + 1] = static_cast<float>(std::sin(angle));
  }
}

void Attention::Rotate(std::span<float> heads, std::span<const float> turn) const {
  const size_t half = config_.head_width / 2;
  for (size_t begin = 0; begin < heads.size(); begin += config_.head_width)
    for (size_t i = 0; i < turn.size() / 2; ++i) {
      const float cosine = turn[2 * i], sine = turn[2 * i + 1];
      const float a = heads[begin + i], b = heads[begin + half + i];
      heads[begin + i] = a * cosine - b * sine;
      heads[begin + half + i] = b * cosine + a * sine;
    }
}

template <typename T>
void Attention::StoreAndAttend(std::span<T> keys, std::span<T> values, size_t head,
                               int64_t position, std::span<const float> k, std::span<const float> v,
                               View<const float> queries, View<float> out) const {
  const size_t width = config_.head_width, seen = static_cast<size_t>(position);
  const bool ring = config_.window > 0 && seen >= config_.sinks;
  const size_t row = ring ? config_.sinks + (seen - config_.sinks) % config_.window : seen;
  T* key = keys.data() + head * padded_rows() * width + KeyOffset(row, width);
  T* value = values.data() + (head * rows() + row) * width;
  for (size_t i = 0; i < width; ++i) {
    if constexpr (sizeof(T) == 2) {
      key[i * kKeyBlock] = FloatToHalf(k[i]);
      value[i] = FloatToHalf(v[i]);
    } else {
      key[i * kKeyBlock] = k[i];
      value[i] = v[i];
    }
  }
  const bool evicting = config_.window > 0 && seen >= rows();
  const Attended of{queries.Rows(0, out.rows), queries.Rows(out.rows, out.rows),
                    evicting ? config_.sinks : 0, std::min(seen + 1, rows())};
  Attend(keys.data() + head * padded_rows() * width, values.data() + head * rows() * width, of,
         out);
}

void Attention::AttendHead(size_t head, View<float> q, View<float> k, View<const float> v,
                           View<const float> turns, Lane lane, View<float> queries) const {
  const size_t width = config_.head_width, group = config_.heads / config_.kv_heads;
  const float scale = 1.0f / std::sqrt(static_cast<float>(width));
  const int64_t begin = lane.Integers(position_)[0];
  for (size_t t = 0; t < q.rows; ++t) {
    const std::span<float> out = q[t].subspan(head * group * width, group * width);
    const std::span<float> key = k[t].subspan(head * width, width);
    const std::span<const float> value = v[t].subspan(head * width, width);
    const std::span<float> near = queries.Rows(0, group).flat();
    const std::span<float> far = queries.Rows(group, group).flat();
    std::ranges::transform(out, near.begin(), [scale](float x) { return x * scale; });
    std::ranges::copy(near, far.begin());
    Rotate(near, turns[t]);
    Rotate(far, far_turn_);
    Rotate(key, turns[t]);
    const View<float> rows{out.data(), group, width};
    const int64_t position = begin + static_cast<int64_t>(t);
    if (keys_.type == ElementType::kFloat16) {
      StoreAndAttend(lane.Halves(keys_), lane.Halves(values_), head, position, key, value, queries,
                     rows);
    } else {
      StoreAndAttend(lane.Floats(keys_), lane.Floats(values_), head, position, key, value, queries,
                     rows);
    }
  }
}

void Attention::Gate(View<const float> x, Scratch& scratch, View<float> heads) const {
  Scratch::Frame frame(scratch);
  const View<float> gates = frame.Take(x.rows, gate_->outputs());
  gate_->Run(x, scratch, gates);
  Sigmoid(gates.flat(), gates.flat());
  const size_t each = heads.columns / gates.columns;  // elements that share a gate
  for (size_t i = 0; i < heads.flat().size(); ++i) heads.flat()[i] *= gates.flat()[i / each];
}

void Attention::AttendAll(const Frames& frames, Scratch& scratch, View<float> q, View<float> k,
                          View<const float> v) const {
  Scratch::Frame frame(scratch);
  const View<float> turns = frame.Take(q.rows, 2 * frequencies_.size());
  const size_t group = config_.heads / config_.kv_heads;
  const View<float> queries = frame.Take(Workers::kMostThreads, 2 * group * config_.head_width);
  size_t t = 0;
  for (const Sequence& sequence : frames.batch)
    for (size_t i = 0; i < sequence.rows; ++i)
      Turn(sequence.lane.Integers(position_)[0] + static_cast<int64_t>(i), turns[t++]);
  // Parts: a key head of a sequence.
  RunParts(scratch.workers(), frames.batch.size() * config_.kv_heads,
           [&](size_t part, size_t thread) {
             const size_t index = part / config_.kv_heads;
             size_t first = 0;
             for (size_t s = 0; s < index; ++s) first += frames.batch[s].rows;
             const size_t rows = frames.batch[index].rows;
             AttendHead(part % config_.kv_heads, q.Rows(first, rows), k.Rows(first, rows),
                        v.Rows(first, rows), turns.Rows(first, rows), frames.batch[index].lane,
                        {queries[thread].data(), 2 * group, config_.head_width});
           });
  for (const Sequence& sequence : frames.batch)
    sequence.lane.Integers(position_)[0] += static_cast<int64_t>(sequence.rows);
}

void Attention::Run(const Frames& frames, Scratch& scratch, View<float> y) const {
  Scratch::Frame frame(scratch);
  const View<float> q = frame.Take(frames.x.rows, q_proj_.outputs());
  const View<float> k = frame.Take(frames.x.rows, k_proj_.outputs());
  const View<float> v = frame.Take(frames.x.rows, v_proj_.outputs());
  Projection::RunEach(
      std::array<Projection::Output, 3>{{{&q_proj_, q}, {&k_proj_, k}, {&v_proj_, v}}}, frames.x,
      scratch);
  const size_t width = config_.head_width;
  const View<float> q_heads{q.data, q.rows * config_.heads, width};
  const View<float> k_heads{k.data, k.rows * config_.kv_heads, width};
  q_norm_.Run(q_heads, q_heads);
  k_norm_.Run(k_heads, k_heads);
  AttendAll(frames, scratch, q, k, v);
  if (gate_) Gate(frames.x, scratch, q);
  out_proj_.Run(q, scratch, y);
}

void Attention::Step(std::span<const float> x, float dt, Lane lane, Scratch& scratch,
                     std::span<float> y) const {
  const Sequence sequence{lane, 1};
  Run({{x.data(), 1, x.size()}, {&dt, 1}, {&sequence, 1}}, scratch, {y.data(), 1, y.size()});
}

}  // namespace rill

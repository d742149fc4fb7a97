// Grouped-query attention over a bounded past.
//
//   q = rope(rms_norm(Wq x))    k = rope(rms_norm(Wk x))    v = Wv x
//   y = Wo concat_heads(softmax(q kᵀ / sqrt(W)) v)
//
// with norms a head, RoPE in the rotate-half form, and query head a reading key head a / (A / G).
//
//   x, y    [time, channels]          float32
//   Wq      [A W, channels]           A query heads of width W
//   Wk, Wv  [G W, channels]           G key heads, A a multiple of G
//   Wo      [channels, A W]
//   state   k, v [rows, G W]          float16 or float32; k already rotated
//           position [1]              int64, frames seen
//
// With window and sinks the first `sinks` keys stay and of the others the last `window`, the
// current one included. Before the first eviction the result is that of full attention. After it
// the sinks are scored with the query rotated as if it stood at sinks + window, so that their
// distance stays one the model has seen. Without a window, `capacity` frames can be seen: the
// caller asks Room() before it runs more.
//
// Keys are visited from the oldest to the newest, so a result depends on the positions alone.
//
// Source: Ainslie et al. 2023, arXiv:2305.13245 (groups); Xiao et al. 2023, arXiv:2309.17453
// (sinks); Liquid AI's LFM2.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "operators/core/frames.h"
#include "operators/core/scratch.h"
#include "operators/linear.h"
#include "operators/norm.h"

namespace rill {

enum class CachePrecision { kFloat16, kFloat32 };

struct AttentionConfig {
  size_t heads = 1;
  size_t kv_heads = 1;
  size_t head_width = 2;  // even
  size_t window = 0;      // 0: full attention over `capacity` frames
  size_t sinks = 0;
  size_t capacity = 0;
  double rope_base = 1e6;
  float norm_epsilon = 1e-5f;
  CachePrecision precision = CachePrecision::kFloat16;
};

// Immutable after loading; any number of streams and threads may share one.
class Attention {
 public:
  // Reads NAME.{q,k,v,out}_proj.weight and NAME.{q,k}_norm.weight; adds its state to `layout`.
  static Result<Attention> Load(const Weights& weights, const std::string& name, size_t channels,
                                const AttentionConfig& config, StateLayout& layout);

  size_t ScratchFloats(size_t rows) const;

  // Frames that the lane can still take; without bound when old ones are evicted.
  int64_t Room(Lane lane) const;
  // Whether the position is one that frames can lead to: for states that come from outside.
  bool IsSound(Lane lane) const;

  // Parallel form: projections see all rows at once, then each row attends in order. `y` may be
  // `frames.x`; dt is not used. Every lane must have room.
  void Run(const Frames& frames, Scratch& scratch, View<float> y) const;

  // Recurrent form: one frame of one lane. `y` may be `x`; dt is not used.
  void Step(std::span<const float> x, float dt, Lane lane, Scratch& scratch,
            std::span<float> y) const;

 private:
  Attention(Linear q_proj, Linear k_proj, Linear v_proj, Linear out_proj, RmsNorm q_norm,
            RmsNorm k_norm, const AttentionConfig& config);

  // One row of one lane: stores its key and value and writes the heads' outputs over `q`.
  void Attend(std::span<float> q, std::span<float> k, std::span<const float> v, Lane lane,
              Scratch& scratch) const;
  void Rotate(std::span<float> heads, int64_t position) const;
  void Store(Lane lane, Slot slot, size_t row, std::span<const float> values) const;
  std::span<const float> Read(Lane lane, Slot slot, size_t row, size_t head,
                              std::span<float> buffer) const;
  size_t rows() const {
    return config_.window > 0 ? config_.sinks + config_.window : config_.capacity;
  }

  Linear q_proj_, k_proj_, v_proj_, out_proj_;
  RmsNorm q_norm_, k_norm_;
  AttentionConfig config_;
  std::vector<double> frequencies_;  // [head_width / 2], radians a frame
  Slot keys_, values_, position_;
};

}  // namespace rill

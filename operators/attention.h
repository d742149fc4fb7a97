// Grouped-query attention over a bounded past.
//
//   q = rope(rms_norm(Wq x))    k = rope(rms_norm(Wk x))    v = Wv x
//   y = Wo (g ⊙ concat_heads(softmax(q kᵀ / sqrt(W)) v))
//
// with norms a head, RoPE in the rotate-half form, and query head a reading key head a / (A / G).
// g is 1, or sigmoid(Wg x) of a model with gates, one a head or one an element. RoPE turns pair i
// of a head by position · base^(-2 i / W), in the first `rope_pairs` pairs; the others stay.
//
//   x, y    [time, channels]          float32
//   Wq      [A W, channels]           A query heads of width W
//   Wk, Wv  [G W, channels]           G key heads, A a multiple of G
//   Wo      [channels, A W]
//   Wg      [A or A W, channels]
//   state   k, v [G, rows, W]         float16 or float32; k already rotated, and in the order of
//                                     core/attend.h
//           position [1]              int64, frames seen
//
// With window and sinks the first `sinks` keys stay and of the others the last `window`, the
// current one included. Before the first eviction the result is that of full attention. After it
// the sinks are scored with the query rotated as if it stood at sinks + window, so that their
// distance stays one the model has seen. Without a window, `capacity` frames can be seen: the
// caller asks Room() before it runs more.
//
// Keys are visited as they lie in the state, where a position has its place, so a result depends on
// the positions alone. Key heads are shared out among the workers of the scratch memory.
//
// Source: Ainslie et al. 2023, arXiv:2305.13245 (groups); Xiao et al. 2023, arXiv:2309.17453
// (sinks); Liquid AI's LFM2.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "operators/core/attend.h"
#include "operators/core/frames.h"
#include "operators/core/scratch.h"
#include "operators/norm.h"
#include "operators/projection.h"

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
  size_t rope_pairs = std::numeric_limits<size_t>::max();  // more than there are: all
  float norm_epsilon = 1e-5f;
  CachePrecision precision = CachePrecision::kFloat16;
  MatrixForm form = MatrixForm::kPacked;
};

// Names of the tensors, without ".weight".
struct AttentionNames {
  std::string q, k, v, out, q_norm, k_norm, gate;  // no gate: empty
  // NAME.q_proj and so on.
  static AttentionNames Under(const std::string& name);
};

// Immutable after loading; any number of streams and threads may share one.
class Attention {
 public:
  // Adds its state to `layout`, as NAME.keys and so on.
  static Result<Attention> Load(const Weights& weights, const std::string& name,
                                const AttentionNames& names, size_t channels,
                                const AttentionConfig& config, StateLayout& layout);

  size_t ScratchFloats(size_t rows) const;

  // Frames that the lane can still take; without bound when old ones are evicted.
  int64_t Room(Lane lane) const;
  int64_t position(Lane lane) const { return lane.Integers(position_)[0]; }  // frames seen
  // Whether the position is one that frames can lead to: for states that come from outside.
  bool IsSound(Lane lane) const;

  // Parallel form: projections see all rows at once, then each row attends in order. `y` may be
  // `frames.x`; dt is not used. Every lane must have room.
  void Run(const Frames& frames, Scratch& scratch, View<float> y) const;

  // Recurrent form: one frame of one lane. `y` may be `x`; dt is not used.
  void Step(std::span<const float> x, float dt, Lane lane, Scratch& scratch,
            std::span<float> y) const;

 private:
  Attention(Projection q_proj, Projection k_proj, Projection v_proj, Projection out_proj,
            std::optional<Projection> gate, RmsNorm q_norm, RmsNorm k_norm,
            const AttentionConfig& config);

  // The rotation of a row, as cosine and sine a pair.
  void Turn(int64_t position, std::span<float> turn) const;
  void Rotate(std::span<float> heads, std::span<const float> turn) const;
  void AttendAll(const Frames& frames, Scratch& scratch, View<float> q, View<float> k,
                 View<const float> v) const;
  // One key head over all rows of one sequence: stores its keys and values, and writes the outputs
  // of the query heads that read it over `q`. `queries` is working memory of two groups of heads.
  void AttendHead(size_t head, View<float> q, View<float> k, View<const float> v,
                  View<const float> turns, Lane lane, View<float> queries) const;
  template <typename T>
  void StoreAndAttend(std::span<T> keys, std::span<T> values, size_t head, int64_t position,
                      std::span<const float> k, std::span<const float> v, View<const float> queries,
                      View<float> out) const;
  // `heads` [rows, A W] times their gates.
  void Gate(View<const float> x, Scratch& scratch, View<float> heads) const;
  size_t rows() const {
    return config_.window > 0 ? config_.sinks + config_.window : config_.capacity;
  }
  // In memory: whole blocks of keys.
  size_t padded_rows() const { return (rows() + kKeyBlock - 1) / kKeyBlock * kKeyBlock; }

  Projection q_proj_, k_proj_, v_proj_, out_proj_;
  std::optional<Projection> gate_;
  RmsNorm q_norm_, k_norm_;
  AttentionConfig config_;
  std::vector<double> frequencies_;  // [pairs that turn], radians a frame
  std::vector<float> far_turn_;      // of a query as the sinks see it
  Slot keys_, values_, position_;
};

}  // namespace rill

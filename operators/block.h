// Residual block of the backbone, and the stack of them.
//
//   x <- x + post(operator(rms_norm(x)))
//   x <- x + post(mixer(rms_norm(x)))         mixer: swiglu or moe
//
// where post is a norm of its own in LFM3 and nothing elsewhere; after the last block
// hidden = rms_norm(x).
//
// Source: Liquid AI's LFM2 and LFM3, whose text layers have this form.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "operators/attention.h"
#include "operators/cfc.h"
#include "operators/liquid_scan.h"
#include "operators/moe.h"
#include "operators/norm.h"
#include "operators/short_conv.h"
#include "operators/swiglu.h"

namespace rill {

// Immutable after loading; any number of streams and threads may share one.
class Backbone {
 public:
  struct Options {
    CachePrecision cache = CachePrecision::kFloat16;
    // What the attention layers of Liquid AI's models see: all of `context` frames, or for ever the
    // last `window` and the first `sinks`. Architecture `rill` declares its own.
    size_t context = 4096;
    size_t window = 0;
    size_t sinks = 0;

    bool operator==(const Options&) const = default;
  };

  // Reads the layers of architecture `rill` (docs/model-format.md), or of Liquid AI's `lfm2`,
  // `lfm2moe` and `lfm3`.
  static Result<Backbone> Load(const Weights& weights, Options options);

  size_t width() const { return width_; }
  const StateLayout& layout() const { return layout_; }  // of one lane
  const std::vector<std::string>& operators() const { return names_; }
  // Bytes of state of one block and lane.
  size_t state_bytes(size_t block) const { return state_bytes_[block]; }
  size_t ScratchFloats(size_t rows) const;

  // Frames that a lane can still take; INT64_MAX unless a layer attends to all of a declared
  // context.
  int64_t Room(Lane lane) const;
  // Whether the counters in a lane are such as frames can lead to, and all numbers finite; else
  // what is not. For states that come from outside.
  Result<void> CheckLane(Lane lane) const;

  // Parallel form. `hidden` may be `frames.x`.
  void Run(const Frames& frames, Scratch& scratch, View<float> hidden) const;

  // Recurrent form: one frame of one lane. `hidden` may be `x`.
  void Step(std::span<const float> x, float dt, Lane lane, Scratch& scratch,
            std::span<float> hidden) const;

 private:
  friend class LiquidLayers;

  using Mixer = std::variant<ShortConv, LiquidScan, Cfc, Attention>;
  using ChannelMixer = std::variant<Swiglu, Moe>;
  struct Block {
    RmsNorm norm;
    Mixer mixer;
    RmsNorm mlp_norm;
    ChannelMixer channel_mixer;
    std::optional<RmsNorm> post_norm = std::nullopt;
    std::optional<RmsNorm> mlp_post_norm = std::nullopt;
  };

  Backbone(size_t width, std::vector<Block> blocks, RmsNorm norm, StateLayout layout,
           std::vector<std::string> names, std::vector<size_t> state_bytes)
      : width_(width),
        blocks_(std::move(blocks)),
        norm_(std::move(norm)),
        layout_(std::move(layout)),
        names_(std::move(names)),
        state_bytes_(std::move(state_bytes)) {}

  static Result<Backbone> LoadRill(const Weights& weights, Options options);
  static Result<Mixer> LoadMixer(const Weights& weights, const std::string& kind,
                                 const std::string& prefix, size_t width, float epsilon,
                                 Options options, StateLayout& layout);

  size_t width_;
  std::vector<Block> blocks_;
  RmsNorm norm_;
  StateLayout layout_;
  std::vector<std::string> names_;
  std::vector<size_t> state_bytes_;  // one a block
};

}  // namespace rill

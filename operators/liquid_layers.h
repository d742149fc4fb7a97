// How the layers of Liquid AI's published text models lie in GGUF files: architectures `lfm2`,
// `lfm2moe` and `lfm3`.
//
// Goals: files as they are published; a layer's kind from attention.head_count_kv (0: short
// convolution), widths from the shapes of tensors; all that is missing in one message.
//
// Non-goals: encoders of pictures and sound (mmproj files), models that are not causal.
//
// Source: ggml-org/llama.cpp, src/models/lfm2.cpp; the names of LFM3's gates and second norms
// follow llama.cpp's usual ones and are not confirmed by a published file.
#pragma once

#include <string>
#include <string_view>

#include "operators/block.h"

namespace rill {

class LiquidLayers {
 public:
  static bool Knows(std::string_view architecture);
  static Result<Backbone> Load(const Weights& weights, const std::string& architecture,
                               const Backbone::Options& options);

 private:
  LiquidLayers(const Weights& weights, std::string architecture, const Backbone::Options& options)
      : weights_(weights), architecture_(std::move(architecture)), options_(options) {}

  std::string Key(std::string_view name) const { return architecture_ + "." + std::string(name); }
  Result<size_t> Size(std::string_view name, int64_t least, int64_t most) const;
  Result<void> ReadShape();
  Result<void> ReadExperts();
  Result<void> ReadAttention();
  // Refuses keys that ask for attention of a kind that there is not.
  Result<void> CheckKnownAttention(size_t head_width) const;
  Result<void> CheckContext() const;
  // One message with the first few of all tensors that are not there.
  Result<void> CheckPresent() const;
  std::vector<std::string> TensorsOf(size_t layer) const;
  std::string OutputNorm() const;  // files have it by two names

  Result<Backbone::Mixer> LoadMixer(size_t layer, StateLayout& layout) const;
  Result<Backbone::ChannelMixer> LoadChannelMixer(size_t layer) const;
  Result<Backbone::Block> LoadBlock(size_t layer, StateLayout& layout) const;
  bool is_attention(size_t layer) const { return kv_heads_[layer] > 0; }
  bool has_experts(size_t layer) const { return experts_.experts > 0 && layer >= dense_layers_; }
  bool is_lfm3() const { return architecture_ == "lfm3"; }

  const Weights& weights_;
  std::string architecture_;
  Backbone::Options options_;
  size_t width_ = 0, taps_ = 0, dense_layers_ = 0, sliding_window_ = 0;
  float epsilon_ = 0;
  std::vector<size_t> kv_heads_;  // by layer
  std::vector<bool> sliding_;     // by layer
  AttentionConfig attention_;     // of full layers
  double sliding_rope_base_ = 0;
  MoeConfig experts_{.experts = 0};
};

}  // namespace rill

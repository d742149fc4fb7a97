#include "operators/liquid_layers.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace rill {
namespace {

constexpr int64_t kMostLayers = 1 << 10;
constexpr int64_t kMostWidth = 1 << 20;
constexpr int64_t kMostHeads = 1 << 12;
constexpr int64_t kMostWindow = 1 << 24;
constexpr size_t kMostKeys = size_t{1} << 48;  // numbers of the keys of a layer
constexpr size_t kNamed = 8;                   // of the missing tensors

std::string Prefix(size_t layer) { return "blk." + std::to_string(layer) + "."; }

}  // namespace

bool LiquidLayers::Knows(std::string_view architecture) {
  return architecture == "lfm2" || architecture == "lfm2moe" || architecture == "lfm3";
}

Result<Backbone> LiquidLayers::Load(const Weights& weights, const std::string& architecture,
                                    const Backbone::Options& options) {
  LiquidLayers layers(weights, architecture, options);
  if (Result<void> read = layers.ReadShape(); !read) return read.error();
  if (Result<void> read = layers.ReadAttention(); !read) return read.error();
  if (Result<void> read = layers.ReadExperts(); !read) return read.error();
  if (Result<void> present = layers.CheckPresent(); !present) return present.error();

  StateLayout layout;
  std::vector<Backbone::Block> blocks;
  std::vector<std::string> names;
  std::vector<size_t> state_bytes;
  for (size_t i = 0; i < layers.kv_heads_.size(); ++i) {
    const size_t before = layout.bytes();
    Result<Backbone::Block> block = layers.LoadBlock(i, layout);
    if (!block) return block.error();
    blocks.push_back(std::move(*block));
    names.push_back(layers.is_attention(i) ? "attention" : "short_conv");
    state_bytes.push_back(layout.bytes() - before);
  }
  Result<RmsNorm> norm =
      RmsNorm::Load(weights, layers.OutputNorm(), layers.width_, layers.epsilon_);
  if (!norm) return norm.error();
  return Backbone(layers.width_, std::move(blocks), std::move(*norm), layout, std::move(names),
                  std::move(state_bytes));
}

Result<size_t> LiquidLayers::Size(std::string_view name, int64_t least, int64_t most) const {
  const Result<int64_t> value = weights_.Integer(Key(name), least, most);
  if (!value) return value.error();
  return static_cast<size_t>(*value);
}

Result<void> LiquidLayers::ReadShape() {
  const Result<size_t> layers = Size("block_count", 1, kMostLayers);
  if (!layers) return layers.error();
  const Result<size_t> width = Size("embedding_length", 1, kMostWidth);
  if (!width) return width.error();
  const Result<size_t> taps = Size("shortconv.l_cache", 2, 1 << 12);
  if (!taps) return taps.error();
  const Result<double> epsilon = weights_.Number(Key("attention.layer_norm_rms_epsilon"), 0, 1);
  if (!epsilon) return epsilon.error();
  const Result<std::vector<double>> kv_heads = weights_.Numbers(Key("attention.head_count_kv"));
  if (!kv_heads) return kv_heads.error();
  if (kv_heads->size() != *layers)
    return weights_.Complain("key " + Key("attention.head_count_kv") + " has " +
                             std::to_string(kv_heads->size()) + " values for " +
                             std::to_string(*layers) + " layers");
  for (const double heads : *kv_heads) {
    if (!(heads >= 0 && heads <= static_cast<double>(kMostHeads)) || heads != std::floor(heads))
      return weights_.Complain("key " + Key("attention.head_count_kv") + " holds " +
                               std::to_string(heads) + ", it must be a whole number from 0 to " +
                               std::to_string(kMostHeads));
    kv_heads_.push_back(static_cast<size_t>(heads));
  }
  width_ = *width;
  taps_ = *taps;
  epsilon_ = static_cast<float>(*epsilon);
  return {};
}

Result<void> LiquidLayers::CheckContext() const {
  const size_t kv_heads = *std::ranges::max_element(kv_heads_);
  const size_t most = kMostKeys / std::max<size_t>(1, kv_heads * attention_.head_width);
  const size_t tokens = std::max({options_.context, options_.window, options_.sinks});
  if (tokens <= most) return {};
  return weights_.Complain("a context or window of " + std::to_string(tokens) +
                           " tokens, at most " + std::to_string(most) + " are possible");
}

Result<void> LiquidLayers::CheckKnownAttention(size_t head_width) const {
  if (weights_.Has(Key("rope.scaling.type"))) {
    const Result<std::string> scaling = weights_.Text(Key("rope.scaling.type"));
    if (!scaling) return scaling.error();
    if (*scaling != "none")
      return weights_.Complain("key " + Key("rope.scaling.type") + " is " + *scaling +
                               ", only none is known");
  }
  if (weights_.Has(Key("rope.dimension_count"))) {
    // LFM3's has all of a head, too, over which its angles are spread; half of them turn.
    const Result<size_t> count = Size("rope.dimension_count", 0, kMostWidth);
    if (!count) return count.error();
    if (*count != head_width)
      return weights_.Complain("key " + Key("rope.dimension_count") + " is " +
                               std::to_string(*count) + ", only the width of the heads is known, " +
                               std::to_string(head_width));
  }
  if (weights_.Has(Key("attention.causal"))) {
    const Result<bool> causal = weights_.Boolean(Key("attention.causal"));
    if (!causal) return causal.error();
    if (!*causal)
      return weights_.Complain("key " + Key("attention.causal") +
                               " is false: attention to what comes later is no stream");
  }
  return {};
}

Result<void> LiquidLayers::ReadAttention() {
  const Result<size_t> heads = Size("attention.head_count", 1, kMostHeads);
  if (!heads) return heads.error();
  size_t head_width = width_ / *heads;
  if (weights_.Has(Key("attention.key_length"))) {
    const Result<size_t> width = Size("attention.key_length", 2, kMostHeads);
    if (!width) return width.error();
    head_width = *width;
  }
  if (head_width == 0)
    return weights_.Complain("attention has " + std::to_string(*heads) + " heads in a width of " +
                             std::to_string(width_));
  const auto bad =
      std::ranges::find_if(kv_heads_, [&](size_t kv) { return kv > 0 && *heads % kv != 0; });
  if (bad != kv_heads_.end() || head_width % 2 != 0)
    return weights_.Complain(
        "attention has " + std::to_string(*heads) + " heads of width " +
        std::to_string(head_width) + " for " + std::to_string(bad == kv_heads_.end() ? 0 : *bad) +
        " key heads; heads must be a multiple of key heads and the width even");
  if (Result<void> known = CheckKnownAttention(head_width); !known) return known;
  const Result<double> base = weights_.Number(Key("rope.freq_base"), 1, 1e12);
  if (!base) return base.error();
  attention_.heads = *heads;
  attention_.head_width = head_width;
  attention_.rope_base = *base;
  attention_.norm_epsilon = epsilon_;
  attention_.precision = options_.cache;
  attention_.form = MatrixForm::kMapped;
  attention_.window = options_.window;
  attention_.sinks = options_.sinks;
  attention_.capacity = options_.context;
  if (Result<void> possible = CheckContext(); !possible) return possible;

  if (is_lfm3()) attention_.rope_pairs = head_width / 4;  // full layers turn half of a head
  sliding_.assign(kv_heads_.size(), false);
  if (!weights_.Has(Key("attention.sliding_window"))) return {};
  const Result<size_t> window = Size("attention.sliding_window", 0, kMostWindow);
  if (!window) return window.error();
  sliding_window_ = *window;
  sliding_rope_base_ = attention_.rope_base;
  if (!is_lfm3() || sliding_window_ == 0) {
    for (size_t i = 0; i < sliding_.size(); ++i) sliding_[i] = sliding_window_ > 0;
    return {};
  }
  if (weights_.Has(Key("rope.freq_base_swa"))) {
    const Result<double> swa = weights_.Number(Key("rope.freq_base_swa"), 1, 1e12);
    if (!swa) return swa.error();
    sliding_rope_base_ = *swa;
  } else {
    sliding_rope_base_ = 1e4;
  }
  const Result<std::vector<bool>> pattern =
      weights_.Booleans(Key("attention.sliding_window_pattern"));
  if (!pattern) return pattern.error();
  if (pattern->size() != sliding_.size())
    return weights_.Complain("key " + Key("attention.sliding_window_pattern") + " has " +
                             std::to_string(pattern->size()) + " values for " +
                             std::to_string(sliding_.size()) + " layers");
  sliding_ = *pattern;
  return {};
}

Result<void> LiquidLayers::ReadExperts() {
  if (!weights_.Has(Key("expert_count"))) return {};
  const Result<size_t> count = Size("expert_count", 0, 1 << 12);
  if (!count) return count.error();
  if (*count == 0) return {};
  const Result<size_t> used = Size("expert_used_count", 1, static_cast<int64_t>(*count));
  if (!used) return used.error();
  const Result<size_t> dense = Size("leading_dense_block_count", 0, kMostLayers);
  if (!dense) return dense.error();
  if (weights_.Has(Key("expert_gating_func"))) {
    const Result<size_t> gating = Size("expert_gating_func", 2, 2);  // sigmoid
    if (!gating) return gating.error();
  }
  experts_.experts = *count;
  experts_.used = *used;
  dense_layers_ = *dense;
  if (weights_.Has(Key("expert_weights_scale"))) {
    const Result<double> scale = weights_.Number(Key("expert_weights_scale"), 0, 1e6);
    if (!scale) return scale.error();
    if (*scale > 0) experts_.scale = static_cast<float>(*scale);
  }
  return {};
}

std::string LiquidLayers::OutputNorm() const {
  std::string usual = "token_embd_norm", other = "output_norm";
  if (is_lfm3()) std::swap(usual, other);
  const auto& tensors = weights_.tensors();
  return tensors.contains(usual + ".weight") || !tensors.contains(other + ".weight") ? usual
                                                                                     : other;
}

std::vector<std::string> LiquidLayers::TensorsOf(size_t layer) const {
  std::vector<std::string> names = {"attn_norm", "ffn_norm"};
  const auto add = [&](std::initializer_list<const char*> more) {
    names.insert(names.end(), more.begin(), more.end());
  };
  if (is_attention(layer)) {
    add({"attn_q", "attn_k", "attn_v", "attn_output", "attn_q_norm", "attn_k_norm"});
    if (is_lfm3()) add({"attn_gate"});
  } else {
    add({"shortconv.in_proj", "shortconv.conv", "shortconv.out_proj"});
  }
  if (has_experts(layer)) {
    add({"ffn_gate_inp", "ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"});
  } else {
    add({"ffn_gate", "ffn_up", "ffn_down"});
  }
  if (is_lfm3()) add({"post_attention_norm", "post_ffw_norm"});
  for (std::string& name : names) name.insert(0, Prefix(layer)).append(".weight");
  return names;
}

Result<void> LiquidLayers::CheckPresent() const {
  size_t missing = 0;
  std::string named;
  const auto want = [&](const std::string& name) {
    if (weights_.tensors().contains(name)) return;
    if (missing++ < kNamed) named += (named.empty() ? "" : ", ") + name;
  };
  want("token_embd.weight");
  for (size_t i = 0; i < kv_heads_.size(); ++i)
    for (const std::string& name : TensorsOf(i)) want(name);
  want(OutputNorm() + ".weight");
  if (missing == 0) return {};
  return weights_.Complain(std::to_string(missing) + " tensors of architecture " + architecture_ +
                           " are missing: " + named + (missing > kNamed ? ", …" : ""));
}

Result<Backbone::Mixer> LiquidLayers::LoadMixer(size_t layer, StateLayout& layout) const {
  const std::string prefix = Prefix(layer);
  if (!is_attention(layer)) {
    Result<ShortConv> conv =
        ShortConv::Load(weights_, prefix + "shortconv", width_, taps_, layout, MatrixForm::kMapped);
    if (!conv) return conv.error();
    return Backbone::Mixer(std::move(*conv));
  }
  AttentionConfig config = attention_;
  config.kv_heads = kv_heads_[layer];
  if (sliding_[layer]) {
    config.window = sliding_window_;
    config.sinks = 0;
    config.rope_base = sliding_rope_base_;
    config.rope_pairs = config.head_width / 2;
  }
  const AttentionNames names = {prefix + "attn_q",
                                prefix + "attn_k",
                                prefix + "attn_v",
                                prefix + "attn_output",
                                prefix + "attn_q_norm",
                                prefix + "attn_k_norm",
                                is_lfm3() ? prefix + "attn_gate" : ""};
  Result<Attention> attention =
      Attention::Load(weights_, prefix + "attn", names, width_, config, layout);
  if (!attention) return attention.error();
  return Backbone::Mixer(std::move(*attention));
}

Result<Backbone::ChannelMixer> LiquidLayers::LoadChannelMixer(size_t layer) const {
  const std::string name = Prefix(layer) + "ffn_";
  // The true width is that of the tensors; the key may hold one from before an adjustment.
  const std::string up = name + (has_experts(layer) ? "up_exps.weight" : "up.weight");
  const size_t inner = static_cast<size_t>(weights_.tensors().find(up)->second.extents[1]);
  if (has_experts(layer)) {
    MoeConfig config = experts_;
    config.inner = inner;
    Result<Moe> moe = Moe::Load(weights_, name, Prefix(layer) + "exp_probs_b.bias", width_, config);
    if (!moe) return moe.error();
    return Backbone::ChannelMixer(std::move(*moe));
  }
  Result<Swiglu> swiglu = Swiglu::Load(weights_, name, width_, inner, MatrixForm::kMapped);
  if (!swiglu) return swiglu.error();
  return Backbone::ChannelMixer(std::move(*swiglu));
}

Result<Backbone::Block> LiquidLayers::LoadBlock(size_t layer, StateLayout& layout) const {
  const auto norm = [&](const char* name) {
    return RmsNorm::Load(weights_, Prefix(layer) + name, width_, epsilon_);
  };
  Result<RmsNorm> before = norm("attn_norm");
  if (!before) return before.error();
  Result<Backbone::Mixer> mixer = LoadMixer(layer, layout);
  if (!mixer) return mixer.error();
  Result<RmsNorm> mlp_norm = norm("ffn_norm");
  if (!mlp_norm) return mlp_norm.error();
  Result<Backbone::ChannelMixer> channel_mixer = LoadChannelMixer(layer);
  if (!channel_mixer) return channel_mixer.error();
  Backbone::Block block{std::move(*before), std::move(*mixer), std::move(*mlp_norm),
                        std::move(*channel_mixer)};
  if (is_lfm3()) {
    Result<RmsNorm> post = norm("post_attention_norm");
    if (!post) return post.error();
    Result<RmsNorm> mlp_post = norm("post_ffw_norm");
    if (!mlp_post) return mlp_post.error();
    block.post_norm = std::move(*post);
    block.mlp_post_norm = std::move(*mlp_post);
  }
  return block;
}

}  // namespace rill

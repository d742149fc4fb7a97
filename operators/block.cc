#include "operators/block.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "operators/core/text.h"
#include "operators/liquid_layers.h"

namespace rill {
namespace {

constexpr int64_t kMostWidth = 1 << 20;
constexpr int64_t kMostContext = 1 << 24;

template <typename T>
Result<std::variant<ShortConv, LiquidScan, Cfc, Attention>> AsMixer(Result<T> loaded) {
  if (!loaded) return loaded.error();
  return std::variant<ShortConv, LiquidScan, Cfc, Attention>(std::move(*loaded));
}

// Reads integer keys into sizes; the first failure is returned.
Result<void> ReadSizes(const Weights& weights,
                       std::initializer_list<std::pair<const char*, size_t*>> keys, int64_t least,
                       int64_t most) {
  for (const auto& [key, size] : keys) {
    const Result<int64_t> value = weights.Integer(key, least, most);
    if (!value) return value.error();
    *size = static_cast<size_t>(*value);
  }
  return {};
}

Result<AttentionConfig> ReadAttention(const Weights& weights) {
  AttentionConfig config;
  if (Result<void> read = ReadSizes(weights,
                                    {{"rill.attention.heads", &config.heads},
                                     {"rill.attention.kv_heads", &config.kv_heads},
                                     {"rill.attention.head_width", &config.head_width}},
                                    1, 1 << 12);
      !read)
    return read.error();
  if (config.heads % config.kv_heads != 0 || config.head_width % 2 != 0)
    return weights.Complain("attention has " + std::to_string(config.heads) + " heads for " +
                            std::to_string(config.kv_heads) + " key heads of width " +
                            std::to_string(config.head_width) +
                            "; heads must be a multiple of key heads and the width even");
  const Result<double> base = weights.Number("rill.attention.rope_base", 1, 1e12);
  if (!base) return base.error();
  config.rope_base = *base;
  if (weights.Has("rill.attention.capacity")) {
    if (Result<void> read =
            ReadSizes(weights, {{"rill.attention.capacity", &config.capacity}}, 1, kMostContext);
        !read)
      return read.error();
    return config;
  }
  Result<void> read =
      ReadSizes(weights, {{"rill.attention.window", &config.window}}, 1, kMostContext);
  if (read) read = ReadSizes(weights, {{"rill.attention.sinks", &config.sinks}}, 0, kMostContext);
  if (!read) return read.error();
  return config;
}

}  // namespace

Result<Backbone::Mixer> Backbone::LoadMixer(const Weights& weights, const std::string& kind,
                                            const std::string& prefix, size_t width, float epsilon,
                                            Options options, StateLayout& layout) {
  const std::string name = prefix + kind;
  size_t size = 0, hidden = 0;
  if (kind == "short_conv") {
    Result<void> read = ReadSizes(weights, {{"rill.short_conv.taps", &size}}, 2, 1 << 12);
    if (!read) return read.error();
    return AsMixer(ShortConv::Load(weights, name, width, size, layout));
  }
  if (kind == "liquid_scan") {
    Result<void> read = ReadSizes(weights, {{"rill.liquid_scan.width", &size}}, 1, kMostWidth);
    if (!read) return read.error();
    return AsMixer(LiquidScan::Load(weights, name, width, size, layout));
  }
  if (kind == "cfc") {
    Result<void> read = ReadSizes(
        weights, {{"rill.cfc.width", &size}, {"rill.cfc.backbone", &hidden}}, 1, kMostWidth);
    if (!read) return read.error();
    return AsMixer(Cfc::Load(weights, name, width, size, hidden, layout));
  }
  if (kind == "attention") {
    Result<AttentionConfig> config = ReadAttention(weights);
    if (!config) return config.error();
    config->norm_epsilon = epsilon;
    config->precision = options.cache;
    return AsMixer(
        Attention::Load(weights, name, AttentionNames::Under(name), width, *config, layout));
  }
  return weights.Complain("rill.operators names \"" + Printable(kind) +
                          "\"; known are short_conv, liquid_scan, cfc and attention");
}

Result<Backbone> Backbone::Load(const Weights& weights, Options options) {
  const Result<std::string> architecture = weights.Text("general.architecture");
  if (!architecture) return architecture.error();
  if (LiquidLayers::Knows(*architecture))
    return LiquidLayers::Load(weights, *architecture, options);
  return LoadRill(weights, options);
}

Result<Backbone> Backbone::LoadRill(const Weights& weights, Options options) {
  size_t width = 0, inner = 0;
  Result<void> read =
      ReadSizes(weights, {{"rill.width", &width}, {"rill.swiglu.width", &inner}}, 1, kMostWidth);
  if (!read) return read.error();
  const Result<double> epsilon = weights.Number("rill.norm_epsilon", 0, 1);
  if (!epsilon) return epsilon.error();
  const float eps = static_cast<float>(*epsilon);
  Result<std::vector<std::string>> names = weights.Texts("rill.operators");
  if (!names) return names.error();

  StateLayout layout;
  std::vector<Block> blocks;
  std::vector<size_t> state_bytes;
  for (const std::string& kind : *names) {
    const std::string prefix = "blk." + std::to_string(blocks.size()) + ".";
    Result<RmsNorm> norm = RmsNorm::Load(weights, prefix + "norm", width, eps);
    if (!norm) return norm.error();
    const size_t before = layout.bytes();
    Result<Mixer> mixer = LoadMixer(weights, kind, prefix, width, eps, options, layout);
    if (!mixer) return mixer.error();
    state_bytes.push_back(layout.bytes() - before);
    Result<RmsNorm> mlp_norm = RmsNorm::Load(weights, prefix + "mlp_norm", width, eps);
    if (!mlp_norm) return mlp_norm.error();
    Result<Swiglu> swiglu = Swiglu::Load(weights, prefix + "swiglu.", width, inner);
    if (!swiglu) return swiglu.error();
    blocks.push_back(
        {std::move(*norm), std::move(*mixer), std::move(*mlp_norm), std::move(*swiglu)});
  }
  Result<RmsNorm> norm = RmsNorm::Load(weights, "norm", width, eps);
  if (!norm) return norm.error();
  return Backbone(width, std::move(blocks), std::move(*norm), layout, std::move(*names),
                  std::move(state_bytes));
}

size_t Backbone::ScratchFloats(size_t rows) const {
  size_t most = 0;
  for (const Block& block : blocks_) {
    const size_t mixer =
        std::visit([rows](const auto& op) { return op.ScratchFloats(rows); }, block.mixer);
    const size_t channel_mixer =
        std::visit([rows](const auto& op) { return op.ScratchFloats(rows); }, block.channel_mixer);
    most = std::max({most, mixer, channel_mixer});
  }
  return most + rows * width_;
}

int64_t Backbone::Room(Lane lane) const {
  int64_t room = std::numeric_limits<int64_t>::max();
  for (const Block& block : blocks_)
    if (const auto* attention = std::get_if<Attention>(&block.mixer))
      room = std::min(room, attention->Room(lane));
  return room;
}

Result<void> Backbone::CheckLane(Lane lane) const {
  const std::string slot = FindNonFinite(layout_, lane);
  if (!slot.empty()) return Error{"the state " + slot + " is not finite"};
  std::optional<int64_t> position;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const auto* attention = std::get_if<Attention>(&blocks_[i].mixer);
    if (attention == nullptr) continue;
    const int64_t own = attention->position(lane);
    if (!attention->IsSound(lane) || position.value_or(own) != own)
      return Error{
          "the position of the attention in block " + std::to_string(i) + " is " +
          std::to_string(own) +
          (position ? ", before it " + std::to_string(*position) : ", which is out of range")};
    position = own;
  }
  return {};
}

void Backbone::Run(const Frames& frames, Scratch& scratch, View<float> hidden) const {
  Scratch::Frame frame(scratch);
  const View<float> branch = frame.Take(frames.x.rows, width_);
  if (hidden.data != frames.x.data) std::copy_n(frames.x.data, frames.x.rows * width_, hidden.data);
  for (const Block& block : blocks_) {
    block.norm.Run(hidden, branch);
    const Frames inner{branch, frames.dt, frames.batch};
    std::visit([&](const auto& op) { op.Run(inner, scratch, branch); }, block.mixer);
    if (block.post_norm) block.post_norm->Run(branch, branch);
    AddInto(branch.flat(), hidden.flat());
    block.mlp_norm.Run(hidden, branch);
    std::visit([&](const auto& op) { op.Run(branch, scratch, branch); }, block.channel_mixer);
    if (block.mlp_post_norm) block.mlp_post_norm->Run(branch, branch);
    AddInto(branch.flat(), hidden.flat());
  }
  norm_.Run(hidden, hidden);
}

void Backbone::Step(std::span<const float> x, float dt, Lane lane, Scratch& scratch,
                    std::span<float> hidden) const {
  Scratch::Frame frame(scratch);
  const std::span<float> branch = frame.Take(1, width_)[0];
  if (hidden.data() != x.data()) std::copy(x.begin(), x.end(), hidden.begin());
  for (const Block& block : blocks_) {
    block.norm.Step(hidden, branch);
    std::visit([&](const auto& op) { op.Step(branch, dt, lane, scratch, branch); }, block.mixer);
    if (block.post_norm) block.post_norm->Step(branch, branch);
    AddInto(branch, hidden);
    block.mlp_norm.Step(hidden, branch);
    std::visit([&](const auto& op) { op.Step(branch, scratch, branch); }, block.channel_mixer);
    if (block.mlp_post_norm) block.mlp_post_norm->Step(branch, branch);
    AddInto(branch, hidden);
  }
  norm_.Step(hidden, hidden);
}

}  // namespace rill

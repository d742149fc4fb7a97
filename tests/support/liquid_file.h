// Small files of Liquid AI's architectures with random weights, and a plain forward pass over them
// in double precision, to be read beside the documents of the models.
#pragma once

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "operators/core/weights.h"
#include "tests/operators/reference.h"
#include "tests/support/gguf_builder.h"
#include "tests/support/random_blocks.h"

namespace rill::testing {

struct LiquidShape {
  std::string architecture = "lfm2";
  size_t width = 32, inner = 64, heads = 4, kv_heads = 2, head_width = 8, taps = 3, tokens = 300;
  std::vector<bool> attention = {false, true, false, true};  // by layer
  size_t experts = 0, used = 2, dense = 1;                   // lfm2moe
  size_t sliding_window = 5;                                 // lfm3
  std::vector<bool> sliding = {false, false, false, true};   // lfm3
  bool output = false;                                       // a matrix of its own for the logits
  TensorType type = TensorType::kF32;                        // of the matrices
};

// A byte-level vocabulary: special tokens, the bytes, and pairs of letters.
inline std::vector<std::string> LiquidTokens(size_t count) {
  std::vector<std::string> tokens = {"<|pad|>",      "<|startoftext|>", "<|endoftext|>",
                                     "<|fim_pre|>",  "<|fim_mid|>",     "<|fim_suf|>",
                                     "<|im_start|>", "<|im_end|>"};
  const auto utf8 = [](unsigned code) {
    std::string text;
    if (code < 0x80) return std::string(1, static_cast<char>(code));
    text += static_cast<char>(0xc0 | code >> 6);
    text += static_cast<char>(0x80 | (code & 0x3f));
    return text;
  };
  unsigned moved = 256;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool shown = (byte >= 33 && byte < 127) || (byte >= 161 && byte < 173) || byte >= 174;
    tokens.push_back(utf8(shown ? byte : moved++));
  }
  for (char a = 'a'; a <= 'z' && tokens.size() < count; ++a)
    for (char b = 'a'; b <= 'z' && tokens.size() < count; ++b) tokens.push_back({a, b});
  tokens.resize(count);
  return tokens;
}

class LiquidFile {
 public:
  explicit LiquidFile(const LiquidShape& shape, uint64_t seed = 1) : shape_(shape), random_(seed) {
    Keys();
    Tensors();
  }

  const LiquidShape& shape() const { return shape_; }
  std::vector<std::byte> Bytes() const { return builder_.Bytes(); }
  GgufBuilder& builder() { return builder_; }

 private:
  void Keys() {
    const std::string a = shape_.architecture + ".";
    builder_.Key("general.architecture", std::string_view(shape_.architecture));
    builder_.Key("general.name", std::string_view("tiny"));
    builder_.Key(a + "block_count", static_cast<uint32_t>(shape_.attention.size()));
    builder_.Key(a + "context_length", uint32_t{4096});
    builder_.Key(a + "embedding_length", static_cast<uint32_t>(shape_.width));
    builder_.Key(a + "attention.head_count", static_cast<uint32_t>(shape_.heads));
    builder_.Key(a + "attention.key_length", static_cast<uint32_t>(shape_.head_width));
    std::vector<int32_t> kv;
    for (const bool attention : shape_.attention)
      kv.push_back(attention ? static_cast<int32_t>(shape_.kv_heads) : 0);
    builder_.Key(a + "attention.head_count_kv", kv);
    builder_.Key(a + "attention.layer_norm_rms_epsilon", 1e-5f);
    builder_.Key(a + "rope.freq_base", 1e4f);
    builder_.Key(a + "shortconv.l_cache", static_cast<uint32_t>(shape_.taps));
    if (shape_.architecture == "lfm3") {
      builder_.Key(a + "rope.freq_base_swa", 1e2f);
      if (shape_.sliding_window > 0) {
        builder_.Key(a + "attention.sliding_window", static_cast<uint32_t>(shape_.sliding_window));
        builder_.Key(a + "attention.sliding_window_pattern", shape_.sliding);
      }
    }
    if (shape_.experts > 0) {
      builder_.Key(a + "expert_count", static_cast<uint32_t>(shape_.experts));
      builder_.Key(a + "expert_used_count", static_cast<uint32_t>(shape_.used));
      builder_.Key(a + "leading_dense_block_count", static_cast<uint32_t>(shape_.dense));
      builder_.Key(a + "expert_gating_func", uint32_t{2});
    }
    builder_.Key("tokenizer.ggml.model", std::string_view("gpt2"));
    builder_.Key("tokenizer.ggml.pre", std::string_view("lfm2"));
    const std::vector<std::string> tokens = LiquidTokens(shape_.tokens);
    builder_.Key("tokenizer.ggml.tokens", tokens);
    std::vector<int32_t> types(tokens.size(), 1);
    std::fill_n(types.begin(), 8, 3);
    builder_.Key("tokenizer.ggml.token_type", types);
    std::vector<std::string> merges;
    for (size_t i = 8 + 256; i < tokens.size(); ++i)
      merges.push_back({tokens[i][0], ' ', tokens[i][1]});
    builder_.Key("tokenizer.ggml.merges", merges);
    builder_.Key("tokenizer.ggml.bos_token_id", uint32_t{1});
    builder_.Key("tokenizer.ggml.eos_token_id", uint32_t{7});
  }

  void Matrix(const std::string& name, std::vector<uint64_t> shape, double gain = 1) {
    size_t count = 1;
    for (const uint64_t extent : shape) count *= extent;
    const double size = 1.7 * gain / std::sqrt(static_cast<double>(shape.back()));
    builder_.Blocks(name + ".weight", shape, RandomBlocks(shape_.type, count, size, random_),
                    shape_.type);
  }
  void Floats(const std::string& name, std::vector<uint64_t> shape, double least, double most) {
    size_t count = 1;
    for (const uint64_t extent : shape) count *= extent;
    builder_.Tensor(name, shape, random_.Floats(count, least, most));
  }
  void Norm(const std::string& name, size_t width) { Floats(name + ".weight", {width}, 0.7, 1.3); }

  void Tensors() {
    const size_t h = shape_.width, q = shape_.heads * shape_.head_width;
    const bool lfm3 = shape_.architecture == "lfm3";
    Matrix("token_embd", {shape_.tokens, h}, 3);
    if (shape_.output) Matrix("output", {shape_.tokens, h}, 2);
    Norm(lfm3 ? "output_norm" : "token_embd_norm", h);
    for (size_t i = 0; i < shape_.attention.size(); ++i) {
      const std::string p = "blk." + std::to_string(i) + ".";
      Norm(p + "attn_norm", h), Norm(p + "ffn_norm", h);
      if (lfm3) Norm(p + "post_attention_norm", h), Norm(p + "post_ffw_norm", h);
      if (shape_.attention[i]) {
        Matrix(p + "attn_q", {q, h});
        Matrix(p + "attn_k", {shape_.kv_heads * shape_.head_width, h});
        Matrix(p + "attn_v", {shape_.kv_heads * shape_.head_width, h});
        Matrix(p + "attn_output", {h, q});
        Norm(p + "attn_q_norm", shape_.head_width), Norm(p + "attn_k_norm", shape_.head_width);
        if (lfm3) Matrix(p + "attn_gate", {shape_.heads, h});
      } else {
        Floats(p + "shortconv.conv.weight", {h, shape_.taps}, -1, 1);
        Matrix(p + "shortconv.in_proj", {3 * h, h});
        Matrix(p + "shortconv.out_proj", {h, h});
      }
      if (shape_.experts > 0 && i >= shape_.dense) {
        Floats(p + "ffn_gate_inp.weight", {shape_.experts, h}, -0.3, 0.3);
        Floats(p + "exp_probs_b.bias", {shape_.experts}, -0.1, 0.1);
        Matrix(p + "ffn_gate_exps", {shape_.experts, shape_.inner, h});
        Matrix(p + "ffn_up_exps", {shape_.experts, shape_.inner, h});
        Matrix(p + "ffn_down_exps", {shape_.experts, h, shape_.inner});
      } else {
        Matrix(p + "ffn_gate", {shape_.inner, h});
        Matrix(p + "ffn_up", {shape_.inner, h});
        Matrix(p + "ffn_down", {h, shape_.inner});
      }
    }
  }

  LiquidShape shape_;
  Random random_;
  GgufBuilder builder_;
};

// Logits [tokens, vocabulary] of a whole sequence.
class LiquidReference {
 public:
  LiquidReference(const Weights& weights, const LiquidShape& shape)
      : weights_(weights), shape_(shape) {}

  std::vector<reference::Row> Logits(const std::vector<int32_t>& tokens) {
    const std::vector<float> table = Values("token_embd.weight");
    std::vector<reference::Row> x;
    for (const int32_t token : tokens) {
      const auto begin =
          table.begin() + static_cast<ptrdiff_t>(token) * static_cast<ptrdiff_t>(shape_.width);
      x.emplace_back(begin, begin + static_cast<ptrdiff_t>(shape_.width));
    }
    for (size_t i = 0; i < shape_.attention.size(); ++i) Layer(i, x);
    const bool lfm3 = shape_.architecture == "lfm3";
    std::vector<reference::Row> logits;
    for (const reference::Row& row : x)
      logits.push_back(reference::Linear(shape_.output ? Values("output.weight") : table,
                                         Norm(lfm3 ? "output_norm" : "token_embd_norm", row)));
    return logits;
  }

 private:
  std::vector<float> Values(const std::string& name) const {
    const Tensor& tensor = weights_.tensors().at(name);
    std::vector<float> values(tensor.elements());
    ToFloat(tensor.type, tensor.bytes, values);
    return values;
  }
  reference::Row Norm(const std::string& name, const reference::Row& x) const {
    return reference::RmsNorm(Values(name + ".weight"), 1e-5, x);
  }

  void Layer(size_t i, std::vector<reference::Row>& x) const {
    const std::string p = "blk." + std::to_string(i) + ".";
    const bool lfm3 = shape_.architecture == "lfm3";
    reference::Tensors t;
    const auto take = [&](const std::string& as, const std::string& name) {
      t["op." + as] = Values(p + name);
    };
    std::vector<reference::Row> normed, mixed;
    for (const reference::Row& row : x) normed.push_back(Norm(p + "attn_norm", row));
    if (shape_.attention[i]) {
      for (const char* name : {"q", "k", "v"})
        take(std::string(name) + "_proj.weight", std::string("attn_") + name + ".weight");
      take("out_proj.weight", "attn_output.weight");
      take("q_norm.weight", "attn_q_norm.weight"), take("k_norm.weight", "attn_k_norm.weight");
      const bool sliding = lfm3 && shape_.sliding_window > 0 && shape_.sliding[i];
      reference::AttentionShape attention{shape_.heads,
                                          shape_.kv_heads,
                                          shape_.head_width,
                                          sliding ? shape_.sliding_window : 0,
                                          0,
                                          sliding ? 1e2 : 1e4,
                                          1e-5};
      if (lfm3) {
        take("gate.weight", "attn_gate.weight");
        attention.gates = shape_.heads;
        if (!sliding) attention.rope_pairs = shape_.head_width / 4;
      }
      mixed = reference::Attention(t, attention, normed);
    } else {
      for (const char* name : {"in_proj", "conv", "out_proj"})
        take(std::string(name) + ".weight", std::string("shortconv.") + name + ".weight");
      mixed = reference::ShortConv(t, shape_.taps, normed);
    }
    for (size_t n = 0; n < x.size(); ++n) {
      Add(lfm3 ? Norm(p + "post_attention_norm", mixed[n]) : mixed[n], x[n]);
      const reference::Row out = Channels(i, Norm(p + "ffn_norm", x[n]));
      Add(lfm3 ? Norm(p + "post_ffw_norm", out) : out, x[n]);
    }
  }

  reference::Row Channels(size_t i, const reference::Row& x) const {
    const std::string p = "blk." + std::to_string(i) + ".";
    reference::Tensors t;
    if (shape_.experts > 0 && i >= shape_.dense) {
      for (const char* name : {"gate_inp", "gate_exps", "up_exps", "down_exps"})
        t[std::string("op.") + name + ".weight"] = Values(p + "ffn_" + name + ".weight");
      t["op.bias"] = Values(p + "exp_probs_b.bias");
      return reference::Moe(t, shape_.used, x);
    }
    for (const char* name : {"gate", "up", "down"})
      t[std::string("op.") + name + ".weight"] = Values(p + "ffn_" + name + ".weight");
    return reference::Swiglu(t, x);
  }

  static void Add(const reference::Row& more, reference::Row& x) {
    for (size_t c = 0; c < x.size(); ++c) x[c] += more[c];
  }

  const Weights& weights_;
  LiquidShape shape_;
};

}  // namespace rill::testing

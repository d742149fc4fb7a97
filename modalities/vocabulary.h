// The tokens of a byte-level vocabulary: which bytes each stands for, and which texts may give it.
//
// A model file spells ordinary tokens with 256 letters, one for each byte: U+0021 to U+007E, U+00A1
// to U+00AC and U+00AE to U+00FF are the bytes of these numbers, U+0100, U+0101 ... the other 68 in
// their order, so that a blank is U+0120. Special tokens are spelled as they are; so is an ordinary
// one with another letter in it, which counts as unused.
//
//   tokenizer.ggml.tokens       strings, one a token
//   tokenizer.ggml.token_type   integers, one a token: 1 ordinary; 2 unknown, 3 control; 4
//                               user-defined; 5 unused, 6 byte
//
// Source: Radford et al. 2019 (GPT-2), src/encoder.py, bytes_to_unicode; llama.cpp
// src/llama-vocab.cpp, token_to_piece; Hugging Face's tokenizers, decoder ByteLevel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "modalities/token_index.h"
#include "operators/core/result.h"
#include "operators/core/weights.h"

namespace rill {

enum class TokenKind : uint8_t {
  kText,         // ordinary: bytes of text, and what merges of them give
  kControl,      // steers the model; user-defined ones named <|so|> count as such
  kUserDefined,  // text that is always one token
  kUnused,       // what no text gives
};

// Appends the bytes that letters of ordinary tokens spell; false where another letter is among
// them.
bool AppendSpelled(std::string_view letters, std::string& bytes);

// The values of a key that must be an array.
Result<const std::vector<Weights::Scalar>*> ArrayOf(const Weights& weights, std::string_view key);

// Immutable after loading.
class Vocabulary {
 public:
  static constexpr size_t kLongestSpecial = 255;  // bytes

  static Result<Vocabulary> Load(const Weights& weights);
  Vocabulary(Vocabulary&&) = default;
  Vocabulary& operator=(Vocabulary&&) = default;

  size_t size() const { return kinds_.size(); }
  bool Has(int32_t id) const { return id >= 0 && static_cast<size_t>(id) < size(); }
  // Of a token it has.
  TokenKind kind(int32_t id) const { return kinds_[static_cast<size_t>(id)]; }
  std::string_view bytes_of(int32_t id) const {
    const size_t start = starts_[static_cast<size_t>(id)];
    return {bytes_.data() + start, starts_[static_cast<size_t>(id) + 1] - start};
  }

  // Ordinary tokens.
  const TokenIndex& texts() const { return texts_; }
  // Control and user-defined tokens.
  const TokenIndex& specials() const { return specials_; }
  const TokenIndex& user_defined() const { return user_defined_; }

 private:
  Vocabulary() = default;
  Result<void> Read(const Weights& weights);
  Result<void> Append(const Weights& weights, std::string_view text, TokenKind kind);
  Result<void> Sort(const Weights& weights);

  std::vector<TokenKind> kinds_;
  std::vector<char> bytes_;             // of the tokens, one behind another
  std::vector<uint32_t> starts_ = {0};  // of each one's bytes, and the end of the last
  TokenIndex texts_, specials_, user_defined_;
};

}  // namespace rill

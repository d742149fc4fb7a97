// Text to token ids and back, by the tokenizer of a model file.
//
//   text -> special tokens found in it   (modalities/token_index.h)
//        -> between them, pieces         (modalities/pre_tokenizer.h)
//        -> a piece that is a token as a whole is taken; else its bytes are merged
//                                        (modalities/byte_pairs.h)
//
// Goals: the ids that llama.cpp gives for the same file; any bytes are encoded and come back the
// same; time n log n in the length of the text; a hostile file gives one clear error.
//
//   tokenizer.ggml.model            gpt2
//   tokenizer.ggml.pre              lfm2, or another name of the same split
//   tokenizer.ggml.tokens, .token_type, .merges
//   tokenizer.ggml.bos_token_id, .eos_token_id
//   tokenizer.ggml.padding_token_id, .eot_token_id    optional
//   tokenizer.ggml.add_bos_token                      optional, true
//
// Where special tokens overlap in a text, the one that begins first is found, the longest of those
// that begin there, as in Hugging Face's tokenizers; llama.cpp takes the longest of all. Bytes that
// are not UTF-8 are encoded as they are; llama.cpp reads them as U+FFFD.
//
// Source: llama.cpp src/llama-vocab.cpp, llm_tokenizer_bpe and tokenizer_st_partition.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "modalities/byte_pairs.h"
#include "modalities/pre_tokenizer.h"
#include "modalities/vocabulary.h"
#include "operators/core/result.h"
#include "operators/core/weights.h"

namespace rill {

enum class Specials {
  kPlain,  // the text of a control token is text like any other
  kParse,  // control tokens are found in a text, and shown in one
};

// Immutable after loading; any number of streams and threads may share one.
class Tokenizer {
 public:
  static constexpr size_t kMostBytes = size_t{1} << 26;  // of a text

  static Result<std::shared_ptr<const Tokenizer>> Load(const Weights& weights);

  // The ids of a text, without BOS. User-defined tokens are found in any text.
  Result<std::vector<int32_t>> Encode(std::string_view text, Specials specials) const;
  // The bytes of tokens, one behind another; not UTF-8 where the tokens are cut within a character.
  std::string Decode(std::span<const int32_t> ids, Specials specials) const;

  size_t size() const { return vocabulary_.size(); }
  bool Has(int32_t id) const { return vocabulary_.Has(id); }
  // What a token stands for, a control token its name; nothing for an id that there is not.
  std::string_view bytes_of(int32_t id) const;
  bool is_control(int32_t id) const;
  // After this token a model says no more: the file's EOS and EOT, <|im_end|> and <|endoftext|>.
  bool ends_text(int32_t id) const;
  // The control or user-defined token of this name.
  std::optional<int32_t> special(std::string_view name) const;

  int32_t bos() const { return bos_; }
  int32_t eos() const { return eos_; }
  std::optional<int32_t> padding() const { return padding_; }
  bool adds_bos() const { return adds_bos_; }

 private:
  Tokenizer(Vocabulary vocabulary, BytePairs pairs, PreTokenizer pre_tokenizer);
  Result<void> ReadIds(const Weights& weights);
  Result<void> EncodePlain(std::string_view text, BytePairs::Work& work,
                           std::vector<int32_t>& ids) const;

  Vocabulary vocabulary_;
  BytePairs pairs_;
  PreTokenizer pre_tokenizer_;
  std::array<std::optional<int32_t>, 256> bytes_;  // tokens of one byte
  int32_t bos_ = 0, eos_ = 0;
  std::optional<int32_t> padding_;
  std::vector<int32_t> ends_;
  bool adds_bos_ = true;
};

}  // namespace rill

#include "modalities/tokenizer.h"

#include <algorithm>
#include <utility>

#include "operators/core/text.h"

namespace rill {
namespace {

constexpr std::string_view kModel = "tokenizer.ggml.model", kPre = "tokenizer.ggml.pre";

// Names of the split that this tokenizer makes.
// Source: llama.cpp src/llama-vocab.cpp, those of LLAMA_VOCAB_PRE_TYPE_LLAMA3.
constexpr std::string_view kSplits[] = {"lfm2",    "lfm3",      "llama3",  "llama-v3", "llama-bpe",
                                        "falcon3", "falcon-h1", "pixtral", "midm-2.0"};

// Tokens that end a text, besides the file's own. Source: the special tokens of LFM2.
constexpr std::string_view kEnds[] = {"<|im_end|>", "<|endoftext|>"};

Result<void> CheckKind(const Weights& weights) {
  const Result<std::string_view> model = weights.Bytes(kModel);
  if (!model) return model.error();
  if (*model != "gpt2")
    return weights.Complain("key " + std::string(kModel) + " is \"" + Printable(*model) +
                            "\", only gpt2 (byte-level byte pairs) is read");
  const Result<std::string_view> pre = weights.Bytes(kPre);
  if (!pre) return pre.error();
  if (std::ranges::find(kSplits, *pre) == std::end(kSplits))
    return weights.Complain("key " + std::string(kPre) + " is \"" + Printable(*pre) +
                            "\", only lfm2 and what splits text as it does are read");
  return {};
}

// The id of a key that the file may lack.
Result<std::optional<int32_t>> IdOf(const Weights& weights, std::string_view key, size_t count) {
  if (!weights.Has(key)) return std::optional<int32_t>();
  const Result<int64_t> id = weights.Integer(key, 0, static_cast<int64_t>(count) - 1);
  if (!id) return id.error();
  return std::optional(static_cast<int32_t>(*id));
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> Tokenizer::Load(const Weights& weights) {
  if (const Result<void> checked = CheckKind(weights); !checked) return checked.error();
  Result<Vocabulary> vocabulary = Vocabulary::Load(weights);
  if (!vocabulary) return vocabulary.error();
  Result<BytePairs> pairs = BytePairs::Load(weights, *vocabulary);
  if (!pairs) return pairs.error();
  Result<PreTokenizer> pre_tokenizer = PreTokenizer::Make();
  if (!pre_tokenizer) return weights.Complain(pre_tokenizer.error().message);
  std::shared_ptr<Tokenizer> tokenizer(
      new Tokenizer(std::move(*vocabulary), std::move(*pairs), std::move(*pre_tokenizer)));
  if (const Result<void> read = tokenizer->ReadIds(weights); !read) return read.error();
  return std::shared_ptr<const Tokenizer>(std::move(tokenizer));
}

Tokenizer::Tokenizer(Vocabulary vocabulary, BytePairs pairs, PreTokenizer pre_tokenizer)
    : vocabulary_(std::move(vocabulary)),
      pairs_(std::move(pairs)),
      pre_tokenizer_(std::move(pre_tokenizer)) {
  for (size_t byte = 0; byte < bytes_.size(); ++byte) {
    const char c = static_cast<char>(byte);
    bytes_[byte] = vocabulary_.texts().Find({&c, 1});
  }
}

Result<void> Tokenizer::ReadIds(const Weights& weights) {
  const auto most = static_cast<int64_t>(size()) - 1;
  const Result<int64_t> bos = weights.Integer("tokenizer.ggml.bos_token_id", 0, most);
  if (!bos) return bos.error();
  const Result<int64_t> eos = weights.Integer("tokenizer.ggml.eos_token_id", 0, most);
  if (!eos) return eos.error();
  bos_ = static_cast<int32_t>(*bos);
  eos_ = static_cast<int32_t>(*eos);
  const auto padding = IdOf(weights, "tokenizer.ggml.padding_token_id", size());
  if (!padding) return padding.error();
  padding_ = *padding;
  const auto eot = IdOf(weights, "tokenizer.ggml.eot_token_id", size());
  if (!eot) return eot.error();
  ends_ = {eos_, eot->value_or(eos_)};
  for (const std::string_view name : kEnds) ends_.push_back(special(name).value_or(eos_));

  const auto adds = weights.keys().find("tokenizer.ggml.add_bos_token");
  if (adds == weights.keys().end()) return {};
  const auto* scalar = std::get_if<Weights::Scalar>(&adds->second);
  const bool* value = scalar == nullptr ? nullptr : std::get_if<bool>(scalar);
  if (value == nullptr)
    return weights.Complain("key " + adds->first + " is neither true nor false");
  adds_bos_ = *value;
  return {};
}

Result<std::vector<int32_t>> Tokenizer::Encode(std::string_view text, Specials specials) const {
  if (text.size() > kMostBytes)
    return Error{"a text of " + std::to_string(text.size()) + " bytes, at most " +
                 std::to_string(kMostBytes) + " are encoded"};
  const TokenIndex& found =
      specials == Specials::kParse ? vocabulary_.specials() : vocabulary_.user_defined();
  std::vector<int32_t> ids;
  BytePairs::Work work;
  while (!text.empty()) {
    const TokenIndex::Match match = found.FindFirst(text);
    const Result<void> plain = EncodePlain(text.substr(0, match.at), work, ids);
    if (!plain) return plain.error();
    if (match.bytes > 0) ids.push_back(match.id);
    text.remove_prefix(match.at + match.bytes);
  }
  return ids;
}

Result<void> Tokenizer::EncodePlain(std::string_view text, BytePairs::Work& work,
                                    std::vector<int32_t>& ids) const {
  const auto missing = std::ranges::find_if(
      text, [&](char c) { return !bytes_[static_cast<unsigned char>(c)].has_value(); });
  if (missing != text.end())
    return Error{"the vocabulary has no token for the byte " +
                 std::to_string(static_cast<unsigned char>(*missing)) + " of the text"};
  std::vector<int32_t> word;
  return pre_tokenizer_.Split(text, [&](std::string_view piece) {
    if (const auto whole = vocabulary_.texts().Find(piece)) {
      ids.push_back(*whole);
      return;
    }
    word.clear();
    for (const char c : piece) word.push_back(*bytes_[static_cast<unsigned char>(c)]);
    pairs_.Run(word, work);
    ids.insert(ids.end(), word.begin(), word.end());
  });
}

std::string Tokenizer::Decode(std::span<const int32_t> ids, Specials specials) const {
  std::string bytes;
  for (const int32_t id : ids)
    if (specials == Specials::kParse || !is_control(id)) bytes += bytes_of(id);
  return bytes;
}

std::string_view Tokenizer::bytes_of(int32_t id) const {
  return Has(id) ? vocabulary_.bytes_of(id) : std::string_view();
}

bool Tokenizer::is_control(int32_t id) const {
  return Has(id) && vocabulary_.kind(id) == TokenKind::kControl;
}

bool Tokenizer::ends_text(int32_t id) const { return std::ranges::find(ends_, id) != ends_.end(); }

std::optional<int32_t> Tokenizer::special(std::string_view name) const {
  return vocabulary_.specials().Find(name);
}

}  // namespace rill

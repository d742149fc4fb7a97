#include "modalities/vocabulary.h"

#include <algorithm>
#include <array>
#include <limits>

#include "operators/core/text.h"

namespace rill {
namespace {

constexpr std::string_view kTokens = "tokenizer.ggml.tokens";
constexpr std::string_view kTypes = "tokenizer.ggml.token_type";
constexpr int kLetters = 0x100 + 68;  // U+0000 to U+0143

// The bytes that letters stand for; -1 for letters that stand for none.
constexpr std::array<int, kLetters> kByteOfLetter = [] {
  std::array<int, kLetters> bytes{};
  int more = 0x100;
  for (int byte = 0; byte < 0x100; ++byte) {
    const bool own = (byte > 0x20 && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD);
    if (!own) bytes[static_cast<size_t>(byte)] = -1;
    bytes[static_cast<size_t>(own ? byte : more++)] = byte;
  }
  return bytes;
}();

// <|name|>: what files must mark as control, and some do not.
bool LooksLikeControl(std::string_view text) {
  if (text.size() < 5 || !text.starts_with("<|") || !text.ends_with("|>")) return false;
  return std::ranges::all_of(text.substr(2, text.size() - 4), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

std::optional<TokenKind> KindOf(const Weights::Scalar& type, std::string_view text) {
  int64_t number = 0;
  if (const auto* value = std::get_if<int64_t>(&type)) number = *value;
  if (const auto* value = std::get_if<uint64_t>(&type)) number = static_cast<int64_t>(*value);
  switch (number) {
    case 1: return TokenKind::kText;
    case 2:
    case 3: return TokenKind::kControl;
    case 4: return LooksLikeControl(text) ? TokenKind::kControl : TokenKind::kUserDefined;
    case 5:
    case 6: return TokenKind::kUnused;
    default: return std::nullopt;
  }
}

}  // namespace

bool AppendSpelled(std::string_view letters, std::string& bytes) {
  for (size_t i = 0; i < letters.size(); ++i) {
    int letter = static_cast<unsigned char>(letters[i]);
    if (letter >= 0x80) {  // two bytes of UTF-8: 110xxxxx 10xxxxxx
      if (letter < 0xC2 || letter > 0xDF || i + 1 == letters.size()) return false;
      const int second = static_cast<unsigned char>(letters[++i]);
      if ((second & 0xC0) != 0x80) return false;
      letter = (letter & 0x1F) << 6 | (second & 0x3F);
    }
    const int byte = letter < kLetters ? kByteOfLetter[static_cast<size_t>(letter)] : -1;
    if (byte < 0) return false;
    bytes += static_cast<char>(byte);
  }
  return true;
}

Result<const std::vector<Weights::Scalar>*> ArrayOf(const Weights& weights, std::string_view key) {
  const auto found = weights.keys().find(key);
  if (found == weights.keys().end())
    return weights.Complain("key " + std::string(key) + " is missing");
  const auto* array = std::get_if<std::vector<Weights::Scalar>>(&found->second);
  if (array == nullptr) return weights.Complain("key " + std::string(key) + " is not an array");
  return array;
}

Result<Vocabulary> Vocabulary::Load(const Weights& weights) {
  Vocabulary vocabulary;
  if (const Result<void> read = vocabulary.Read(weights); !read) return read.error();
  if (const Result<void> sorted = vocabulary.Sort(weights); !sorted) return sorted.error();
  return vocabulary;
}

Result<void> Vocabulary::Read(const Weights& weights) {
  const auto texts = ArrayOf(weights, kTokens);
  if (!texts) return texts.error();
  const auto types = ArrayOf(weights, kTypes);
  if (!types) return types.error();
  const size_t count = (*texts)->size();
  if (count == 0 || (*types)->size() != count)
    return weights.Complain("key " + std::string(kTypes) + " has " +
                            std::to_string((*types)->size()) + " values for the " +
                            std::to_string(count) + " of " + std::string(kTokens));
  for (size_t id = 0; id < count; ++id) {
    const auto* text = std::get_if<std::string_view>(&(**texts)[id]);
    if (text == nullptr)
      return weights.Complain("key " + std::string(kTokens) + " is not an array of strings");
    const std::optional<TokenKind> kind = KindOf((**types)[id], *text);
    if (!kind)
      return weights.Complain("key " + std::string(kTypes) + " has for token " +
                              std::to_string(id) + " no integer from 1 to 6");
    if (const Result<void> done = Append(weights, *text, *kind); !done) return done.error();
  }
  return {};
}

Result<void> Vocabulary::Append(const Weights& weights, std::string_view text, TokenKind kind) {
  const bool special = kind == TokenKind::kControl || kind == TokenKind::kUserDefined;
  if (special && text.size() > kLongestSpecial)
    return weights.Complain("special token " + std::to_string(size()) + " has " +
                            std::to_string(text.size()) + " bytes, at most " +
                            std::to_string(kLongestSpecial) + " are read");
  if (kind == TokenKind::kUnused) text = {};
  std::string spelled;
  if (kind == TokenKind::kText) {
    if (AppendSpelled(text, spelled))
      text = spelled;
    else
      kind = TokenKind::kUnused;
  }
  bytes_.insert(bytes_.end(), text.begin(), text.end());
  if (bytes_.size() > std::numeric_limits<uint32_t>::max())
    return weights.Complain("the tokens up to " + std::to_string(size()) + " have " +
                            std::to_string(bytes_.size()) + " bytes, too many");
  starts_.push_back(static_cast<uint32_t>(bytes_.size()));
  kinds_.push_back(kind);
  return {};
}

Result<void> Vocabulary::Sort(const Weights& weights) {
  for (int32_t id = 0; Has(id); ++id) {
    const std::string_view bytes = bytes_of(id);
    if (bytes.empty()) continue;
    const TokenKind its_kind = kind(id);
    if (its_kind == TokenKind::kText) texts_.Add(bytes, id);
    if (its_kind == TokenKind::kControl || its_kind == TokenKind::kUserDefined)
      specials_.Add(bytes, id);
    if (its_kind == TokenKind::kUserDefined) user_defined_.Add(bytes, id);
  }
  user_defined_.Sort();
  for (TokenIndex* index : {&texts_, &specials_})
    if (const auto twice = index->Sort())
      return weights.Complain("tokens " + std::to_string(twice->first) + " and " +
                              std::to_string(twice->second) + " are both \"" +
                              Printable(bytes_of(twice->first)) + "\"");
  return {};
}

}  // namespace rill

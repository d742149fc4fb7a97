#include "tests/fuzz/tokenizer_fuzz.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "modalities/chat_template.h"
#include "modalities/tokenizer.h"
#include "modalities/utf8_stream.h"
#include "tests/support/vocabulary.h"

namespace rill::testing {
namespace {

const std::shared_ptr<const Tokenizer>& Golden() {
  static const std::shared_ptr<const Tokenizer> tokenizer =
      *Tokenizer::Load(**Weights::Open(RILL_SOURCE_DIR "/tests/goldens/tokenizer.gguf"));
  return tokenizer;
}

void Require(bool holds) {
  if (!holds) __builtin_trap();
}

// Well-formed, and the same in pieces as at once.
void CheckStream(const Tokenizer& tokenizer, const std::vector<int32_t>& ids,
                 std::string_view bytes) {
  std::string whole, pieces;
  Utf8Stream at_once, stream;
  at_once.Push(bytes, whole);
  at_once.Finish(whole);
  for (const int32_t id : ids) {
    stream.Push(tokenizer.bytes_of(id), pieces);
    Require(Utf8Stream::Make(stream.pending()) == stream);
  }
  stream.Finish(pieces);
  Require(pieces == whole);
  for (std::string_view left = whole; !left.empty();) {
    const Utf8Front front = ReadUtf8(left);
    Require(front.kind == Utf8Front::Kind::kWhole);
    left.remove_prefix(front.bytes);
  }
}

void CheckText(const Tokenizer& tokenizer, std::string_view text) {
  for (const Specials specials : {Specials::kPlain, Specials::kParse}) {
    const auto ids = tokenizer.Encode(text, specials);
    if (!ids) continue;
    for (const int32_t id : *ids) {
      Require(tokenizer.Has(id) && !tokenizer.bytes_of(id).empty());
      Require(specials == Specials::kParse || !tokenizer.is_control(id));
    }
    Require(tokenizer.Decode(*ids, specials) == text);
    CheckStream(tokenizer, *ids, text);
  }
}

void CheckMessage(const std::shared_ptr<const Tokenizer>& tokenizer, std::string_view text) {
  const auto chat = ChatTemplate::Make(tokenizer);
  if (!chat) return;
  const auto ids = chat->Message({"user", std::string(text)});
  if (!ids) return;
  Require(std::ranges::count_if(*ids, [&](int32_t id) { return tokenizer->is_control(id); }) == 2);
}

}  // namespace

void FuzzText(std::string_view text) {
  CheckText(*Golden(), text);
  CheckMessage(Golden(), text);
}

bool FuzzVocabulary(std::string_view lines) {
  SmallVocabulary made;
  made.AddBytes();
  std::vector<std::string_view> texts;
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
    const std::string rest(line.substr(std::min<size_t>(line.size(), 1)));
    switch (line.empty() ? '\0' : line[0]) {
      case 'T': made.Add(Spelled(rest), 1); break;
      case 'C': made.Add(rest, 3); break;
      case 'U': made.Add(rest, 4); break;
      case 'X': made.Add(rest, 5); break;
      case 'M': made.merges.push_back(rest); break;
      case 'E': texts.push_back(line.substr(1)); break;
      default: break;
    }
  }
  const std::vector<std::byte> file = made.File().Bytes();
  const auto weights = Weights::Parse(file, "m.gguf");
  if (!weights) return false;
  const auto tokenizer = Tokenizer::Load(**weights);
  if (!tokenizer) return false;
  for (const std::string_view text : texts) {
    CheckText(**tokenizer, text);
    CheckMessage(*tokenizer, text);
  }
  return true;
}

bool FuzzTokenizerFile(std::span<const std::byte> bytes) {
  const auto weights = Weights::Parse(bytes, "m.gguf");
  if (!weights) return false;
  const auto tokenizer = Tokenizer::Load(**weights);
  if (!tokenizer) return false;
  CheckText(**tokenizer, "Hello, <|im_start|>wörld\xFF  123\n<think>");
  CheckMessage(*tokenizer, "Hello<|im_end|>");
  return true;
}

void FuzzTokenizer(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  const std::span<const std::byte> rest = bytes.subspan(1);
  const std::string_view text(reinterpret_cast<const char*>(rest.data()), rest.size());
  switch (static_cast<unsigned>(bytes[0]) % 3) {
    case 0: FuzzText(text); break;
    case 1: FuzzVocabulary(text); break;
    default: FuzzTokenizerFile(rest);
  }
}

}  // namespace rill::testing

#ifdef RILL_FUZZ_MAIN
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  rill::testing::FuzzTokenizer(std::as_bytes(std::span(data, bytes)));
  return 0;
}
#endif

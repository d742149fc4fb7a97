#include "modalities/ngram_lm.h"

#include <algorithm>
#include <cassert>
#include <filesystem>
#include <fstream>

#include "operators/core/state.h"

namespace rill {

Result<std::shared_ptr<const NgramLm>> NgramLm::Open(const std::string& path) {
  constexpr uintmax_t kMostBytes = uintmax_t{1} << 30;
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (!error && status.type() != std::filesystem::file_type::regular)
    return Error{path + ": not a language model: it is no regular file"};
  const uintmax_t count = error ? 0 : std::filesystem::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  if (error || !file)
    return Error{path + ": cannot open the language model" +
                 (error ? ": " + error.message() : std::string())};
  if (count > kMostBytes)
    return Error{path + ": has " + std::to_string(count) + " bytes, at most " +
                 std::to_string(kMostBytes) + " are read"};
  std::string bytes(static_cast<size_t>(count), '\0');
  if (!file.read(bytes.data(), static_cast<std::streamsize>(count)))
    return Error{path + ": cannot read " + std::to_string(count) + " bytes"};
  return Parse(std::as_bytes(std::span(bytes)), path);
}

Result<std::shared_ptr<const NgramLm>> NgramLm::Parse(std::span<const std::byte> bytes,
                                                      const std::string& name) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  Result<NgramTables> tables =
      text.starts_with(kNgramMagic) ? ReadNgrams(bytes, name) : ReadArpa(text, name);
  if (!tables) return tables.error();
  for (const char* const word : {"<s>", "</s>", "<unk>"})
    if (tables->Find(word) == NgramTables::kNone) return Error{name + ": has no word " + word};
  return std::shared_ptr<const NgramLm>(new NgramLm(std::move(*tables), Hash(bytes)));
}

NgramLm::NgramLm(NgramTables tables, uint64_t fingerprint)
    : tables_(std::move(tables)),
      best_(tables_.levels[0].log_prob),
      begin_(tables_.Find("<s>")),
      end_(tables_.Find("</s>")),
      unknown_(tables_.Find("<unk>")),
      fingerprint_(fingerprint) {}

uint32_t NgramLm::Find(std::string_view word) const {
  const uint32_t id = tables_.Find(word);
  return id == NgramTables::kNone ? unknown_ : id;
}

NgramLm::Context NgramLm::Begin() const {
  Context context;
  if (order() > 1) context = {{begin_}, 1};
  return context;
}

float NgramLm::Score(const Context& context, uint32_t word, Context& next) const {
  const float log_prob = LogProb(context, word);
  const uint32_t most = static_cast<uint32_t>(order()) - 1;
  next = context;
  if (next.count == most) {
    std::copy(next.words.begin() + 1, next.words.end(), next.words.begin());
    next.count -= most > 0;
  }
  if (most > 0) next.words[next.count++] = word;
  return log_prob;
}

float NgramLm::LogProb(const Context& context, uint32_t word) const {
  assert(context.count < order() && word < words());
  float back_off = 0;
  for (uint32_t n = context.count; n > 0; --n) {
    const auto history = std::span(context.words).subspan(context.count - n, n);
    uint32_t entry = history[0];
    for (uint32_t k = 1; k < n && entry != NgramTables::kNone; ++k)
      entry = tables_.Child(k - 1, entry, history[k]);
    if (entry == NgramTables::kNone) continue;
    const uint32_t gram = tables_.Child(n - 1, entry, word);
    if (gram != NgramTables::kNone) return back_off + tables_.levels[n].log_prob[gram];
    back_off += tables_.levels[n - 1].back_off[entry];
  }
  return back_off + tables_.levels[0].log_prob[word];
}

NgramLm::Prefix NgramLm::Narrow(const Prefix& prefix, char letter) const {
  return rill::Narrow(prefix, static_cast<unsigned char>(letter), [this](uint32_t id, uint32_t k) {
    const uint32_t at = tables_.starts[id] + k;
    return at < tables_.starts[id + 1] ? static_cast<unsigned char>(tables_.letters[at]) : -1;
  });
}

uint32_t NgramLm::Exact(const Prefix& prefix) const {
  if (prefix.empty() || Word(prefix.first).size() != prefix.letters) return unknown_;
  return prefix.first;
}

float NgramLm::Best(const Prefix& prefix) const {
  return prefix.empty() ? tables_.levels[0].log_prob[unknown_]
                        : best_.Of(prefix.first, prefix.last);
}

}  // namespace rill

#include "modalities/ngram_lm.h"

#include <algorithm>
#include <bit>
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
      begin_(tables_.Find("<s>")),
      end_(tables_.Find("</s>")),
      unknown_(tables_.Find("<unk>")),
      fingerprint_(fingerprint) {
  const std::vector<float>& words = tables_.levels[0].log_prob;
  best_.emplace_back();
  for (size_t i = 0; i < words.size(); i += kBlock)
    best_[0].push_back(
        std::ranges::max(std::span(words).subspan(i, std::min(kBlock, words.size() - i))));
  for (size_t half = 1; 2 * half <= best_[0].size(); half *= 2) {
    const std::vector<float>& last = best_.back();
    std::vector<float> next;
    for (size_t i = 0; i + half < last.size(); ++i)
      next.push_back(std::max(last[i], last[i + half]));
    best_.push_back(std::move(next));
  }
}

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
  // All words of the range have the prefix, so the next letter alone decides; a word that is the
  // prefix itself has none and comes first.
  const auto next = [&](uint32_t id) {
    const uint32_t at = tables_.starts[id] + prefix.letters;
    return at < tables_.starts[id + 1] ? static_cast<unsigned char>(tables_.letters[at]) : -1;
  };
  const auto bound = [&](int least) {
    uint32_t low = prefix.first, high = prefix.last;
    while (low < high) {
      const uint32_t middle = low + (high - low) / 2;
      if (next(middle) < least)
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  };
  const int wanted = static_cast<unsigned char>(letter);
  return {bound(wanted), bound(wanted + 1), prefix.letters + 1};
}

uint32_t NgramLm::Exact(const Prefix& prefix) const {
  if (prefix.empty() || Word(prefix.first).size() != prefix.letters) return unknown_;
  return prefix.first;
}

float NgramLm::Best(const Prefix& prefix) const {
  const std::span<const float> words = tables_.levels[0].log_prob;
  if (prefix.empty()) return words[unknown_];
  const size_t first = prefix.first / kBlock + 1, last = prefix.last / kBlock;  // whole blocks
  if (first >= last)
    return std::ranges::max(words.subspan(prefix.first, prefix.last - prefix.first));
  const std::vector<float>& level = best_[std::bit_width(last - first) - 1];
  float best = std::max(level[first], level[last - std::bit_floor(last - first)]);
  for (size_t i = prefix.first; i < first * kBlock; ++i) best = std::max(best, words[i]);
  for (size_t i = last * kBlock; i < prefix.last; ++i) best = std::max(best, words[i]);
  return best;
}

}  // namespace rill

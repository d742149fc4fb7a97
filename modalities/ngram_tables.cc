#include "modalities/ngram_tables.h"

#include <algorithm>
#include <cassert>
#include <numeric>

#include "operators/core/cursor.h"

namespace rill {
namespace {

constexpr uint32_t kVersion = 1;
constexpr float kStep = 1.0f / 1024;  // of the file's logarithms

// Numbers of `width` bytes, 2 or 4.
bool TakeNumbers(Cursor& cursor, uint64_t count, size_t width, std::vector<uint32_t>& out) {
  std::span<const std::byte> raw;
  if (!cursor.Take(count * width, raw)) return false;
  out.resize(static_cast<size_t>(count));
  for (size_t i = 0; i < out.size(); ++i) std::memcpy(&out[i], raw.data() + i * width, width);
  return true;
}

bool TakeLogs(Cursor& cursor, uint64_t count, std::vector<float>& out) {
  std::span<const std::byte> raw;
  if (!cursor.Take(count * sizeof(int16_t), raw)) return false;
  out.resize(static_cast<size_t>(count));
  for (size_t i = 0; i < out.size(); ++i) {
    int16_t fixed = 0;
    std::memcpy(&fixed, raw.data() + i * sizeof fixed, sizeof fixed);
    out[i] = static_cast<float>(fixed) * kStep;
  }
  return true;
}

// Each word as the bytes it shares with the one before, and the others.
bool TakeWords(Cursor& cursor, uint64_t count, NgramTables& tables) {
  tables.starts.push_back(0);
  std::string last, word;
  for (uint64_t i = 0; i < count; ++i) {
    uint8_t shared = 0, others = 0;
    std::span<const std::byte> raw;
    if (!cursor.Take(shared) || !cursor.Take(others) || !cursor.Take(others, raw) ||
        shared > last.size())
      return false;
    word.assign(last, 0, shared);
    word.append(reinterpret_cast<const char*>(raw.data()), raw.size());
    if (word <= last || word.size() > NgramTables::kMostWordBytes) return false;
    tables.letters += word;
    tables.starts.push_back(static_cast<uint32_t>(tables.letters.size()));
    last.swap(word);
  }
  return cursor.left() == 0;
}

// Whether the children of every entry ascend and are words.
bool IsSorted(const std::vector<uint32_t>& first, const std::vector<uint32_t>& words,
              size_t vocabulary) {
  for (size_t i = 0; i + 1 < first.size(); ++i)
    for (uint32_t k = first[i]; k < first[i + 1]; ++k)
      if (words[k] >= vocabulary || (k > first[i] && words[k] <= words[k - 1])) return false;
  return true;
}

}  // namespace

uint32_t NgramTables::Find(std::string_view word) const {
  uint32_t low = 0, high = static_cast<uint32_t>(words());
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (Word(middle) < word)
      low = middle + 1;
    else
      high = middle;
  }
  return low < words() && Word(low) == word ? low : kNone;
}

uint32_t NgramTables::Child(size_t level, uint32_t entry, uint32_t word) const {
  assert(level + 1 < levels.size());
  const std::vector<uint32_t>& all = levels[level + 1].words;
  const auto at = [&](uint32_t i) { return all.begin() + static_cast<std::ptrdiff_t>(i); };
  const auto begin = at(levels[level].first[entry]), end = at(levels[level].first[entry + 1]);
  const auto found = std::lower_bound(begin, end, word);
  return found != end && *found == word ? static_cast<uint32_t>(found - all.begin()) : kNone;
}

Result<NgramTables> ReadNgrams(std::span<const std::byte> bytes, const std::string& name) {
  const auto complain = [&](const std::string& what) { return Error{name + ": " + what}; };
  Cursor cursor(bytes);
  std::span<const std::byte> magic, words;
  uint32_t version = 0, order = 0, text_bytes = 0;
  std::vector<uint32_t> counts;
  if (!cursor.Take(kNgramMagic.size(), magic) || !cursor.Take(version) || !cursor.Take(order))
    return complain("the head of the language model is cut off");
  if (version != kVersion)
    return complain("language model version " + std::to_string(version) + ", this build reads " +
                    std::to_string(kVersion));
  if (order < 1 || order > NgramTables::kMostOrder)
    return complain("grams of " + std::to_string(order) + " words, 1 to " +
                    std::to_string(NgramTables::kMostOrder) + " are read");
  if (!TakeNumbers(cursor, order, sizeof(uint32_t), counts) || !cursor.Take(text_bytes) ||
      !cursor.Take(text_bytes, words))
    return complain("the words of the language model are cut off");
  const uint64_t grams = std::accumulate(counts.begin(), counts.end(), uint64_t{0});
  if (grams > NgramTables::kMostGrams)
    return complain("has " + std::to_string(grams) + " grams, at most " +
                    std::to_string(NgramTables::kMostGrams) + " are read");
  NgramTables tables;
  Cursor text(words);
  if (!TakeWords(text, counts[0], tables))
    return complain("the words of the language model do not ascend or are cut off");

  const size_t width = counts[0] <= 0xffff ? sizeof(uint16_t) : sizeof(uint32_t);
  for (uint32_t n = 0; n < order; ++n) {
    const std::string label = "level " + std::to_string(n + 1) + " of the language model ";
    NgramTables::Level& level = tables.levels.emplace_back();
    std::vector<uint32_t> children;
    if ((n > 0 && !TakeNumbers(cursor, counts[n], width, level.words)) ||
        !TakeLogs(cursor, counts[n], level.log_prob))
      return complain(label + "is cut off");
    if (std::ranges::any_of(level.log_prob, [](float p) { return p > 0; }))
      return complain(label + "has a probability above 1");
    if (n > 0 && !IsSorted(tables.levels[n - 1].first, level.words, counts[0]))
      return complain(label + "has grams that do not ascend or words that are none");
    if (n + 1 == order) continue;
    if (!TakeLogs(cursor, counts[n], level.back_off) ||
        !TakeNumbers(cursor, counts[n], width, children))
      return complain(label + "is cut off");
    uint64_t sum = 0;
    for (const uint32_t count : children) {
      level.first.push_back(static_cast<uint32_t>(sum));
      sum += count;
      if (sum > counts[n + 1]) break;
    }
    if (sum != counts[n + 1])
      return complain(label + "has other children than the " + std::to_string(counts[n + 1]) +
                      " grams of the next");
    level.first.push_back(static_cast<uint32_t>(sum));
  }
  if (cursor.left() > 0)
    return complain("has " + std::to_string(cursor.left()) + " bytes behind the language model");
  return tables;
}

}  // namespace rill

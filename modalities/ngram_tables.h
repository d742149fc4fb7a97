// The tables behind NgramLm, and the two files they are read from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "operators/core/result.h"

namespace rill {

// A gram is a path from its oldest word to its newest: entry i of level n has the entries
// [first[i], first[i + 1]) of level n + 1 as children, sorted by word. An entry of level 0 is a
// word, and its index the word's id.
struct NgramTables {
  static constexpr size_t kMostOrder = 5;
  static constexpr size_t kMostGrams = size_t{1} << 24;  // of all lengths together
  static constexpr size_t kMostWordBytes = 255;
  static constexpr uint32_t kNone = 0xffffffff;

  struct Level {
    std::vector<uint32_t> words;  // newest word; empty in level 0
    std::vector<float> log_prob;  // natural, at most 0
    std::vector<float> back_off;  // natural; empty in the last level
    std::vector<uint32_t> first;  // one more than entries; empty in the last level

    size_t size() const { return log_prob.size(); }
  };

  std::string letters;           // all words, one behind another, sorted by bytes
  std::vector<uint32_t> starts;  // of each word in it, and the end
  std::vector<Level> levels;

  size_t words() const { return starts.size() - 1; }
  std::string_view Word(uint32_t id) const {
    return std::string_view(letters).substr(starts[id], starts[id + 1] - starts[id]);
  }
  // kNone when there is none.
  uint32_t Find(std::string_view word) const;
  // Of an entry of level n the child with this word, an entry of level n + 1; kNone when none.
  uint32_t Child(size_t level, uint32_t entry, uint32_t word) const;
};

// An ARPA file. One without <unk> gets one of 10^-7.
Result<NgramTables> ReadArpa(std::string_view text, const std::string& name);

constexpr std::string_view kNgramMagic = "RILLGRAM";
// Our own, docs/language-model-format.md; the bytes begin with kNgramMagic.
Result<NgramTables> ReadNgrams(std::span<const std::byte> bytes, const std::string& name);

}  // namespace rill

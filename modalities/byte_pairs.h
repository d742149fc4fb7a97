// Byte-pair encoding: neighbouring tokens of a word become one, by an ordered list of pairs.
//
// Of all neighbours in a word the pair that stands first in the list is merged, the leftmost where
// it occurs more than once, until no neighbours are in the list. A word of n bytes takes n log n
// time, however long it is.
//
//   tokenizer.ggml.merges   strings, "LEFT RIGHT", in the letters of modalities/vocabulary.h
//
// Source: Sennrich et al. 2016, arXiv:1508.07909, algorithm 1.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "modalities/vocabulary.h"
#include "operators/core/result.h"
#include "operators/core/weights.h"

namespace rill {

// Immutable after loading; any number of threads may share one.
class BytePairs {
  struct Pair {
    int32_t left = 0, right = 0, result = 0;
    uint32_t rank = 0;
  };
  struct Node {
    int32_t id = 0;
    uint32_t previous = 0, next = 0;  // kNone at the ends
    const Pair* pair = nullptr;       // with the next one; none behind a node that is merged away
  };

 public:
  // Pairs whose parts or result are no ordinary tokens are an error, or, where those are special
  // tokens, left out: a text gives these as a whole or not at all.
  static Result<BytePairs> Load(const Weights& weights, const Vocabulary& vocabulary);

  size_t size() const { return pairs_.size(); }

  // Memory of one caller, to be used again.
  struct Work {
    std::vector<Node> nodes;      // the word's tokens; a list of those that are left
    std::vector<uint64_t> queue;  // a heap: rank of a pair, and its node in the lower 32 bits
  };
  // Merges the tokens of a word, at most 2^32 - 2, in place.
  void Run(std::vector<int32_t>& ids, Work& work) const;

 private:
  BytePairs() = default;
  Result<void> Read(const Weights& weights, const Vocabulary& vocabulary);
  Result<void> Sort(const Weights& weights, size_t tokens);
  const Pair* Find(int32_t left, int32_t right) const;
  void Look(uint32_t at, Work& work) const;
  void Prepare(std::span<const int32_t> ids, Work& work) const;
  void Merge(uint32_t at, Work& work) const;

  std::vector<Pair> pairs_;       // sorted by left, then right
  std::vector<uint32_t> starts_;  // of the pairs by left, and the end of the last
};

}  // namespace rill

// Word error rate: the least number of substitutions, deletions and insertions that make one list
// of words of another.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace rill {

struct WordErrors {
  size_t words = 0;  // of the references
  size_t substitutions = 0, deletions = 0, insertions = 0;

  // May exceed 1; NaN without words.
  double rate() const {
    return static_cast<double>(substitutions + deletions + insertions) / static_cast<double>(words);
  }
  WordErrors& operator+=(const WordErrors& other);
};

// Of all alignments of the least cost, the one with the fewest substitutions.
WordErrors CountErrors(std::span<const std::string> reference,
                       std::span<const std::string> hypothesis);

// Which words of both are the same ones in such an alignment: indices, ascending.
std::vector<std::pair<size_t, size_t>> MatchWords(std::span<const std::string> reference,
                                                  std::span<const std::string> hypothesis);

}  // namespace rill

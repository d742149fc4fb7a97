#include "tools/word_errors.h"

#include <algorithm>
#include <vector>

namespace rill {

WordErrors& WordErrors::operator+=(const WordErrors& other) {
  words += other.words;
  substitutions += other.substitutions;
  deletions += other.deletions;
  insertions += other.insertions;
  return *this;
}

namespace {

// Costs of aligning the first i words with the first j, in the order they are compared in.
struct Cell {
  size_t cost = 0, substitutions = 0, deletions = 0, insertions = 0;
  auto operator<=>(const Cell&) const = default;
};

// Cell (i, j) from its neighbours.
Cell Cheapest(const Cell& diagonal, bool equal, const Cell& above, const Cell& left) {
  Cell match = diagonal, deleted = above, inserted = left;
  if (!equal) ++match.cost, ++match.substitutions;
  ++deleted.cost, ++deleted.deletions;
  ++inserted.cost, ++inserted.insertions;
  return std::min({match, deleted, inserted});
}

// All cells, [reference + 1, hypothesis + 1].
std::vector<Cell> Costs(std::span<const std::string> reference,
                        std::span<const std::string> hypothesis) {
  const size_t width = hypothesis.size() + 1;
  std::vector<Cell> cells((reference.size() + 1) * width);
  for (size_t j = 1; j < width; ++j) cells[j] = {j, 0, 0, j};
  for (size_t i = 1; i <= reference.size(); ++i) {
    Cell* row = cells.data() + i * width;
    row[0] = {i, 0, i, 0};
    for (size_t j = 1; j < width; ++j)
      row[j] = Cheapest(row[j - 1 - width], reference[i - 1] == hypothesis[j - 1], row[j - width],
                        row[j - 1]);
  }
  return cells;
}

}  // namespace

WordErrors CountErrors(std::span<const std::string> reference,
                       std::span<const std::string> hypothesis) {
  const Cell best = Costs(reference, hypothesis).back();
  return {reference.size(), best.substitutions, best.deletions, best.insertions};
}

std::vector<std::pair<size_t, size_t>> MatchWords(std::span<const std::string> reference,
                                                  std::span<const std::string> hypothesis) {
  const std::vector<Cell> cells = Costs(reference, hypothesis);
  const size_t width = hypothesis.size() + 1;
  std::vector<std::pair<size_t, size_t>> matches;
  size_t i = reference.size(), j = hypothesis.size();
  while (i > 0 && j > 0) {
    // The way back is the way that the cell was made in.
    const Cell& here = cells[i * width + j];
    const bool equal = reference[i - 1] == hypothesis[j - 1];
    Cell match = cells[(i - 1) * width + j - 1], deleted = cells[(i - 1) * width + j];
    if (!equal) ++match.cost, ++match.substitutions;
    ++deleted.cost, ++deleted.deletions;
    if (here == match) {
      --i, --j;
      if (equal) matches.emplace_back(i, j);
    } else if (here == deleted) {
      --i;
    } else {
      --j;
    }
  }
  std::reverse(matches.begin(), matches.end());
  return matches;
}

}  // namespace rill

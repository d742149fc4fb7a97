#include "tools/word_errors.h"

#include <algorithm>
#include <tuple>
#include <vector>

namespace rill {

WordErrors& WordErrors::operator+=(const WordErrors& other) {
  words += other.words;
  substitutions += other.substitutions;
  deletions += other.deletions;
  insertions += other.insertions;
  return *this;
}

WordErrors CountErrors(std::span<const std::string> reference,
                       std::span<const std::string> hypothesis) {
  struct Cell {
    size_t cost = 0, substitutions = 0, deletions = 0, insertions = 0;
    auto operator<=>(const Cell&) const = default;
  };
  std::vector<Cell> row(hypothesis.size() + 1), last;
  for (size_t j = 0; j < row.size(); ++j) row[j] = {j, 0, 0, j};
  for (const std::string& word : reference) {
    last.swap(row);
    row.assign(last.size(), {});
    row[0] = {last[0].cost + 1, 0, last[0].deletions + 1, 0};
    for (size_t j = 1; j < row.size(); ++j) {
      Cell match = last[j - 1], deleted = last[j], inserted = row[j - 1];
      if (word != hypothesis[j - 1]) ++match.cost, ++match.substitutions;
      ++deleted.cost, ++deleted.deletions;
      ++inserted.cost, ++inserted.insertions;
      row[j] = std::min({match, deleted, inserted});
    }
  }
  const Cell& best = row.back();
  return {reference.size(), best.substitutions, best.deletions, best.insertions};
}

}  // namespace rill

// Words and how they are said, in order of their phones.
//
// As text a lexicon has a line for each way to say a word, as the CMU Pronouncing Dictionary:
//
//   tomato T AH M EY T OW
//   tomato(2) T AH M AA T OW
//
// Empty lines and those that begin with # or ;;; say nothing; digits behind a phone, which mark its
// stress, are left out.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "modalities/sorted_ranges.h"
#include "operators/core/result.h"

namespace rill {

// Immutable after construction; any number of streams and threads may share one.
class Lexicon {
 public:
  static constexpr size_t kMostEntries = size_t{1} << 21, kMostPhones = 255;

  // `names` are the phones' of a model; the first stands for none and is empty. What several texts
  // say of a word holds beside each other. An error names the text by `name`, and its line.
  struct Source {
    std::string_view text;
    std::string name;
  };
  static Result<std::shared_ptr<const Lexicon>> Make(const std::vector<std::string>& names,
                                                     std::span<const Source> sources);

  // Entries are ways to say a word.
  size_t size() const { return word_starts_.size() - 1; }
  std::string_view Word(uint32_t entry) const { return Part(words_, word_starts_, entry); }
  // Indices of its phones, a byte each.
  std::string_view Phones(uint32_t entry) const { return Part(phones_, phone_starts_, entry); }
  bool Knows(std::string_view word) const;
  // All entries, sorted by their words.
  std::span<const uint32_t> by_word() const { return by_word_; }

  PrefixRange All() const { return {0, static_cast<uint32_t>(size()), 0}; }
  PrefixRange Narrow(const PrefixRange& range, char phone) const;
  // Those of a range that are no longer than its prefix.
  PrefixRange Exact(const PrefixRange& range) const;
  uint64_t fingerprint() const { return fingerprint_; }

 private:
  Lexicon() = default;
  void Append(std::string_view phones, std::string_view word);
  static std::string_view Part(const std::string& all, const std::vector<uint32_t>& starts,
                               uint32_t entry) {
    return std::string_view(all).substr(starts[entry], starts[entry + 1] - starts[entry]);
  }

  std::string words_, phones_;  // of the entries, one behind another
  std::vector<uint32_t> word_starts_ = {0}, phone_starts_ = {0}, by_word_;
  uint64_t fingerprint_ = 0;
};

}  // namespace rill

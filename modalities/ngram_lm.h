// A word n-gram language model that backs off to shorter histories.
//
//   log p(w | h) = log_prob(h w)                    where the gram h w is listed
//                = back_off(h) + log p(w | h')      else; h' is h without its oldest word, and
//                                                   back_off(h) is 0 where h is not listed
//
// Logarithms are natural. Word ids are ranks of the words sorted by bytes, so the words that begin
// with the same letters are a range of ids: that tells a beam search whether a word can still
// become one.
//
// Source: Katz 1987, "Estimation of probabilities from sparse data for the language model component
// of a speech recognizer"; the file's ARPA form as SRILM documents it, ngram-format(5).
#pragma once

#include <array>
#include <memory>

#include "modalities/ngram_tables.h"
#include "modalities/sorted_ranges.h"

namespace rill {

// Immutable after loading; any number of streams and threads may share one.
class NgramLm {
 public:
  // ARPA text or the binary of docs/language-model-format.md, at most 1 GiB. An error names the
  // file and, in ARPA text, the line.
  static Result<std::shared_ptr<const NgramLm>> Open(const std::string& path);
  // The same of bytes in memory, which are not needed afterwards; `name` is for messages.
  static Result<std::shared_ptr<const NgramLm>> Parse(std::span<const std::byte> bytes,
                                                      const std::string& name);

  // The newest words, oldest first; no more than order() - 1.
  struct Context {
    std::array<uint32_t, NgramTables::kMostOrder - 1> words{};
    uint32_t count = 0;

    friend bool operator==(const Context&, const Context&) = default;
  };
  using Prefix = PrefixRange;  // of ids

  size_t order() const { return tables_.levels.size(); }
  size_t words() const { return tables_.words(); }
  std::string_view Word(uint32_t id) const { return tables_.Word(id); }
  // Of a word its id, of one that is not listed unknown().
  uint32_t Find(std::string_view word) const;
  uint32_t unknown() const { return unknown_; }
  // Hash of the file's bytes: the model's identity.
  uint64_t fingerprint() const { return fingerprint_; }

  // At the beginning of a sentence.
  Context Begin() const;
  // log p(word | context), and the context behind that word; `next` may be `context`.
  float Score(const Context& context, uint32_t word, Context& next) const;
  // log p(</s> | context).
  float ScoreEnd(const Context& context) const { return LogProb(context, end_); }

  // The words that begin with no letters: all.
  Prefix All() const { return {0, static_cast<uint32_t>(words()), 0}; }
  // Those of them that go on with this letter.
  Prefix Narrow(const Prefix& prefix, char letter) const;
  // The word that is exactly the letters, else unknown().
  uint32_t Exact(const Prefix& prefix) const;
  // The largest log p(word), without a context, of these words; of none that of <unk>.
  float Best(const Prefix& prefix) const;

 private:
  NgramLm(NgramTables tables, uint64_t fingerprint);
  float LogProb(const Context& context, uint32_t word) const;

  NgramTables tables_;
  RangeMaximum best_;  // of log p(word)
  uint32_t begin_, end_, unknown_;
  uint64_t fingerprint_;
};

}  // namespace rill

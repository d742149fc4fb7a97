// The state of a beam search, and its bytes.
#pragma once

#include "modalities/ctc_beam_text.h"

namespace rill {

// Probabilities of the alignments of a text that end in a piece, by that piece: the text may be
// spelled in several ways. Beyond four pieces the least probable is dropped.
struct BeamEnds {
  static constexpr size_t kMost = 4;

  std::array<uint32_t, kMost> pieces{};
  std::array<double, kMost> mass{};
  uint32_t count = 0;

  void Add(uint32_t piece, double more);
  // Of all pieces but one.
  double Without(uint32_t piece) const;
  double Sum() const { return Without(0); }  // the blank is never among them
};

struct Hypothesis {
  BeamText text;
  // The texts that end its word, when has_endings: made when first asked for, not part of the
  // state's bytes.
  std::vector<BeamText> endings;
  bool has_endings = false;
  // Probabilities relative to exp(log_scale) of the whole search.
  double blank = 0;             // of alignments that end in a blank
  BeamEnds ends;                // of those that end in a piece
  WordTrace trace;              // of the unfinished word
  int64_t held = 0;             // last frame in which it rather held a piece than not
  std::vector<uint32_t> words;  // ended but not final, indices of BeamState::words

  double Mass() const { return blank + ends.Sum(); }
  const std::vector<BeamText>& Endings(const BeamScorer& scorer);
};

struct BeamWord {
  DecodedWord word;
  uint64_t hash = 0;  // of the text up to its end
};

struct BeamState {
  std::vector<Hypothesis> hypotheses;  // best first, never empty
  std::vector<BeamWord> words;         // shared by hypotheses; some are in use no more
  std::vector<DecodedWord> final;      // not taken yet
  int64_t now = 0;                     // the last frame
  int64_t settled = 0;                 // last frame of the newest final word
  double log_scale = 0;
  bool begun = false, has_words = false;  // of the utterance; words that are final

  // As before the first frame of an utterance.
  void Begin(const BeamScorer& scorer);
  // Of the hypothesis' unfinished word an ending, as the newest ended word.
  void PushWord(Hypothesis& hypothesis, const WordTrace& trace, std::string_view text,
                const BeamText& ended);
  // What is shown of the words after the final ones: those of the hypothesis that would be best if
  // its last word ended here, and in a pause the sentence.
  std::vector<DecodedWord> Partial(const BeamScorer& scorer) const;
  // What a hypothesis has after the final words.
  std::vector<DecodedWord> WordsOf(const BeamScorer& scorer, const Hypothesis& hypothesis) const;
  // Makes words final that all hypotheses agree on or that are too old.
  void Settle(const BeamScorer& scorer);
  // Makes all words of the best text final.
  void Finish(const BeamScorer& scorer);

  std::vector<std::byte> Save(const BeamScorer& scorer) const;
  static Result<BeamState> Restore(const BeamScorer& scorer, std::span<const std::byte> bytes);

 private:
  // Ends the unfinished word as is likeliest; one that cannot end is dropped.
  void EndWord(const BeamScorer& scorer, Hypothesis& hypothesis);
  size_t Agreed() const;
  // The ended words of a hypothesis, and `last` unless it is empty.
  std::vector<DecodedWord> WordsOf(const Hypothesis& hypothesis, std::string_view last) const;
  void Commit(const BeamScorer& scorer, size_t count);
  // Forgets words that no hypothesis has; those left are in the order of the hypotheses.
  void Compact();
};

}  // namespace rill

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
  BeamText ended;          // the text after EndWord(), when has_ended: made when first asked for
  bool has_ended = false;  // not part of the state's bytes
  // Probabilities relative to exp(log_scale) of the whole search.
  double blank = 0;             // of alignments that end in a blank
  BeamEnds ends;                // of those that end in a piece
  WordTrace trace;              // of the unfinished word
  int64_t held = 0;             // last frame in which it rather held a piece than not
  std::vector<uint32_t> words;  // ended but not final, indices of BeamState::words

  double Mass() const { return blank + ends.Sum(); }
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

  // Forgets words that no hypothesis has; those left are in the order of the hypotheses.
  void Compact();
  std::vector<std::byte> Save(const BeamScorer& scorer) const;
  static Result<BeamState> Restore(const BeamScorer& scorer, std::span<const std::byte> bytes);
};

}  // namespace rill

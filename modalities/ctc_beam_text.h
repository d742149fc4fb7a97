// What a hypothesis of the beam search owes to its text alone, and how letters change it.
#pragma once

#include "modalities/ctc_beam.h"
#include "modalities/ctc_word.h"

namespace rill {

struct BeamText {
  uint64_t hash = 0;         // of all letters since the utterance began, a space before every word
  SpelledWord word;          // the unfinished one; empty behind a space
  NgramLm::Prefix prefix;    // listed words that it may become
  NgramLm::Context context;  // words before it
  uint32_t hot = 0;          // node of the hotwords
  bool is_penalised = false;
  double ahead =
      0;  // of the score, what stands for the language model's word on the unfinished one
  double score = 0;  // everything but the frames
};

// Immutable; shared by the clones of a decoder.
class BeamScorer {
 public:
  static Result<std::shared_ptr<const BeamScorer>> Make(std::shared_ptr<const CtcPieces> pieces,
                                                        std::shared_ptr<const NgramLm> lm,
                                                        const CtcBeamOptions& options);

  const CtcPieces& pieces() const { return *pieces_; }
  const CtcBeamOptions& options() const { return options_; }
  uint64_t fingerprint() const { return fingerprint_; }  // of all that decides over results

  // At the beginning of an utterance.
  BeamText Begin() const;
  // Appends letters to the word.
  void Spell(BeamText& text, std::string_view letters) const;
  // Ends the word, which is not empty: the next letter begins another.
  void EndWord(BeamText& text) const;
  // Adds the end of the sentence to a text whose last word has ended.
  void EndSentence(BeamText& text) const;
  // What the two together leave of the hash, without the rest.
  static uint64_t HashOf(uint64_t hash, bool ends_word, std::string_view letters);
  // No more than this is won by spelling so many letters, a word's end among them or not.
  double MostGain(const BeamText& text, bool ends_word, size_t letters) const;

  void Put(std::vector<std::byte>& to, const BeamText& text) const;
  bool TakeSound(Cursor& cursor, BeamText& text) const;

 private:
  BeamScorer(std::shared_ptr<const CtcPieces> pieces, std::shared_ptr<const NgramLm> lm,
             const CtcBeamOptions& options, Hotwords hotwords);
  void Penalise(BeamText& text, bool is_penalised) const;
  double Ahead(const BeamText& text) const;
  void Match(BeamText& text, char letter) const;

  std::shared_ptr<const CtcPieces> pieces_;
  std::shared_ptr<const NgramLm> lm_;  // may be null
  CtcBeamOptions options_;
  Hotwords hotwords_;
  uint64_t fingerprint_;
};

}  // namespace rill

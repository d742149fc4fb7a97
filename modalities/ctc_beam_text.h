// What a hypothesis of the beam search owes to its text alone, and how it goes on.
#pragma once

#include "modalities/ctc_beam.h"
#include "modalities/ctc_word.h"

namespace rill {

struct BeamText {
  // Of all letters since the utterance began, a space before every word; of the unfinished word,
  // and without it.
  uint64_t hash = 0, before = 0;
  SpelledWord word;          // the unfinished one, in letters or phones; empty behind a space
  PrefixRange prefix;        // listed words that it may become
  NgramLm::Context context;  // words before it
  uint32_t hot = 0;          // node of the hotwords
  bool is_penalised = false;
  // Of the score, what stands for the language model's word on the unfinished one.
  double ahead = 0;
  double score = 0;  // everything but the frames
};

// The language of a search: what its tokens spell and what a text is worth. Immutable; shared by
// the clones of a decoder.
class BeamScorer {
 public:
  // Hotwords and options out of range are errors.
  static Result<std::shared_ptr<const BeamScorer>> OfPieces(std::shared_ptr<const CtcPieces> pieces,
                                                            std::shared_ptr<const NgramLm> lm,
                                                            const CtcBeamOptions& options);
  static Result<std::shared_ptr<const BeamScorer>> OfPhones(size_t phones,
                                                            std::shared_ptr<const Lexicon> lexicon,
                                                            std::shared_ptr<const NgramLm> lm,
                                                            const CtcBeamOptions& options);
  virtual ~BeamScorer() = default;

  const CtcBeamOptions& options() const { return options_; }
  uint64_t fingerprint() const { return fingerprint_; }  // of all that decides over results
  virtual size_t tokens() const = 0;                     // of a frame, the blank among them
  virtual std::string_view Letters(uint32_t token) const = 0;

  // At the beginning of an utterance.
  BeamText Begin() const;
  // Whether a token may belong to the unfinished word, which may be empty, and whether the word,
  // which is not, may end before it.
  virtual bool MayGoOn(const BeamText& text, uint32_t token) const = 0;
  virtual bool MayEnd(const BeamText& text, uint32_t token) const = 0;
  // Appends a token to the word; false, and a text of no use, when no word is spelled so.
  virtual bool Spell(BeamText& text, uint32_t token) const = 0;
  // Which words the unfinished one, which is not empty, may be: so many; as they are written; and
  // the text when it is one of them.
  virtual uint32_t Endings(const BeamText& text) const = 0;
  virtual std::string_view Ending(const BeamText& text, uint32_t which) const = 0;
  virtual BeamText End(const BeamText& text, uint32_t which) const = 0;
  // What to show of the unfinished word.
  virtual std::string_view Show(const BeamText& text) const = 0;
  // The text without the unfinished word, for a penalty: of words that have no ending.
  BeamText Drop(const BeamText& text) const;
  // Adds the end of the sentence to a text whose last word has ended.
  void EndSentence(BeamText& text) const;
  // No more than this is won by spelling a token.
  virtual double MostGain(const BeamText& text, uint32_t token) const = 0;

  // What a token leaves of the hash, without the rest.
  static uint64_t HashOf(uint64_t hash, std::string_view letters);

  void Put(std::vector<std::byte>& to, const BeamText& text) const;
  bool TakeSound(Cursor& cursor, BeamText& text) const;

 protected:
  BeamScorer(std::shared_ptr<const NgramLm> lm, const CtcBeamOptions& options, Hotwords hotwords,
             uint64_t fingerprint);

  double unknown_penalty() const { return static_cast<double>(options_.unknown_penalty); }
  double word_bonus() const { return static_cast<double>(options_.word_bonus); }
  void Match(BeamText& text, char letter) const;
  // Ends the word that the language model knows by this number.
  void ScoreWord(BeamText& text, uint32_t word) const;
  // All words, and those of them that the letters of an unfinished one begin; false when no
  // hypothesis has such a word.
  virtual PrefixRange All() const = 0;
  virtual bool Narrow(BeamText& text) const = 0;
  // What stands in the score for the unfinished word.
  virtual double Ahead(const BeamText& text) const = 0;

  std::shared_ptr<const NgramLm> lm_;  // may be null
  CtcBeamOptions options_;
  Hotwords hotwords_;

 private:
  uint64_t fingerprint_;
};

// Options out of range, as errors.
Result<void> Check(const CtcBeamOptions& options);

}  // namespace rill

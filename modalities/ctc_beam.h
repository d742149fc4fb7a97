// Prefix beam search over CTC frames, with a word language model and hotwords.
//
//   score(text) = log p(text | frames) + sum over its words of
//                 (lm_weight * log p(word | words before) + word_bonus)
//                 - unknown_penalty * (words that the model does not list) + credits of hotwords
//
// p(text | frames) sums all alignments that stayed in the beam, whatever pieces they spell the text
// with. A word is charged from its first letter on: until its end with the likeliest word, whatever
// is before it, that begins with its letters, and with an unknown one and the penalty as soon as
// none does. A word inside a matching hotword is spared the penalty. At Finish() the end of the
// sentence is scored too, for texts that have a word. Without a language model its terms are 0.
//
// Words become final when every hypothesis of the beam agrees on them, or when they are older than
// max_unstable_frames in the best one; hypotheses that disagree with final words are dropped.
// Results are the same bits for the same frames on one build and machine: ties go to the hypothesis
// that was there first.
//
// Source: Hannun et al. 2014, arXiv:1408.2873, algorithm 1; Graves & Jaitly 2014, "Towards
// end-to-end speech recognition with recurrent neural networks", section 4.
#pragma once

#include "modalities/ctc_decoder.h"
#include "modalities/hotwords.h"
#include "modalities/lexicon.h"
#include "modalities/ngram_lm.h"

namespace rill {

// Logarithms are natural.
struct CtcBeamOptions {
  size_t beam = 256;          // hypotheses kept, 1 to 512
  float beam_margin = 12;     // how far below the best one a hypothesis may score, above 0
  size_t tokens = 16;         // pieces followed in a frame besides the blank, 1 to 256
  float token_margin = 9;     // how far below the best one of a frame a piece may be, above 0
  float blank_penalty = 0;    // taken off the blank's log posterior, -20 to 20
  float lm_weight = 0.6f;     // 0 to 10
  float word_bonus = 1.5f;    // for each word, -20 to 20
  float unknown_penalty = 8;  // for each word that is not listed, 0 to 100
  int64_t max_unstable_frames = 75;  // 1 to 1,000
  std::vector<Hotword> hotwords = {};
};

// What the words after the final ones may be.
struct CtcAlternative {
  std::string text;            // words apart by spaces, the last perhaps unfinished
  double log_probability = 0;  // of the whole utterance's text given its frames
  double score = 0;            // what the beam is ordered by
};

class CtcBeamDecoder : public CtcDecoder {
 public:
  // The hypotheses, best first.
  virtual std::vector<CtcAlternative> Alternatives() const = 0;
};

// `lm` may be null. An option out of range is an error.
Result<std::unique_ptr<CtcBeamDecoder>> MakeBeamDecoder(std::shared_ptr<const CtcPieces> pieces,
                                                        std::shared_ptr<const NgramLm> lm,
                                                        const CtcBeamOptions& options);

// The same over phones, token 0 the blank, `phones` tokens together: words are those of the
// lexicon, whose phones are the tokens, and a hotword must consist of such. `lm` must not be null.
// A word that nothing ends when it must end is left out.
Result<std::unique_ptr<CtcBeamDecoder>> MakeBeamDecoder(size_t phones,
                                                        std::shared_ptr<const Lexicon> lexicon,
                                                        std::shared_ptr<const NgramLm> lm,
                                                        const CtcBeamOptions& options);

}  // namespace rill

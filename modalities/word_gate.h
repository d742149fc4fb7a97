// Keeps words that noise made from being said.
//
// A word that was heard in speech is surer than what a search for words makes of a saw or a rotor.
// So an utterance opens with its first word of at least so much confidence: words before that one
// wait for it, in their order, and are dropped when the utterance ends without one. Behind it every
// word passes.
#pragma once

#include <cstddef>
#include <vector>

#include "modalities/ctc_decoder.h"
#include "operators/core/cursor.h"

namespace rill {

// One stream.
class WordGate {
 public:
  // Of 0 to 1; 0 lets everything pass.
  explicit WordGate(float min_confidence) : min_confidence_(min_confidence) {}

  // Takes the next final words and gives those that may be said now.
  std::vector<DecodedWord> Pass(std::vector<DecodedWord> words);
  // Whether words that are not final yet may be shown: the utterance is open, or one of them would
  // open it.
  bool Shows(const std::vector<DecodedWord>& partial) const;
  bool holds() const { return !held_.empty(); }  // words that wait
  // Ends the utterance; says whether it was open.
  bool End();

  void Save(std::vector<std::byte>& to) const;
  // False, and as it was, for bytes that no gate wrote.
  bool Restore(Cursor& cursor);

 private:
  bool Opens(const std::vector<DecodedWord>& words) const;

  float min_confidence_;
  bool open_ = false;
  std::vector<DecodedWord> held_;  // none once it is open
};

}  // namespace rill

// Words from the frames of a CTC output layer, as they come.
//
//   log_probs   [pieces]   float32, natural-log posteriors of one frame; piece 0 is the blank
//
// An alignment names a piece for every frame; its text is what is left when repeats are merged and
// then blanks dropped. Pieces are byte-pair units of a word's letters; one that begins with a space
// begins a word, and so does the first of an utterance. A word that would get longer than 64
// letters is cut.
//
// Source: Graves et al. 2006, "Connectionist temporal classification", section 3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "operators/core/result.h"

namespace rill {

struct DecodedWord {
  std::string text;                         // a-z and apostrophes
  int64_t first_frame = 0, last_frame = 0;  // of its first and its last piece; words may touch
  // Geometric mean of the posteriors of its pieces, of each its best frame; in [0, 1].
  float confidence = 0;

  friend bool operator==(const DecodedWord&, const DecodedWord&) = default;
};

// The vocabulary of a CTC layer. Immutable; shared by all decoders of a model.
class CtcPieces {
 public:
  static constexpr size_t kMostLetters = 64;  // of a word, and of a piece

  // Piece 0 must be "" (the blank); others are letters a-z and apostrophes, perhaps behind one
  // space, and differ. 2 to 65,536 of them.
  static Result<std::shared_ptr<const CtcPieces>> Make(std::vector<std::string> pieces);

  size_t size() const { return pieces_.size(); }
  const std::string& Piece(size_t i) const { return pieces_[i]; }
  bool BeginsWord(size_t i) const { return pieces_[i].starts_with(' '); }
  // Without the space.
  std::string_view Letters(size_t i) const {
    return std::string_view(pieces_[i]).substr(BeginsWord(i) ? 1 : 0);
  }
  uint64_t fingerprint() const { return fingerprint_; }

 private:
  explicit CtcPieces(std::vector<std::string> pieces);

  std::vector<std::string> pieces_;
  uint64_t fingerprint_;
};

// One stream.
class CtcDecoder {
 public:
  virtual ~CtcDecoder() = default;

  // Takes one frame; frame numbers ascend until Reset(). What is not a number counts as a posterior
  // of 0.
  virtual void Step(std::span<const float> log_probs, int64_t frame) = 0;
  // The words that became final since the last call. They are kept until taken.
  virtual std::vector<DecodedWord> TakeFinal() = 0;
  // The best words after the final ones, the last perhaps unfinished.
  virtual std::vector<DecodedWord> Partial() const = 0;
  // Ends the utterance: all becomes final, and the next Step begins anew.
  virtual void Finish() = 0;
  // Frames since the best hypothesis last held a piece; since the utterance's beginning when it
  // holds none.
  virtual int64_t blank_frames() const = 0;
  // Whether the utterance has a word so far.
  virtual bool has_words() const = 0;
  // As when made; words not taken are lost.
  virtual void Reset() = 0;

  virtual std::unique_ptr<CtcDecoder> Clone() const = 0;
  // Equal bytes, equal future, for a decoder made with the same arguments. The size is bounded but
  // for final words that nobody takes.
  virtual std::vector<std::byte> Save() const = 0;
  // Damaged bytes, or those of another decoder, are an error and change nothing.
  virtual Result<void> Restore(std::span<const std::byte> bytes) = 0;
};

// The best piece of every frame. Partial results only ever grow: a word is final when the next
// begins. `blank_penalty` is taken off the blank's log posterior, in nats; more of it deletes less.
std::unique_ptr<CtcDecoder> MakeGreedyDecoder(std::shared_ptr<const CtcPieces> pieces,
                                              float blank_penalty);

}  // namespace rill

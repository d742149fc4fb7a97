// Hidden frames to the probabilities of word pieces and, in some models, of phones.
//
//   x[t] = rms_norm(Σ_{k=0..L} ahead[k] ⊙ hidden[t + k])
//   p[t] = log softmax(out(x[t])), then log softmax(phones(x[t]))
//
//   L       lookahead, chosen by the stream
//   hidden  [width]             float32
//   p       [pieces + phones]   float32, natural logarithms
//
// Piece 0 and phone 0 are CTC's blanks; a piece that begins with a space begins a word.
//
// Source: Graves et al. 2006 (CTC); Amodei et al. 2015, arXiv:1512.02595 (lookahead convolution).
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "modalities/lexicon.h"
#include "operators/core/scratch.h"
#include "operators/core/state.h"
#include "operators/linear.h"
#include "operators/norm.h"

namespace rill {

// Immutable after loading; any number of streams and threads may share one.
class TranscribeHead {
 public:
  // Bounds on what a model file may ask for.
  static constexpr size_t kMostPieces = 1 << 14, kMostLookahead = 64;

  static Result<TranscribeHead> Load(const Weights& weights, size_t width);

  const std::vector<std::string>& pieces() const { return pieces_; }
  const std::vector<std::string>& phones() const { return phones_; }  // may be none
  size_t outputs() const { return pieces_.size() + phones_.size(); }
  // How words are said, as the text of modalities/lexicon.h; empty for a model without phones.
  std::string_view pronunciations() const { return pronunciations_; }
  size_t most_lookahead() const { return ahead_.size() / width() - 1; }
  size_t usual_lookahead() const { return usual_lookahead_; }
  // Frames of silence after the end of the audio in which the last word comes out at the latest;
  // at least most_lookahead().
  size_t flush() const { return flush_; }
  size_t width() const { return out_.inputs(); }
  const StateLayout& layout() const { return layout_; }  // of one lane
  size_t ScratchFloats() const { return width(); }

  // Takes hidden frame t and writes the probabilities of frame t - lookahead; false while there is
  // none. The lookahead, at most most_lookahead(), stays the same for a lane.
  bool Step(std::span<const float> hidden, size_t lookahead, Lane lane, Scratch& scratch,
            std::span<float> log_probabilities) const;
  // Hidden frames taken.
  int64_t frames(Lane lane) const { return lane.Integers(frames_)[0]; }
  // Whether a lane holds what frames can lead to. For states that come from outside.
  Result<void> Check(Lane lane) const;

 private:
  TranscribeHead(std::vector<std::string> pieces, size_t usual_lookahead, size_t flush,
                 std::vector<float> ahead, RmsNorm norm, Linear out);
  Result<void> LoadPhones(const Weights& weights);

  std::vector<std::string> pieces_, phones_;
  std::string_view pronunciations_;  // of the model file
  size_t usual_lookahead_, flush_;
  std::vector<float> ahead_;  // [most_lookahead + 1, width]
  RmsNorm norm_;
  Linear out_;
  std::optional<Linear> phones_out_;
  StateLayout layout_;
  Slot recent_;  // [most_lookahead + 1, width], the newest last
  Slot frames_;
};

}  // namespace rill

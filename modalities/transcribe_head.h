// Hidden frames to the probabilities of word pieces.
//
//   y[t] = out(rms_norm(Σ_{k=0..L} ahead[k] ⊙ hidden[t + k]))
//   p[t] = log softmax(y[t])
//
//   L       lookahead, chosen by the stream
//   hidden  [width]    float32
//   p       [pieces]   float32, natural logarithms
//
// Piece 0 is CTC's blank; a piece that begins with a space begins a word.
//
// Source: Graves et al. 2006 (CTC); Amodei et al. 2015, arXiv:1512.02595 (lookahead convolution).
#pragma once

#include <span>
#include <string>
#include <vector>

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

  std::vector<std::string> pieces_;
  size_t usual_lookahead_, flush_;
  std::vector<float> ahead_;  // [most_lookahead + 1, width]
  RmsNorm norm_;
  Linear out_;
  StateLayout layout_;
  Slot recent_;  // [most_lookahead + 1, width], the newest last
  Slot frames_;
};

}  // namespace rill

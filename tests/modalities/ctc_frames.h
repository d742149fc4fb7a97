// Frames of a CTC layer for tests, and the exact posterior of every text by enumeration.
#pragma once

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "modalities/ctc_decoder.h"
#include "tests/support/random.h"

namespace rill::testing {

using CtcFrames = std::vector<std::vector<float>>;

inline std::shared_ptr<const CtcPieces> Pieces(std::vector<std::string> pieces) {
  return *CtcPieces::Make(std::move(pieces));
}

// Posteriors that sum to one; the larger `sharpness`, the surer a frame.
inline CtcFrames RandomFrames(Random& random, size_t frames, size_t pieces, double sharpness) {
  CtcFrames all;
  for (size_t t = 0; t < frames; ++t) {
    std::vector<double> weights(pieces);
    double sum = 0;
    for (double& weight : weights) sum += weight = std::exp(sharpness * random.Uniform());
    std::vector<float>& frame = all.emplace_back();
    for (const double weight : weights) frame.push_back(static_cast<float>(std::log(weight / sum)));
  }
  return all;
}

// The text of pieces with repeats merged and blanks dropped: words apart by one space, and one at
// the end where a space alone came last.
inline std::string Collapsed(const CtcPieces& pieces, const std::vector<size_t>& alignment) {
  std::string text;
  size_t last = 0;
  for (const size_t piece : alignment) {
    if (piece != 0 && piece != last) {
      if (pieces.BeginsWord(piece) && !text.empty() && text.back() != ' ') text += ' ';
      text += pieces.Letters(piece);
    }
    last = piece;
  }
  return text;
}

// Probability of every text, by going through all alignments.
inline std::map<std::string, double> Posteriors(const CtcPieces& pieces, const CtcFrames& frames) {
  std::map<std::string, double> all;
  std::vector<size_t> alignment(frames.size(), 0);
  for (bool more = true; more;) {
    double log_prob = 0;
    for (size_t t = 0; t < frames.size(); ++t)
      log_prob += static_cast<double>(frames[t][alignment[t]]);
    all[Collapsed(pieces, alignment)] += std::exp(log_prob);
    more = false;
    for (size_t& piece : alignment) {
      if (++piece < pieces.size()) {
        more = true;
        break;
      }
      piece = 0;
    }
  }
  return all;
}

inline std::string TextOf(const std::vector<DecodedWord>& words) {
  std::string text;
  for (const DecodedWord& word : words) text += (text.empty() ? "" : " ") + word.text;
  return text;
}

// All words of the frames, then of Finish().
inline std::vector<DecodedWord> Decode(CtcDecoder& decoder, const CtcFrames& frames) {
  std::vector<DecodedWord> words;
  const auto take = [&] {
    for (DecodedWord& word : decoder.TakeFinal()) words.push_back(std::move(word));
  };
  for (size_t t = 0; t < frames.size(); ++t) {
    decoder.Step(frames[t], static_cast<int64_t>(t));
    take();
  }
  decoder.Finish();
  take();
  return words;
}

}  // namespace rill::testing

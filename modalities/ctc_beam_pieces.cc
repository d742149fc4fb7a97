// The beam search's texts in pieces of words as they are written: any text can be spelled.
#include <cassert>

#include "modalities/ctc_beam_text.h"

namespace rill {
namespace {

class PieceScorer final : public BeamScorer {
 public:
  PieceScorer(std::shared_ptr<const CtcPieces> pieces, std::shared_ptr<const NgramLm> lm,
              const CtcBeamOptions& options, Hotwords hotwords)
      : BeamScorer(std::move(lm), options, std::move(hotwords), pieces->fingerprint()),
        pieces_(std::move(pieces)) {}

  size_t tokens() const override { return pieces_->size(); }
  std::string_view Letters(uint32_t token) const override { return pieces_->Letters(token); }
  bool MayGoOn(const BeamText& text, uint32_t token) const override { return !MayEnd(text, token); }
  bool MayEnd(const BeamText& text, uint32_t token) const override {
    return !text.word.empty() && (pieces_->BeginsWord(token) || !text.word.Fits(Letters(token)));
  }
  bool Spell(BeamText& text, uint32_t token) const override;
  uint32_t Endings(const BeamText&) const override { return 1; }
  std::string_view Ending(const BeamText& text, uint32_t) const override {
    return text.word.text();
  }
  BeamText End(const BeamText& text, uint32_t which) const override;
  std::string_view Show(const BeamText& text) const override { return text.word.text(); }
  double MostGain(const BeamText& text, uint32_t token) const override;

 private:
  PrefixRange All() const override { return lm_ ? lm_->All() : PrefixRange{}; }
  bool Narrow(BeamText& text) const override;
  double Ahead(const BeamText& text) const override;
  void Penalise(BeamText& text, bool is_penalised) const;

  std::shared_ptr<const CtcPieces> pieces_;
};

void PieceScorer::Penalise(BeamText& text, bool is_penalised) const {
  if (text.is_penalised == is_penalised) return;
  text.is_penalised = is_penalised;
  text.score += is_penalised ? -unknown_penalty() : unknown_penalty();
}

double PieceScorer::Ahead(const BeamText& text) const {
  if (!lm_ || text.word.empty()) return 0;
  return static_cast<double>(options_.lm_weight * lm_->Best(text.prefix) + options_.word_bonus);
}

bool PieceScorer::Narrow(BeamText& text) const {
  text.prefix = All();
  for (const char letter : text.word.text())
    if (!text.prefix.empty()) text.prefix = lm_->Narrow(text.prefix, letter);
  return std::ranges::all_of(text.word.text(), IsLetter);
}

bool PieceScorer::Spell(BeamText& text, uint32_t token) const {
  for (const char letter : Letters(token)) {
    text.word.Append(letter);
    Match(text, letter);
    if (!lm_) continue;
    if (!text.prefix.empty()) text.prefix = lm_->Narrow(text.prefix, letter);
    // One more than the letters: the space before the word.
    const bool is_hot = hotwords_.depth(text.hot) > text.word.count;
    Penalise(text, text.prefix.empty() && !is_hot);
  }
  text.hash = HashOf(text.hash, Letters(token));
  const double ahead = Ahead(text);
  text.score += ahead - text.ahead;
  text.ahead = ahead;
  return true;
}

BeamText PieceScorer::End(const BeamText& text, uint32_t) const {
  assert(!text.word.empty());
  BeamText ended = text;
  ended.hash = ended.before = HashOf(text.hash, " ");
  Match(ended, ' ');
  if (lm_) {
    const uint32_t word = lm_->Exact(text.prefix);
    const bool is_hot = hotwords_.depth(ended.hot) > text.word.count + 1u;
    Penalise(ended, word == lm_->unknown() && !is_hot);
    ScoreWord(ended, word);
    ended.is_penalised = false;
    ended.prefix = All();
  }
  ended.word = {};
  return ended;
}

double PieceScorer::MostGain(const BeamText& text, uint32_t token) const {
  double gain =
      static_cast<double>(hotwords_.most_credit()) * static_cast<double>(Letters(token).size());
  // What stands for the word may go, and its own bonus come.
  if (lm_) gain += std::max(0.0, std::max(0.0, word_bonus()) - text.ahead);
  if (text.is_penalised && !hotwords_.empty()) gain += unknown_penalty();
  return gain;
}

}  // namespace

Result<std::shared_ptr<const BeamScorer>> BeamScorer::OfPieces(
    std::shared_ptr<const CtcPieces> pieces, std::shared_ptr<const NgramLm> lm,
    const CtcBeamOptions& options) {
  if (const Result<void> sound = Check(options); !sound) return sound.error();
  Result<Hotwords> hotwords = Hotwords::Make(options.hotwords);
  if (!hotwords) return hotwords.error();
  return std::shared_ptr<const BeamScorer>(std::make_shared<PieceScorer>(
      std::move(pieces), std::move(lm), options, std::move(*hotwords)));
}

}  // namespace rill

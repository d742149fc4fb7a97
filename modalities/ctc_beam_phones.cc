// The beam search's texts in phones, which a lexicon makes words of.
#include <cassert>

#include "modalities/ctc_beam_text.h"

namespace rill {
namespace {

class PhoneScorer final : public BeamScorer {
 public:
  PhoneScorer(size_t phones, std::shared_ptr<const Lexicon> lexicon,
              std::shared_ptr<const NgramLm> lm, const CtcBeamOptions& options, Hotwords hotwords);

  size_t tokens() const override { return names_.size(); }
  std::string_view Letters(uint32_t token) const override {
    return std::string_view(names_).substr(token, 1);
  }
  // Only Spell() knows.
  bool MayGoOn(const BeamText&, uint32_t) const override { return true; }
  bool MayEnd(const BeamText& text, uint32_t) const override { return !text.word.empty(); }
  bool Spell(BeamText& text, uint32_t token) const override;
  uint32_t Endings(const BeamText& text) const override {
    const PrefixRange exact = lexicon_->Exact(text.prefix);
    return exact.last - exact.first;
  }
  std::string_view Ending(const BeamText& text, uint32_t which) const override {
    return lexicon_->Word(text.prefix.first + which);
  }
  BeamText End(const BeamText& text, uint32_t which) const override;
  std::string_view Show(const BeamText& text) const override;
  double MostGain(const BeamText& text, uint32_t token) const override;

 private:
  PrefixRange All() const override { return lexicon_->All(); }
  bool Narrow(BeamText& text) const override;
  double Ahead(const BeamText& text) const override {
    if (text.word.empty()) return 0;
    return static_cast<double>(most_.Of(text.prefix.first, text.prefix.last));
  }
  // What a hotword gains from its beginning on.
  double Credit(std::string_view word) const;

  std::shared_ptr<const Lexicon> lexicon_;
  std::string names_;            // token i is the character i
  std::vector<uint32_t> words_;  // of each entry the language model's
  std::vector<float> scores_;    // of each entry what it adds to a text when nothing is before it
  RangeMaximum most_;
  double most_score_;
};

PhoneScorer::PhoneScorer(size_t phones, std::shared_ptr<const Lexicon> lexicon,
                         std::shared_ptr<const NgramLm> lm, const CtcBeamOptions& options,
                         Hotwords hotwords)
    : BeamScorer(std::move(lm), options, std::move(hotwords), lexicon->fingerprint()),
      lexicon_(std::move(lexicon)),
      words_(lexicon_->size(), lm_->unknown()),
      scores_(lexicon_->size()) {
  for (size_t i = 0; i < phones; ++i) names_ += static_cast<char>(i);
  // Both are sorted by words.
  uint32_t id = 0;
  for (const uint32_t entry : lexicon_->by_word()) {
    while (id < lm_->words() && lm_->Word(id) < lexicon_->Word(entry)) ++id;
    const bool is_known = id < lm_->words() && lm_->Word(id) == lexicon_->Word(entry);
    if (is_known) words_[entry] = id;
    NgramLm::Context none;
    const double log_prob = static_cast<double>(lm_->Score(none, words_[entry], none));
    const double credit = Credit(lexicon_->Word(entry));
    scores_[entry] =
        static_cast<float>(static_cast<double>(options_.lm_weight) * log_prob + word_bonus() +
                           credit - (is_known || credit > 0 ? 0 : unknown_penalty()));
  }
  most_ = RangeMaximum(scores_);
  most_score_ = std::max(0.0, static_cast<double>(std::ranges::max(scores_)));
}

double PhoneScorer::Credit(std::string_view word) const {
  if (hotwords_.empty()) return 0;
  BeamText text;
  Match(text, ' ');
  for (const char letter : word) Match(text, letter);
  Match(text, ' ');
  return text.score;
}

bool PhoneScorer::Narrow(BeamText& text) const {
  text.prefix = All();
  for (const char phone : text.word.text()) text.prefix = lexicon_->Narrow(text.prefix, phone);
  return !text.prefix.empty();
}

bool PhoneScorer::Spell(BeamText& text, uint32_t token) const {
  const char phone = names_[token];
  text.prefix = lexicon_->Narrow(text.prefix, phone);
  if (text.prefix.empty()) return false;
  text.word.Append(phone);  // fits, as all of the lexicon's do
  text.hash = HashOf(text.hash, Letters(token));
  const double ahead = Ahead(text);
  text.score += ahead - text.ahead;
  text.ahead = ahead;
  return true;
}

BeamText PhoneScorer::End(const BeamText& text, uint32_t which) const {
  const uint32_t entry = text.prefix.first + which;
  const std::string_view word = lexicon_->Word(entry);
  BeamText ended = text;
  ended.hash = ended.before = HashOf(HashOf(text.before, word), " ");
  for (const char letter : word) Match(ended, letter);
  Match(ended, ' ');
  const bool is_hot = hotwords_.depth(ended.hot) > word.size() + 1;
  if (words_[entry] == lm_->unknown() && !is_hot) ended.score -= unknown_penalty();
  ScoreWord(ended, words_[entry]);
  ended.word = {};
  ended.prefix = All();
  return ended;
}

std::string_view PhoneScorer::Show(const BeamText& text) const {
  const PrefixRange exact = lexicon_->Exact(text.prefix);
  const PrefixRange& from = exact.empty() ? text.prefix : exact;
  const auto first = scores_.begin() + from.first, last = scores_.begin() + from.last;
  return lexicon_->Word(static_cast<uint32_t>(std::max_element(first, last) - scores_.begin()));
}

double PhoneScorer::MostGain(const BeamText& text, uint32_t) const {
  return text.word.empty() ? most_score_ : 0;
}

}  // namespace

Result<std::shared_ptr<const BeamScorer>> BeamScorer::OfPhones(
    size_t phones, std::shared_ptr<const Lexicon> lexicon, std::shared_ptr<const NgramLm> lm,
    const CtcBeamOptions& options) {
  if (const Result<void> sound = Check(options); !sound) return sound.error();
  if (!lm) return Error{"a search by phones needs a language model, and there is none"};
  if (lexicon->size() == 0) return Error{"beam search: the lexicon has no word"};
  Result<Hotwords> hotwords = Hotwords::Make(options.hotwords);
  if (!hotwords) return hotwords.error();
  for (const Hotword& hotword : options.hotwords) {
    std::string_view left = hotword.text;
    while (!left.empty()) {
      const std::string_view word = left.substr(0, left.find(' '));
      left.remove_prefix(std::min(word.size() + 1, left.size()));
      if (!lexicon->Knows(word))
        return Error{"hotword \"" + hotword.text + "\": the lexicon does not say how \"" +
                     std::string(word) + "\" is pronounced; a file of pronunciations can"};
    }
  }
  return std::shared_ptr<const BeamScorer>(std::make_shared<PhoneScorer>(
      phones, std::move(lexicon), std::move(lm), options, std::move(*hotwords)));
}

}  // namespace rill

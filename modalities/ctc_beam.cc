#include "modalities/ctc_beam.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <numbers>
#include <utility>

#include "modalities/ctc_beam_state.h"

namespace rill {
namespace {

// A text that the next beam may have, and where it comes from.
struct Candidate {
  // Of the likeliest way to it: the hypothesis, the token added, 0 for none, and which ending of
  // the word came before that, 0 for none, else one more.
  uint32_t parent = 0, token = 0, ending = 0;
  double strongest = 0;
  size_t text = 0;  // of the parent when below the count of hypotheses, else of texts_
  double blank = 0;
  BeamEnds ends;
  double score = 0;
};

class BeamDecoder final : public CtcBeamDecoder {
 public:
  explicit BeamDecoder(std::shared_ptr<const BeamScorer> scorer) : scorer_(std::move(scorer)) {
    state_.Begin(*scorer_);
  }

  void Step(std::span<const float> log_probs, int64_t frame) override;
  std::vector<DecodedWord> TakeFinal() override { return std::exchange(state_.final, {}); }
  std::vector<DecodedWord> Partial() const override { return state_.Partial(*scorer_); }
  void Finish() override { state_.Finish(*scorer_); }
  int64_t blank_frames() const override {
    return state_.begun ? std::max<int64_t>(state_.now - best().held, 0) : 0;
  }
  bool has_words() const override {
    return state_.has_words || !best().words.empty() || !best().text.word.empty();
  }
  void Reset() override {
    state_ = {};
    state_.Begin(*scorer_);
  }
  std::unique_ptr<CtcDecoder> Clone() const override {
    return std::make_unique<BeamDecoder>(*this);
  }
  std::vector<std::byte> Save() const override { return state_.Save(*scorer_); }
  Result<void> Restore(std::span<const std::byte> bytes) override {
    Result<BeamState> state = BeamState::Restore(*scorer_, bytes);
    if (!state) return state.error();
    state_ = std::move(*state);
    return {};
  }
  std::vector<CtcAlternative> Alternatives() const override;

 private:
  const Hypothesis& best() const { return state_.hypotheses[0]; }
  void ChooseTokens(std::span<const float> log_probs);
  void Stay();
  void Extend(uint32_t parent, double least);
  void Try(const BeamText& text, const Candidate& way, double mass, double least);
  void Select();
  void Become(const Candidate& candidate, Hypothesis& hypothesis);
  void Rescale();
  const BeamText& TextOf(const Candidate& candidate) const {
    const size_t count = state_.hypotheses.size();
    return candidate.text < count ? state_.hypotheses[candidate.text].text
                                  : texts_[candidate.text - count];
  }
  // The candidate with this text; a free place when there is none yet.
  uint32_t& Place(uint64_t hash);
  void MakeRoom();

  std::shared_ptr<const BeamScorer> scorer_;
  BeamState state_;

  // Scratch of a step.
  struct Token {
    uint32_t token;
    float log_prob;
    double posterior;
  };
  std::span<const float> log_probs_;
  std::vector<Token> tokens_;
  double blank_posterior_ = 0;
  std::vector<Candidate> candidates_;
  std::vector<BeamText> texts_;
  std::vector<uint32_t> table_;  // open addressing by hash: candidate + 1, 0 is free
  std::vector<uint32_t> order_;
  std::vector<Hypothesis> next_;
};

void BeamDecoder::Step(std::span<const float> log_probs, int64_t frame) {
  assert(log_probs.size() == scorer_->tokens());
  if (!state_.begun) state_.hypotheses[0].held = state_.settled = frame - 1;
  state_.begun = true;
  state_.now = frame;
  log_probs_ = log_probs;
  ChooseTokens(log_probs);
  Stay();
  double most = candidates_[0].score;
  for (const Candidate& candidate : candidates_) most = std::max(most, candidate.score);
  for (uint32_t i = 0; i < state_.hypotheses.size(); ++i)
    Extend(i, most - static_cast<double>(scorer_->options().beam_margin));
  Select();
  state_.Settle(*scorer_);
  Rescale();
  log_probs_ = {};
}

// The likeliest tokens; of equal ones those that come first.
void BeamDecoder::ChooseTokens(std::span<const float> log_probs) {
  const CtcBeamOptions& options = scorer_->options();
  float most = SoundLog(log_probs[0]);
  blank_posterior_ = std::exp(static_cast<double>(most - options.blank_penalty));
  for (const float log_prob : log_probs.subspan(1)) most = std::max(most, SoundLog(log_prob));
  tokens_.clear();
  for (uint32_t i = 1; i < log_probs.size(); ++i)
    if (log_probs[i] >= most - options.token_margin)
      tokens_.push_back({i, SoundLog(log_probs[i]), 0});
  const auto is_likelier = [](const Token& a, const Token& b) {
    return a.log_prob != b.log_prob ? a.log_prob > b.log_prob : a.token < b.token;
  };
  if (tokens_.size() > options.tokens) {
    const auto end = tokens_.begin() + static_cast<std::ptrdiff_t>(options.tokens);
    std::partial_sort(tokens_.begin(), end, tokens_.end(), is_likelier);
    tokens_.erase(end, tokens_.end());
  }
  for (Token& token : tokens_) token.posterior = std::exp(static_cast<double>(token.log_prob));
}

// Every text as it is: by a blank, or by holding its last token.
void BeamDecoder::Stay() {
  table_.assign(std::bit_ceil(4 * state_.hypotheses.size()), 0);
  candidates_.clear();
  texts_.clear();
  for (uint32_t i = 0; i < state_.hypotheses.size(); ++i) {
    const Hypothesis& from = state_.hypotheses[i];
    Candidate& stays = candidates_.emplace_back();
    stays.parent = i;
    stays.text = i;
    stays.blank = from.Mass() * blank_posterior_;
    stays.ends = from.ends;
    for (uint32_t k = 0; k < stays.ends.count; ++k)
      stays.ends.mass[k] *=
          std::exp(static_cast<double>(SoundLog(log_probs_[stays.ends.pieces[k]])));
    stays.strongest = stays.blank + stays.ends.Sum();
    stays.score = std::log(stays.strongest) + from.text.score;
    Place(from.text.hash) = i + 1;
  }
}

// Doubles the table when more than half of it is taken.
void BeamDecoder::MakeRoom() {
  if (2 * candidates_.size() <= table_.size()) return;
  table_.assign(2 * table_.size(), 0);
  for (uint32_t i = 0; i < candidates_.size(); ++i) Place(TextOf(candidates_[i]).hash) = i + 1;
}

uint32_t& BeamDecoder::Place(uint64_t hash) {
  const size_t mask = table_.size() - 1;
  size_t at = static_cast<size_t>(hash ^ (hash >> 32)) & mask;
  while (table_[at] != 0 && TextOf(candidates_[table_[at] - 1]).hash != hash) at = (at + 1) & mask;
  return table_[at];
}

// Every text with one more token, but for those that cannot score `least`.
void BeamDecoder::Extend(uint32_t parent, double least) {
  Hypothesis& from = state_.hypotheses[parent];
  for (const Token& token : tokens_) {
    // A token is new when another one or a blank came before.
    const double mass = (from.blank + from.ends.Without(token.token)) * token.posterior;
    if (mass == 0) continue;
    Candidate way;
    way.parent = parent;
    way.token = token.token;
    if (scorer_->MayGoOn(from.text, token.token)) Try(from.text, way, mass, least);
    if (!scorer_->MayEnd(from.text, token.token)) continue;
    for (const BeamText& ended : from.Endings(*scorer_)) {
      ++way.ending;
      Try(ended, way, mass, least);
    }
  }
}

// A text with one more token.
void BeamDecoder::Try(const BeamText& text, const Candidate& way, double mass, double least) {
  MakeRoom();
  uint32_t& place = Place(BeamScorer::HashOf(text.hash, scorer_->Letters(way.token)));
  if (place == 0) {
    if (std::log(mass) + text.score + scorer_->MostGain(text, way.token) < least) return;
    if (!scorer_->Spell(texts_.emplace_back(text), way.token)) {
      texts_.pop_back();
      return;
    }
    candidates_.emplace_back().text = state_.hypotheses.size() + texts_.size() - 1;
    place = static_cast<uint32_t>(candidates_.size());
  }
  Candidate& candidate = candidates_[place - 1];
  candidate.ends.Add(way.token, mass);
  if (mass > candidate.strongest) {
    candidate.strongest = mass;
    candidate.parent = way.parent;
    candidate.token = way.token;
    candidate.ending = way.ending;
  }
}

void BeamDecoder::Select() {
  order_.clear();
  double most = -std::numeric_limits<double>::infinity();
  for (Candidate& candidate : candidates_) {
    const double mass = candidate.blank + candidate.ends.Sum();
    candidate.score = std::log(mass) + TextOf(candidate).score;
    most = std::max(most, candidate.score);
  }
  const double least = most - static_cast<double>(scorer_->options().beam_margin);
  for (uint32_t i = 0; i < candidates_.size(); ++i)
    if (candidates_[i].score >= least) order_.push_back(i);
  const size_t kept = std::min(order_.size(), scorer_->options().beam);
  std::partial_sort(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(kept),
                    order_.end(), [&](uint32_t a, uint32_t b) {
                      const double x = candidates_[a].score, y = candidates_[b].score;
                      return x != y ? x > y : a < b;
                    });
  next_.resize(kept);
  for (size_t i = 0; i < kept; ++i) Become(candidates_[order_[i]], next_[i]);
  state_.hypotheses.swap(next_);
}

void BeamDecoder::Become(const Candidate& candidate, Hypothesis& hypothesis) {
  Hypothesis& from = state_.hypotheses[candidate.parent];
  hypothesis.text = TextOf(candidate);
  hypothesis.has_endings = false;
  hypothesis.blank = candidate.blank;
  hypothesis.ends = candidate.ends;
  hypothesis.trace = from.trace;
  hypothesis.held = from.held;
  hypothesis.words = from.words;
  if (candidate.token == 0) {
    hypothesis.has_endings = from.has_endings;
    if (from.has_endings) hypothesis.endings = from.endings;
    if (candidate.ends.Sum() <= candidate.blank) return;
    const auto likeliest = std::max_element(candidate.ends.mass.begin(), candidate.ends.mass.end());
    const uint32_t held =
        candidate.ends.pieces[static_cast<size_t>(likeliest - candidate.ends.mass.begin())];
    hypothesis.held = state_.now;
    if (from.trace.pieces > 0) hypothesis.trace.Hold(state_.now, SoundLog(log_probs_[held]));
    return;
  }
  hypothesis.held = state_.now;
  const float log_prob = SoundLog(log_probs_[candidate.token]);
  if (candidate.ending > 0)
    state_.PushWord(hypothesis, from.trace, scorer_->Ending(from.text, candidate.ending - 1),
                    from.Endings(*scorer_)[candidate.ending - 1]);
  if (candidate.ending > 0 || from.trace.pieces == 0)
    hypothesis.trace.Begin(state_.now, log_prob);
  else
    hypothesis.trace.Add(state_.now, log_prob);
}

// Multiplies all probabilities by a power of two, which is exact, so that they never vanish.
void BeamDecoder::Rescale() {
  double most = 0;
  for (const Hypothesis& hypothesis : state_.hypotheses) most = std::max(most, hypothesis.Mass());
  const int exponent = std::ilogb(most);
  for (Hypothesis& hypothesis : state_.hypotheses) {
    hypothesis.blank = std::ldexp(hypothesis.blank, -exponent);
    for (double& mass : hypothesis.ends.mass) mass = std::ldexp(mass, -exponent);
  }
  state_.log_scale += exponent * std::numbers::ln2;
}

std::vector<CtcAlternative> BeamDecoder::Alternatives() const {
  std::vector<CtcAlternative> all;
  for (const Hypothesis& hypothesis : state_.hypotheses) {
    CtcAlternative& alternative = all.emplace_back();
    for (const DecodedWord& word : state_.WordsOf(*scorer_, hypothesis))
      alternative.text += (alternative.text.empty() ? "" : " ") + word.text;
    alternative.log_probability = std::log(hypothesis.Mass()) + state_.log_scale;
    alternative.score = alternative.log_probability + hypothesis.text.score;
  }
  return all;
}

}  // namespace

Result<std::unique_ptr<CtcBeamDecoder>> MakeBeamDecoder(std::shared_ptr<const CtcPieces> pieces,
                                                        std::shared_ptr<const NgramLm> lm,
                                                        const CtcBeamOptions& options) {
  Result<std::shared_ptr<const BeamScorer>> scorer =
      BeamScorer::OfPieces(std::move(pieces), std::move(lm), options);
  if (!scorer) return scorer.error();
  return std::unique_ptr<CtcBeamDecoder>(std::make_unique<BeamDecoder>(std::move(*scorer)));
}

Result<std::unique_ptr<CtcBeamDecoder>> MakeBeamDecoder(size_t phones,
                                                        std::shared_ptr<const Lexicon> lexicon,
                                                        std::shared_ptr<const NgramLm> lm,
                                                        const CtcBeamOptions& options) {
  Result<std::shared_ptr<const BeamScorer>> scorer =
      BeamScorer::OfPhones(phones, std::move(lexicon), std::move(lm), options);
  if (!scorer) return scorer.error();
  return std::unique_ptr<CtcBeamDecoder>(std::make_unique<BeamDecoder>(std::move(*scorer)));
}

}  // namespace rill

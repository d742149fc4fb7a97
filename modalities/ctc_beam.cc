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
  // Of the likeliest way to it: the hypothesis, and the piece added, 0 for none.
  uint32_t parent = 0, piece = 0;
  double strongest = 0;
  size_t text = 0;  // of the parent when below the count of hypotheses, else of texts_
  double blank = 0;
  BeamEnds ends;
  double score = 0;
};

class BeamDecoder final : public CtcBeamDecoder {
 public:
  explicit BeamDecoder(std::shared_ptr<const BeamScorer> scorer) : scorer_(std::move(scorer)) {
    Begin();
  }

  void Step(std::span<const float> log_probs, int64_t frame) override;
  std::vector<DecodedWord> TakeFinal() override { return std::exchange(state_.final, {}); }
  std::vector<DecodedWord> Partial() const override { return WordsOf(best()); }
  void Finish() override;
  int64_t blank_frames() const override {
    return state_.begun ? std::max<int64_t>(state_.now - best().held, 0) : 0;
  }
  bool has_words() const override {
    return state_.has_words || !best().words.empty() || !best().text.word.empty();
  }
  void Reset() override {
    state_ = {};
    Begin();
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
  std::vector<DecodedWord> WordsOf(const Hypothesis& hypothesis) const;
  // The state before the first frame of an utterance.
  void Begin();

  void ChooseTokens(std::span<const float> log_probs);
  void Stay();
  void Extend(uint32_t parent, double least);
  void Select();
  void Become(const Candidate& candidate, Hypothesis& hypothesis);
  void Rescale();
  void Settle();
  void Commit(size_t words);
  size_t Agreed() const;

  bool EndsWord(const Hypothesis& hypothesis, uint32_t piece) const {
    const CtcPieces& pieces = scorer_->pieces();
    return !hypothesis.text.word.empty() &&
           (pieces.BeginsWord(piece) || !hypothesis.text.word.Fits(pieces.Letters(piece)));
  }
  const BeamText& Ended(Hypothesis& hypothesis) const;
  const BeamText& TextOf(const Candidate& candidate) const {
    const size_t count = state_.hypotheses.size();
    return candidate.text < count ? state_.hypotheses[candidate.text].text
                                  : texts_[candidate.text - count];
  }
  // The candidate with this text; a free place when there is none yet.
  uint32_t& Place(uint64_t hash);

  std::shared_ptr<const BeamScorer> scorer_;
  BeamState state_;

  // Scratch of a step.
  struct Token {
    uint32_t piece;
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

void BeamDecoder::Begin() {
  Hypothesis empty;
  empty.text = scorer_->Begin();
  empty.blank = 1;
  state_.hypotheses.assign(1, empty);
  state_.words.clear();
  state_.log_scale = 0;
  state_.begun = state_.has_words = false;
}

const BeamText& BeamDecoder::Ended(Hypothesis& hypothesis) const {
  if (!hypothesis.has_ended) {
    hypothesis.ended = hypothesis.text;
    scorer_->EndWord(hypothesis.ended);
    hypothesis.has_ended = true;
  }
  return hypothesis.ended;
}

void BeamDecoder::Step(std::span<const float> log_probs, int64_t frame) {
  assert(log_probs.size() == scorer_->pieces().size());
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
  Settle();
  Rescale();
  log_probs_ = {};
}

// The likeliest pieces; of equal ones those that come first.
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
    return a.log_prob != b.log_prob ? a.log_prob > b.log_prob : a.piece < b.piece;
  };
  if (tokens_.size() > options.tokens) {
    const auto end = tokens_.begin() + static_cast<std::ptrdiff_t>(options.tokens);
    std::partial_sort(tokens_.begin(), end, tokens_.end(), is_likelier);
    tokens_.erase(end, tokens_.end());
  }
  for (Token& token : tokens_) token.posterior = std::exp(static_cast<double>(token.log_prob));
}

// Every text as it is: by a blank, or by holding its last piece.
void BeamDecoder::Stay() {
  const size_t places = state_.hypotheses.size() * (tokens_.size() + 1);
  table_.assign(std::bit_ceil(2 * places), 0);
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

uint32_t& BeamDecoder::Place(uint64_t hash) {
  const size_t mask = table_.size() - 1;
  size_t at = static_cast<size_t>(hash ^ (hash >> 32)) & mask;
  while (table_[at] != 0 && TextOf(candidates_[table_[at] - 1]).hash != hash) at = (at + 1) & mask;
  return table_[at];
}

// Every text with one more piece, but for those that cannot score `least`.
void BeamDecoder::Extend(uint32_t parent, double least) {
  Hypothesis& from = state_.hypotheses[parent];
  for (const Token& token : tokens_) {
    // A piece is new when another one or a blank came before.
    const double mass = (from.blank + from.ends.Without(token.piece)) * token.posterior;
    if (mass == 0) continue;
    const std::string_view letters = scorer_->pieces().Letters(token.piece);
    const bool ends_word = EndsWord(from, token.piece);
    uint32_t& place = Place(BeamScorer::HashOf(from.text.hash, ends_word, letters));
    if (place == 0) {
      const double gain = scorer_->MostGain(from.text, ends_word, letters.size());
      if (std::log(mass) + from.text.score + gain < least) continue;
      BeamText& text = texts_.emplace_back(ends_word ? Ended(from) : from.text);
      scorer_->Spell(text, letters);
      candidates_.emplace_back().text = state_.hypotheses.size() + texts_.size() - 1;
      place = static_cast<uint32_t>(candidates_.size());
    }
    Candidate& candidate = candidates_[place - 1];
    candidate.ends.Add(token.piece, mass);
    if (mass > candidate.strongest) {
      candidate.strongest = mass;
      candidate.parent = parent;
      candidate.piece = token.piece;
    }
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
  const Hypothesis& from = state_.hypotheses[candidate.parent];
  const uint32_t piece = candidate.piece;
  hypothesis.text = TextOf(candidate);
  hypothesis.has_ended = false;
  hypothesis.blank = candidate.blank;
  hypothesis.ends = candidate.ends;
  hypothesis.trace = from.trace;
  hypothesis.held = from.held;
  hypothesis.words = from.words;
  if (piece == 0) {
    hypothesis.has_ended = from.has_ended;
    if (from.has_ended) hypothesis.ended = from.ended;
    if (candidate.ends.Sum() <= candidate.blank) return;
    const auto likeliest = std::max_element(candidate.ends.mass.begin(), candidate.ends.mass.end());
    const uint32_t held =
        candidate.ends.pieces[static_cast<size_t>(likeliest - candidate.ends.mass.begin())];
    hypothesis.held = state_.now;
    if (from.trace.pieces > 0) hypothesis.trace.Hold(state_.now, SoundLog(log_probs_[held]));
    return;
  }
  hypothesis.held = state_.now;
  const float log_prob = SoundLog(log_probs_[piece]);
  const bool ends_word = EndsWord(from, piece);
  if (ends_word) {
    hypothesis.words.push_back(static_cast<uint32_t>(state_.words.size()));
    state_.words.push_back(
        {from.trace.Word(from.text.word.text()), BeamScorer::HashOf(from.text.hash, true, "")});
  }
  if (ends_word || scorer_->pieces().BeginsWord(piece) || from.trace.pieces == 0)
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

// How many ended words all hypotheses have in common.
size_t BeamDecoder::Agreed() const {
  size_t agreed = best().words.size();
  for (const Hypothesis& other : state_.hypotheses) {
    agreed = std::min(agreed, other.words.size());
    while (agreed > 0 && state_.words[other.words[agreed - 1]].hash !=
                             state_.words[best().words[agreed - 1]].hash)
      --agreed;
  }
  return agreed;
}

// Makes words final that are agreed on or too old.
void BeamDecoder::Settle() {
  const int64_t oldest = state_.now - scorer_->options().max_unstable_frames;
  Hypothesis& first = state_.hypotheses[0];
  if (!first.text.word.empty() && first.trace.last_frame <= oldest) {
    // Long silence ends a word.
    first.words.push_back(static_cast<uint32_t>(state_.words.size()));
    state_.words.push_back(
        {first.trace.Word(first.text.word.text()), BeamScorer::HashOf(first.text.hash, true, "")});
    scorer_->EndWord(first.text);
    first.has_ended = false;
    first.trace = {};
  }
  size_t count = Agreed();
  while (count < first.words.size() && state_.words[first.words[count]].word.last_frame <= oldest)
    ++count;
  if (count > 0) Commit(count);
  // What is older than that in other hypotheses contradicts the best one.
  std::erase_if(state_.hypotheses, [&](const Hypothesis& other) {
    return !other.words.empty() && state_.words[other.words[0]].word.last_frame <= oldest;
  });
  size_t used = 0;
  for (const Hypothesis& hypothesis : state_.hypotheses) used += hypothesis.words.size();
  constexpr size_t kSpare = 256;  // words, so that compacting is rare
  if (state_.words.size() > 2 * used + kSpare) state_.Compact();
}

// Makes the best hypothesis' first words final and drops the hypotheses without them.
void BeamDecoder::Commit(size_t words) {
  const uint64_t hash = state_.words[best().words[words - 1]].hash;
  std::vector<DecodedWord> final = WordsOf(best());
  final.resize(words);
  state_.settled = final.back().last_frame;
  std::ranges::move(final, std::back_inserter(state_.final));
  std::erase_if(state_.hypotheses, [&](const Hypothesis& other) {
    return other.words.size() < words || state_.words[other.words[words - 1]].hash != hash;
  });
  for (Hypothesis& hypothesis : state_.hypotheses)
    hypothesis.words.erase(hypothesis.words.begin(),
                           hypothesis.words.begin() + static_cast<std::ptrdiff_t>(words));
  state_.has_words = true;
}

std::vector<DecodedWord> BeamDecoder::WordsOf(const Hypothesis& hypothesis) const {
  std::vector<DecodedWord> words;
  for (const uint32_t word : hypothesis.words) words.push_back(state_.words[word].word);
  if (!hypothesis.text.word.empty())
    words.push_back(hypothesis.trace.Word(hypothesis.text.word.text()));
  // The final words before may be those of another hypothesis, which saw them end later.
  for (DecodedWord& word : words) {
    word.first_frame = std::max(word.first_frame, state_.settled);
    word.last_frame = std::max(word.last_frame, state_.settled);
  }
  return words;
}

void BeamDecoder::Finish() {
  // Texts as they are when their last word ends: with and without a space behind it they are one.
  std::vector<std::pair<BeamText, double>> texts;
  size_t best = 0;
  double most = 0;
  for (Hypothesis& hypothesis : state_.hypotheses)
    texts.emplace_back(hypothesis.text.word.empty() ? hypothesis.text : Ended(hypothesis),
                       hypothesis.Mass());
  for (size_t i = 0; i < texts.size(); ++i) {
    double mass = 0;
    for (const auto& [text, part] : texts)
      if (text.hash == texts[i].first.hash) mass += part;
    scorer_->EndSentence(texts[i].first);
    const double score = std::log(mass) + texts[i].first.score;
    if (i > 0 && score <= most) continue;
    most = score;
    best = i;
  }
  for (DecodedWord& word : WordsOf(state_.hypotheses[best]))
    state_.final.push_back(std::move(word));
  Begin();
}

std::vector<CtcAlternative> BeamDecoder::Alternatives() const {
  std::vector<CtcAlternative> all;
  for (const Hypothesis& hypothesis : state_.hypotheses) {
    CtcAlternative& alternative = all.emplace_back();
    for (const DecodedWord& word : WordsOf(hypothesis))
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
      BeamScorer::Make(std::move(pieces), std::move(lm), options);
  if (!scorer) return scorer.error();
  return std::unique_ptr<CtcBeamDecoder>(std::make_unique<BeamDecoder>(std::move(*scorer)));
}

}  // namespace rill

#include "modalities/ctc_beam_text.h"

#include <cassert>

#include "operators/core/state.h"

namespace rill {
namespace {

uint64_t Fold(uint64_t hash, char letter) {
  constexpr uint64_t kPrime = 0x100000001b3;  // FNV-1a, 64 bit
  return (hash ^ static_cast<unsigned char>(letter)) * kPrime;
}

template <typename T>
void Mix(uint64_t& hash, const T& value) {
  hash = Hash(std::as_bytes(std::span(&value, 1)), hash);
}

Result<void> Check(const char* name, double value, double least, double most) {
  if (value >= least && value <= most) return {};
  return Error{std::string("beam search: ") + name + " is " + std::to_string(value) +
               ", it must be from " + std::to_string(least) + " to " + std::to_string(most)};
}

Result<void> Check(const CtcBeamOptions& options) {
  constexpr float kMargin = 1e9f;
  const std::tuple<const char*, double, double, double> all[] = {
      {"beam", static_cast<double>(options.beam), 1, 64},
      {"beam_margin", static_cast<double>(options.beam_margin), 1e-3, kMargin},
      {"tokens", static_cast<double>(options.tokens), 1, 256},
      {"token_margin", static_cast<double>(options.token_margin), 1e-3, kMargin},
      {"blank_penalty", static_cast<double>(options.blank_penalty), -20, 20},
      {"lm_weight", static_cast<double>(options.lm_weight), 0, 10},
      {"word_bonus", static_cast<double>(options.word_bonus), -20, 20},
      {"unknown_penalty", static_cast<double>(options.unknown_penalty), 0, 100},
      {"max_unstable_frames", static_cast<double>(options.max_unstable_frames), 1, 1000}};
  for (const auto& [name, value, least, most] : all)
    if (const Result<void> sound = Check(name, value, least, most); !sound) return sound.error();
  return {};
}

}  // namespace

Result<std::shared_ptr<const BeamScorer>> BeamScorer::Make(std::shared_ptr<const CtcPieces> pieces,
                                                           std::shared_ptr<const NgramLm> lm,
                                                           const CtcBeamOptions& options) {
  if (const Result<void> sound = Check(options); !sound) return sound.error();
  Result<Hotwords> hotwords = Hotwords::Make(options.hotwords);
  if (!hotwords) return hotwords.error();
  return std::shared_ptr<const BeamScorer>(
      new BeamScorer(std::move(pieces), std::move(lm), options, std::move(*hotwords)));
}

BeamScorer::BeamScorer(std::shared_ptr<const CtcPieces> pieces, std::shared_ptr<const NgramLm> lm,
                       const CtcBeamOptions& options, Hotwords hotwords)
    : pieces_(std::move(pieces)),
      lm_(std::move(lm)),
      options_(options),
      hotwords_(std::move(hotwords)),
      fingerprint_(pieces_->fingerprint()) {
  Mix(fingerprint_, lm_ ? lm_->fingerprint() : 0);
  Mix(fingerprint_, hotwords_.fingerprint());
  Mix(fingerprint_, options_.beam);
  Mix(fingerprint_, options_.tokens);
  Mix(fingerprint_, options_.max_unstable_frames);
  for (const float value : {options_.beam_margin, options_.token_margin, options_.blank_penalty,
                            options_.lm_weight, options_.word_bonus, options_.unknown_penalty})
    Mix(fingerprint_, value);
}

BeamText BeamScorer::Begin() const {
  BeamText text;
  text.hash = Fold(Hash({}), ' ');
  Match(text, ' ');
  if (lm_) {
    text.prefix = lm_->All();
    text.context = lm_->Begin();
  }
  return text;
}

void BeamScorer::Match(BeamText& text, char letter) const {
  if (hotwords_.empty()) return;
  const Hotwords::Move move = hotwords_.Step(text.hot, letter);
  text.hot = move.node;
  text.score += static_cast<double>(move.credit);
}

void BeamScorer::Penalise(BeamText& text, bool is_penalised) const {
  if (text.is_penalised == is_penalised) return;
  text.is_penalised = is_penalised;
  const double penalty = static_cast<double>(options_.unknown_penalty);
  text.score += is_penalised ? -penalty : penalty;
}

double BeamScorer::Ahead(const BeamText& text) const {
  if (!lm_ || text.word.empty()) return 0;
  return static_cast<double>(options_.lm_weight * lm_->Best(text.prefix) + options_.word_bonus);
}

void BeamScorer::Spell(BeamText& text, std::string_view letters) const {
  for (const char letter : letters) {
    text.hash = Fold(text.hash, letter);
    text.word.Append(letter);
    Match(text, letter);
    if (!lm_) continue;
    if (!text.prefix.empty()) text.prefix = lm_->Narrow(text.prefix, letter);
    // One more than the letters: the space before the word.
    const bool is_hot = hotwords_.depth(text.hot) > text.word.count;
    Penalise(text, text.prefix.empty() && !is_hot);
  }
  const double ahead = Ahead(text);
  text.score += ahead - text.ahead;
  text.ahead = ahead;
}

void BeamScorer::EndWord(BeamText& text) const {
  assert(!text.word.empty());
  text.hash = Fold(text.hash, ' ');
  Match(text, ' ');
  if (lm_) {
    const uint32_t word = lm_->Exact(text.prefix);
    const bool is_hot = hotwords_.depth(text.hot) > text.word.count + 1u;
    Penalise(text, word == lm_->unknown() && !is_hot);
    const float log_prob = lm_->Score(text.context, word, text.context);
    text.score +=
        static_cast<double>(options_.lm_weight * log_prob + options_.word_bonus) - text.ahead;
    text.ahead = 0;
    text.is_penalised = false;
    text.prefix = lm_->All();
  }
  text.word = {};
}

void BeamScorer::EndSentence(BeamText& text) const {
  text.score += static_cast<double>(hotwords_.Settle(text.hot));
  if (lm_ && text.hash != Begin().hash)
    text.score += static_cast<double>(options_.lm_weight * lm_->ScoreEnd(text.context));
}

uint64_t BeamScorer::HashOf(uint64_t hash, bool ends_word, std::string_view letters) {
  if (ends_word) hash = Fold(hash, ' ');
  for (const char letter : letters) hash = Fold(hash, letter);
  return hash;
}

double BeamScorer::MostGain(const BeamText& text, bool ends_word, size_t letters) const {
  double gain = static_cast<double>(hotwords_.most_credit()) *
                static_cast<double>(letters + (ends_word ? 1 : 0));
  if (lm_) {
    // What stands for the word may go, and its own and the next one's bonus come.
    const double bonus = std::max(0.0, static_cast<double>(options_.word_bonus));
    gain += std::max(0.0, bonus - text.ahead) + (ends_word ? bonus : 0);
  }
  if (text.is_penalised && !hotwords_.empty())
    gain += static_cast<double>(options_.unknown_penalty);
  return gain;
}

void BeamScorer::Put(std::vector<std::byte>& to, const BeamText& text) const {
  PutBytes(to, text.hash);
  PutBytes(to, text.word);
  PutBytes(to, text.context.count);
  for (uint32_t i = 0; i < text.context.count; ++i) PutBytes(to, text.context.words[i]);
  PutBytes(to, text.hot);
  PutBytes(to, static_cast<uint8_t>(text.is_penalised));
  PutBytes(to, text.score);
}

bool BeamScorer::TakeSound(Cursor& cursor, BeamText& text) const {
  constexpr double kMost = 1e12;  // far beyond any text's, far below what cannot be added to
  text = {};
  uint8_t is_penalised = 0;
  if (!cursor.Take(text.hash) || !rill::TakeSound(cursor, text.word) ||
      !cursor.Take(text.context.count) || text.context.count >= (lm_ ? lm_->order() : 1))
    return false;
  for (uint32_t i = 0; i < text.context.count; ++i)
    if (!cursor.Take(text.context.words[i]) || text.context.words[i] >= lm_->words()) return false;
  if (!cursor.Take(text.hot) || text.hot >= hotwords_.nodes() || !cursor.Take(is_penalised) ||
      is_penalised > 1 || !cursor.Take(text.score) || !(std::abs(text.score) <= kMost))
    return false;
  text.is_penalised = is_penalised == 1;
  if (lm_) text.prefix = lm_->All();
  for (const char letter : text.word.text())
    if (!text.prefix.empty()) text.prefix = lm_->Narrow(text.prefix, letter);
  text.ahead = Ahead(text);
  return true;
}

}  // namespace rill

#include "modalities/ctc_beam_text.h"

#include <cassert>

#include "operators/core/state.h"

namespace rill {
namespace {

template <typename T>
void Mix(uint64_t& hash, const T& value) {
  hash = Hash(std::as_bytes(std::span(&value, 1)), hash);
}

Result<void> Check(const char* name, double value, double least, double most) {
  if (value >= least && value <= most) return {};
  return Error{std::string("beam search: ") + name + " is " + std::to_string(value) +
               ", it must be from " + std::to_string(least) + " to " + std::to_string(most)};
}

}  // namespace

Result<void> Check(const CtcBeamOptions& options) {
  constexpr float kMargin = 1e9f;
  const std::tuple<const char*, double, double, double> all[] = {
      {"beam", static_cast<double>(options.beam), 1, 512},
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

BeamScorer::BeamScorer(std::shared_ptr<const NgramLm> lm, const CtcBeamOptions& options,
                       Hotwords hotwords, uint64_t fingerprint)
    : lm_(std::move(lm)),
      options_(options),
      hotwords_(std::move(hotwords)),
      fingerprint_(fingerprint) {
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
  text.hash = text.before = HashOf(Hash({}), " ");
  Match(text, ' ');
  text.prefix = All();
  if (lm_) text.context = lm_->Begin();
  return text;
}

void BeamScorer::Match(BeamText& text, char letter) const {
  if (hotwords_.empty()) return;
  const Hotwords::Move move = hotwords_.Step(text.hot, letter);
  text.hot = move.node;
  text.score += static_cast<double>(move.credit);
}

void BeamScorer::ScoreWord(BeamText& text, uint32_t word) const {
  const float log_prob = lm_->Score(text.context, word, text.context);
  text.score +=
      static_cast<double>(options_.lm_weight * log_prob + options_.word_bonus) - text.ahead;
  text.ahead = 0;
}

BeamText BeamScorer::Drop(const BeamText& text) const {
  BeamText left = text;
  left.hash = text.before;
  left.word = {};
  left.prefix = All();
  left.score -= text.ahead + unknown_penalty();
  left.ahead = 0;
  return left;
}

void BeamScorer::EndSentence(BeamText& text) const {
  text.score += static_cast<double>(hotwords_.Settle(text.hot));
  if (lm_ && text.hash != Begin().hash)
    text.score += static_cast<double>(options_.lm_weight * lm_->ScoreEnd(text.context));
}

uint64_t BeamScorer::HashOf(uint64_t hash, std::string_view letters) {
  constexpr uint64_t kPrime = 0x100000001b3;  // FNV-1a, 64 bit
  for (const char letter : letters) hash = (hash ^ static_cast<unsigned char>(letter)) * kPrime;
  return hash;
}

void BeamScorer::Put(std::vector<std::byte>& to, const BeamText& text) const {
  PutBytes(to, text.hash);
  PutBytes(to, text.before);
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
  if (!cursor.Take(text.hash) || !cursor.Take(text.before) || !rill::TakeSound(cursor, text.word) ||
      !cursor.Take(text.context.count) || text.context.count >= (lm_ ? lm_->order() : 1))
    return false;
  for (uint32_t i = 0; i < text.context.count; ++i)
    if (!cursor.Take(text.context.words[i]) || text.context.words[i] >= lm_->words()) return false;
  if (!cursor.Take(text.hot) || text.hot >= hotwords_.nodes() || !cursor.Take(is_penalised) ||
      is_penalised > 1 || !cursor.Take(text.score) || !(std::abs(text.score) <= kMost))
    return false;
  text.is_penalised = is_penalised == 1;
  if (!Narrow(text)) return false;
  text.ahead = Ahead(text);
  return true;
}

}  // namespace rill

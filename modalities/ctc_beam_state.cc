#include "modalities/ctc_beam_state.h"

#include <algorithm>

namespace rill {
namespace {

constexpr uint32_t kBeamState = 0x32425243;  // "CRB2"
constexpr double kMostMass = 0x1p64;

bool TakeMass(Cursor& cursor, double& mass) {
  return cursor.Take(mass) && mass >= 0 && mass <= kMostMass;
}

bool TakeSound(Cursor& cursor, const BeamScorer& scorer, size_t words, Hypothesis& hypothesis) {
  if (!scorer.TakeSound(cursor, hypothesis.text) || !TakeMass(cursor, hypothesis.blank))
    return false;
  BeamEnds& ends = hypothesis.ends;
  if (!cursor.Take(ends.count) || ends.count > BeamEnds::kMost) return false;
  for (uint32_t i = 0; i < ends.count; ++i)
    if (!cursor.Take(ends.pieces[i]) || ends.pieces[i] == 0 || ends.pieces[i] >= scorer.tokens() ||
        !TakeMass(cursor, ends.mass[i]))
      return false;
  uint32_t count = 0;
  if (!TakeSound(cursor, hypothesis.trace) || !TakeFrame(cursor, hypothesis.held) ||
      !cursor.Take(count) || count > scorer.options().max_unstable_frames)
    return false;
  hypothesis.words.resize(count);
  return std::ranges::all_of(hypothesis.words,
                             [&](uint32_t& word) { return cursor.Take(word) && word < words; });
}

}  // namespace

void BeamEnds::Add(uint32_t piece, double more) {
  size_t at = 0;
  while (at < count && pieces[at] != piece) ++at;
  if (at < count) {
    mass[at] += more;
    return;
  }
  if (count < kMost) {
    ++count;
  } else {
    at = static_cast<size_t>(std::min_element(mass.begin(), mass.end()) - mass.begin());
    if (mass[at] >= more) return;
  }
  pieces[at] = piece;
  mass[at] = more;
}

double BeamEnds::Without(uint32_t piece) const {
  double sum = 0;
  for (uint32_t i = 0; i < count; ++i)
    if (pieces[i] != piece) sum += mass[i];
  return sum;
}

void BeamState::Compact() {
  constexpr uint32_t kUnused = 0xffffffff;
  std::vector<uint32_t> places(words.size(), kUnused);
  std::vector<BeamWord> used;
  for (Hypothesis& hypothesis : hypotheses)
    for (uint32_t& word : hypothesis.words) {
      if (places[word] == kUnused) {
        places[word] = static_cast<uint32_t>(used.size());
        used.push_back(std::move(words[word]));
      }
      word = places[word];
    }
  words = std::move(used);
}

std::vector<std::byte> BeamState::Save(const BeamScorer& scorer) const {
  BeamState state = *this;
  state.Compact();
  std::vector<std::byte> out;
  PutBytes(out, kBeamState);
  PutBytes(out, scorer.fingerprint());
  PutBytes(out, now);
  PutBytes(out, settled);
  PutBytes(out, log_scale);
  PutBytes(out, static_cast<uint8_t>(begun | has_words << 1));
  PutBytes(out, final);
  std::vector<DecodedWord> words_only;
  for (const BeamWord& word : state.words) words_only.push_back(word.word);
  PutBytes(out, words_only);
  for (const BeamWord& word : state.words) PutBytes(out, word.hash);
  PutBytes(out, static_cast<uint32_t>(state.hypotheses.size()));
  for (const Hypothesis& hypothesis : state.hypotheses) {
    scorer.Put(out, hypothesis.text);
    PutBytes(out, hypothesis.blank);
    PutBytes(out, hypothesis.ends.count);
    for (uint32_t i = 0; i < hypothesis.ends.count; ++i) {
      PutBytes(out, hypothesis.ends.pieces[i]);
      PutBytes(out, hypothesis.ends.mass[i]);
    }
    PutBytes(out, hypothesis.trace);
    PutBytes(out, hypothesis.held);
    PutBytes(out, static_cast<uint32_t>(hypothesis.words.size()));
    for (const uint32_t word : hypothesis.words) PutBytes(out, word);
  }
  return out;
}

Result<BeamState> BeamState::Restore(const BeamScorer& scorer, std::span<const std::byte> bytes) {
  const Error damaged{"state of a beam search of " + std::to_string(bytes.size()) +
                      " bytes is damaged or cut off"};
  BeamState state;
  Cursor cursor(bytes);
  uint32_t kind = 0, count = 0;
  uint64_t fingerprint = 0;
  uint8_t flags = 0;
  std::vector<DecodedWord> words;
  if (!cursor.Take(kind) || !cursor.Take(fingerprint)) return damaged;
  if (kind != kBeamState || fingerprint != scorer.fingerprint())
    return Error{"state is of another decoder: other pieces, language model or options"};
  if (!TakeFrame(cursor, state.now) || !TakeFrame(cursor, state.settled) ||
      !cursor.Take(state.log_scale) || !std::isfinite(state.log_scale) || !cursor.Take(flags) ||
      flags > 3 || !rill::TakeSound(cursor, state.final) || !rill::TakeSound(cursor, words))
    return damaged;
  state.begun = (flags & 1) != 0;
  state.has_words = (flags & 2) != 0;
  for (DecodedWord& word : words) {
    BeamWord& entry = state.words.emplace_back();
    entry.word = std::move(word);
    if (!cursor.Take(entry.hash)) return damaged;
  }
  if (!cursor.Take(count) || count < 1 || count > scorer.options().beam) return damaged;
  state.hypotheses.resize(count);
  for (Hypothesis& hypothesis : state.hypotheses)
    if (!TakeSound(cursor, scorer, state.words.size(), hypothesis)) return damaged;
  // The search scales the largest to this range after every frame.
  double most = 0;
  for (const Hypothesis& hypothesis : state.hypotheses) most = std::max(most, hypothesis.Mass());
  if (!(most >= 1 && most < 2) || cursor.left() > 0) return damaged;
  return state;
}

}  // namespace rill

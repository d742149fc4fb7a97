// The words of a beam: where they end, and which of them are final.
#include <algorithm>
#include <cmath>
#include <limits>

#include "modalities/ctc_beam_state.h"

namespace rill {

const std::vector<BeamText>& Hypothesis::Endings(const BeamScorer& scorer) {
  if (!has_endings) {
    endings.clear();
    for (uint32_t i = 0; i < scorer.Endings(text); ++i) endings.push_back(scorer.End(text, i));
    has_endings = true;
  }
  return endings;
}

void BeamState::Begin(const BeamScorer& scorer) {
  Hypothesis empty;
  empty.text = scorer.Begin();
  empty.blank = 1;
  hypotheses.assign(1, empty);
  words.clear();
  log_scale = 0;
  begun = has_words = false;
}

void BeamState::PushWord(Hypothesis& hypothesis, const WordTrace& trace, std::string_view text,
                         const BeamText& ended) {
  hypothesis.words.push_back(static_cast<uint32_t>(words.size()));
  words.push_back({trace.Word(text), ended.hash});
}

void BeamState::EndWord(const BeamScorer& scorer, Hypothesis& hypothesis) {
  const std::vector<BeamText>& endings = hypothesis.Endings(scorer);
  if (endings.empty()) {
    hypothesis.text = scorer.Drop(hypothesis.text);
  } else {
    const auto best = std::ranges::max_element(endings, {}, &BeamText::score);
    PushWord(hypothesis, hypothesis.trace,
             scorer.Ending(hypothesis.text, static_cast<uint32_t>(best - endings.begin())), *best);
    hypothesis.text = *best;
  }
  hypothesis.has_endings = false;
  hypothesis.trace = {};
}

// How many ended words all hypotheses have in common.
size_t BeamState::Agreed() const {
  size_t agreed = hypotheses[0].words.size();
  for (const Hypothesis& other : hypotheses) {
    agreed = std::min(agreed, other.words.size());
    while (agreed > 0 &&
           words[other.words[agreed - 1]].hash != words[hypotheses[0].words[agreed - 1]].hash)
      --agreed;
  }
  return agreed;
}

// Makes words final that are agreed on or too old.
void BeamState::Settle(const BeamScorer& scorer) {
  const int64_t oldest = now - scorer.options().max_unstable_frames;
  Hypothesis& first = hypotheses[0];
  // Long silence ends a word.
  if (!first.text.word.empty() && first.trace.last_frame <= oldest) EndWord(scorer, first);
  size_t count = Agreed();
  while (count < first.words.size() && words[first.words[count]].word.last_frame <= oldest) ++count;
  if (count > 0) Commit(scorer, count);
  // What is older than that in other hypotheses contradicts the best one.
  std::erase_if(hypotheses, [&](const Hypothesis& other) {
    return !other.words.empty() && words[other.words[0]].word.last_frame <= oldest;
  });
  size_t used = 0;
  for (const Hypothesis& hypothesis : hypotheses) used += hypothesis.words.size();
  constexpr size_t kSpare = 256;  // words, so that compacting is rare
  if (words.size() > 2 * used + kSpare) Compact();
}

// Makes the best hypothesis' first words final and drops the hypotheses without them.
void BeamState::Commit(const BeamScorer& scorer, size_t count) {
  const uint64_t hash = words[hypotheses[0].words[count - 1]].hash;
  std::vector<DecodedWord> found = WordsOf(scorer, hypotheses[0]);
  found.resize(count);
  settled = found.back().last_frame;
  std::ranges::move(found, std::back_inserter(final));
  std::erase_if(hypotheses, [&](const Hypothesis& other) {
    return other.words.size() < count || words[other.words[count - 1]].hash != hash;
  });
  for (Hypothesis& hypothesis : hypotheses)
    hypothesis.words.erase(hypothesis.words.begin(),
                           hypothesis.words.begin() + static_cast<std::ptrdiff_t>(count));
  has_words = true;
}

std::vector<DecodedWord> BeamState::Partial(const BeamScorer& scorer) const {
  constexpr size_t kCompared = 64;
  constexpr int64_t kPause = 3;  // frames without a piece
  const bool is_pause = now - hypotheses[0].held >= kPause;
  const Hypothesis* best = &hypotheses[0];
  std::string_view last;  // the ending of its unfinished word
  double most = -std::numeric_limits<double>::infinity();
  const auto compare = [&](const Hypothesis& one, BeamText text, std::string_view ending) {
    if (is_pause) scorer.EndSentence(text);
    const double score = std::log(one.Mass()) + text.score;
    if (score <= most) return;
    best = &one;
    most = score;
    last = ending;
  };
  for (const Hypothesis& one :
       std::span(hypotheses).first(std::min(kCompared, hypotheses.size()))) {
    const uint32_t endings = one.text.word.empty() ? 0 : scorer.Endings(one.text);
    if (endings == 0 && (one.text.word.empty() || !is_pause)) compare(one, one.text, {});
    for (uint32_t i = 0; i < endings; ++i)
      compare(one, scorer.End(one.text, i), scorer.Ending(one.text, i));
  }
  return last.empty() ? WordsOf(scorer, *best) : WordsOf(*best, last);
}

std::vector<DecodedWord> BeamState::WordsOf(const BeamScorer& scorer,
                                            const Hypothesis& hypothesis) const {
  return WordsOf(hypothesis,
                 hypothesis.text.word.empty() ? std::string_view() : scorer.Show(hypothesis.text));
}

std::vector<DecodedWord> BeamState::WordsOf(const Hypothesis& hypothesis,
                                            std::string_view last) const {
  std::vector<DecodedWord> found;
  for (const uint32_t word : hypothesis.words) found.push_back(words[word].word);
  if (!last.empty()) found.push_back(hypothesis.trace.Word(last));
  // The final words before may be those of another hypothesis, which saw them end later.
  for (DecodedWord& word : found) {
    word.first_frame = std::max(word.first_frame, settled);
    word.last_frame = std::max(word.last_frame, settled);
  }
  return found;
}

void BeamState::Finish(const BeamScorer& scorer) {
  // Every hypothesis with every ending of its last word: with and without a space behind it they
  // are one text.
  struct Ended {
    Hypothesis* hypothesis;
    uint32_t ending;  // 0 for none, else one more
    BeamText text;
  };
  std::vector<Ended> all;
  for (Hypothesis& hypothesis : hypotheses) {
    if (hypothesis.text.word.empty()) {
      all.push_back({&hypothesis, 0, hypothesis.text});
      continue;
    }
    for (const BeamText& text : hypothesis.Endings(scorer))
      all.push_back(
          {&hypothesis, static_cast<uint32_t>(&text - hypothesis.endings.data()) + 1, text});
  }
  // Where all are in the middle of a word, without it.
  if (all.empty())
    for (Hypothesis& hypothesis : hypotheses)
      all.push_back({&hypothesis, 0, scorer.Drop(hypothesis.text)});
  const Ended* best = all.data();
  double most = -std::numeric_limits<double>::infinity();
  for (Ended& one : all) {
    double mass = 0;
    for (const Ended& other : all)
      if (other.text.hash == one.text.hash) mass += other.hypothesis->Mass();
    scorer.EndSentence(one.text);
    const double score = std::log(mass) + one.text.score;
    if (score <= most) continue;
    most = score;
    best = &one;
  }
  Hypothesis& chosen = *best->hypothesis;
  if (best->ending > 0)
    PushWord(chosen, chosen.trace, scorer.Ending(chosen.text, best->ending - 1), best->text);
  chosen.text.word = {};
  for (DecodedWord& word : WordsOf(scorer, chosen)) final.push_back(std::move(word));
  Begin(scorer);
}

}  // namespace rill

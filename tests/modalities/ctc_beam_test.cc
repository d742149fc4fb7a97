// Beam search against the exact posterior of every text, with and without a language model and
// hotwords; words that are final; its state.
#include "modalities/ctc_beam.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/modalities/ctc_contract.h"

namespace rill {
namespace {

using namespace rill::testing;

constexpr std::string_view kTiny = R"(\data\
ngram 1=6
ngram 2=3
\1-grams:
-2	<unk>
-99	<s>	-0.3
-1	</s>
-0.4	a	-0.2
-0.7	ab	-0.1
-1.5	b
\2-grams:
-0.2	<s> ab
-0.6	ab a
-0.9	a </s>
\end\
)";

std::shared_ptr<const NgramLm> Tiny() {
  return *NgramLm::Parse(std::as_bytes(std::span(kTiny)), "tiny");
}

// Nothing is pruned, nothing becomes final early.
CtcBeamOptions Exact() {
  CtcBeamOptions options;
  options.beam = 64;
  options.beam_margin = options.token_margin = 1e9f;
  options.lm_weight = 0.4f;
  options.word_bonus = 1;
  options.max_unstable_frames = 1000;
  return options;
}

std::unique_ptr<CtcBeamDecoder> Make(std::shared_ptr<const CtcPieces> pieces,
                                     std::shared_ptr<const NgramLm> lm,
                                     const CtcBeamOptions& options) {
  Result<std::unique_ptr<CtcBeamDecoder>> made = MakeBeamDecoder(pieces, lm, options);
  EXPECT_TRUE(made) << (made ? "" : made.error().message);
  return std::move(*made);
}

std::vector<std::string> Split(const std::string& text) {
  std::vector<std::string> words(1);
  for (const char c : text) {
    if (c == ' ')
      words.emplace_back();
    else
      words.back() += c;
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

// The formula of ctc_beam.h but for the posterior, of a whole sentence; a hotword is a whole word.
double TextScore(const NgramLm* lm, const CtcBeamOptions& options, const std::string& text) {
  const std::vector<std::string> words = Split(text);
  double score = 0;
  for (const std::string& word : words)
    for (const Hotword& hotword : options.hotwords)
      if (word == hotword.text) score += static_cast<double>(hotword.boost);
  if (lm == nullptr || words.empty()) return score;
  NgramLm::Context context = lm->Begin();
  for (const std::string& word : words) {
    const bool is_hot =
        std::ranges::any_of(options.hotwords, [&](const Hotword& h) { return h.text == word; });
    if (lm->Find(word) == lm->unknown() && !is_hot)
      score -= static_cast<double>(options.unknown_penalty);
    score += static_cast<double>(options.lm_weight * lm->Score(context, lm->Find(word), context) +
                                 options.word_bonus);
  }
  return score + static_cast<double>(options.lm_weight * lm->ScoreEnd(context));
}

struct Setting {
  const char* name;
  std::vector<std::string> pieces;
  bool has_lm;
  std::vector<Hotword> hotwords;
};

class BeamAgainstAll : public ::testing::TestWithParam<Setting> {};

TEST_P(BeamAgainstAll, FindsTheBestOfAllTexts) {
  const Setting& setting = GetParam();
  const auto pieces = Pieces(setting.pieces);
  const auto lm = setting.has_lm ? Tiny() : nullptr;
  CtcBeamOptions options = Exact();
  options.hotwords = setting.hotwords;
  // So that a few frames decide little and the texts' scores much.
  options.unknown_penalty = 1.5f;
  Random random(4);
  int changed = 0;
  for (int round = 0; round < 300; ++round) {
    const CtcFrames frames = RandomFrames(random, 4, pieces->size(), 1 + round % 5);
    std::map<std::string, double> totals;
    for (const auto& [text, posterior] : Posteriors(*pieces, frames))
      totals[text.substr(0, text.find_last_not_of(' ') + 1)] += posterior;
    std::string best, likeliest;
    double most = -1e9, most_likely = 0;
    for (const auto& [text, posterior] : totals) {
      const double score = std::log(posterior) + TextScore(lm.get(), options, text);
      if (score > most) most = score, best = text;
      if (posterior > most_likely) most_likely = posterior, likeliest = text;
    }
    changed += best != likeliest;
    ASSERT_EQ(TextOf(Decode(*Make(pieces, lm, options), frames)), best) << "round " << round;
  }
  EXPECT_EQ(changed > 0, setting.has_lm || !setting.hotwords.empty());
}

// Two words that sound alike, two ways to say one, words that begin others and that two others
// make.
std::shared_ptr<const Lexicon> Spoken() {
  const Lexicon::Source source{"a A\na(2) B A\nab A B\nb B\nbee B\nbab B A B\nabb A B\n", "tiny"};
  return *Lexicon::Make({"", "A", "B"}, std::span(&source, 1));
}

// Of the phones from `at` on, all ways to be words.
void Segment(const Lexicon& lexicon, const std::string& phones, size_t at, const std::string& text,
             double posterior, std::map<std::string, double>& totals) {
  if (at == phones.size()) totals[text] += posterior;
  for (uint32_t entry = 0; entry < lexicon.size(); ++entry) {
    const std::string_view said = lexicon.Phones(entry);
    if (said.size() > 0 && phones.compare(at, said.size(), said) == 0)
      Segment(lexicon, phones, at + said.size(),
              text + (text.empty() ? "" : " ") + std::string(lexicon.Word(entry)), posterior,
              totals);
  }
}

TEST(PhoneBeam, FindsTheBestOfAllTexts) {
  const auto lexicon = Spoken();
  const auto tokens = Pieces({"", "a", "b"});  // letters that stand for the phones
  CtcBeamOptions options = Exact();
  options.beam = 512;
  options.unknown_penalty = 1.5f;
  for (const bool is_hot : {false, true}) {
    if (is_hot) options.hotwords = {{"bee", 2}, {"bab", 1}};
    Random random(6);
    std::set<std::string> found;
    for (int round = 0; round < 300; ++round) {
      const CtcFrames frames = RandomFrames(random, 5, 3, 1 + round % 5);
      std::map<std::string, double> totals;
      for (const auto& [letters, posterior] : Posteriors(*tokens, frames)) {
        std::string phones = letters;
        for (char& c : phones) c = static_cast<char>(c - 'a' + 1);
        Segment(*lexicon, phones, 0, "", posterior, totals);
      }
      std::string best;
      double most = -1e9;
      for (const auto& [text, posterior] : totals) {
        const double score = std::log(posterior) + TextScore(Tiny().get(), options, text);
        if (score > most) most = score, best = text;
      }
      auto decoder = MakeBeamDecoder(3, lexicon, Tiny(), options);
      ASSERT_TRUE(decoder) << decoder.error().message;
      ASSERT_EQ(TextOf(Decode(**decoder, frames)), best) << "round " << round;
      found.insert(best);
    }
    EXPECT_GT(found.size(), 7u);
    EXPECT_EQ(
        std::ranges::any_of(found, [](const std::string& text) { return text.ends_with("bee"); }),
        is_hot);
  }
}

// Few enough texts for the beam to hold all.
TEST_P(BeamAgainstAll, PosteriorsAreExact) {
  const Setting& setting = GetParam();
  if (std::ranges::find(setting.pieces, " ") != setting.pieces.end())
    GTEST_SKIP() << "a text and the same with a space behind it show alike";
  const auto pieces = Pieces(setting.pieces);
  Random random(7);
  for (int round = 0; round < 50; ++round) {
    const CtcFrames frames = RandomFrames(random, 3, pieces->size(), 2);
    auto want = Posteriors(*pieces, frames);
    const auto decoder = Make(pieces, setting.has_lm ? Tiny() : nullptr, Exact());
    // The same word of all hypotheses becomes final, so a prefix may be gone.
    std::string final;
    for (size_t t = 0; t < frames.size(); ++t) {
      decoder->Step(frames[t], static_cast<int64_t>(t));
      for (const DecodedWord& word : decoder->TakeFinal()) final += word.text + " ";
    }
    const auto alternatives = decoder->Alternatives();
    EXPECT_EQ(alternatives.size(), std::min<size_t>(want.size(), 64));
    for (const CtcAlternative& one : alternatives)
      ASSERT_NEAR(std::exp(one.log_probability), want.at(final + one.text), 1e-7)
          << "\"" << one.text << "\"";
  }
}

INSTANTIATE_TEST_SUITE_P(
    Settings, BeamAgainstAll,
    ::testing::Values(Setting{"letters", {"", "a", "b"}, false, {}},
                      Setting{"words", {"", " a", "a", "b"}, false, {}},
                      Setting{"spellings", {"", " a", "b", " ab"}, false, {}},
                      Setting{"space", {"", " ", "a", "b"}, false, {}},
                      Setting{"words_lm", {"", " a", "a", "b"}, true, {}},
                      Setting{"spellings_lm", {"", " a", "b", " ab"}, true, {}},
                      Setting{"space_lm", {"", " ", "a", "b"}, true, {}},
                      Setting{"hotwords", {"", " a", "b", "a"}, false, {{"ab", 1.5f}, {"ba", 1}}},
                      Setting{
                          "hotwords_lm", {"", " a", "b", " b"}, true, {{"bb", 2}, {"ab", 0.5f}}}),
    [](const auto& info) { return std::string(info.param.name); });

const auto kPieces =
    Pieces({"", " a", "a", "b", " ab", "n", "t", " the", "'", " c", "at", "s", " "});

std::shared_ptr<const NgramLm> Golden() {
  return *NgramLm::Open(RILL_SOURCE_DIR "/tests/goldens/ngram.lm");
}

CtcBeamOptions Usual() {
  CtcBeamOptions options;
  options.beam = 16;
  options.max_unstable_frames = 12;
  options.hotwords = {{"ant cat", 3}, {"bat", 2}};
  return options;
}

TEST(BeamDecoder, KeepsItsPromises) {
  Random random(9);
  for (const size_t beam : {1, 2, 16}) {
    for (const bool has_lm : {false, true}) {
      CtcBeamOptions options = Usual();
      options.beam = beam;
      const auto lm = has_lm ? Golden() : nullptr;
      const MakeDecoder make = [&] { return Make(kPieces, lm, options); };
      const CtcFrames frames = RandomFrames(random, 120, kPieces->size(), 7);
      RestoresAtEveryFrame(make, frames);
      ClonesAreIndependent(make, frames);
      FinalWordsStay(make, frames);
      RefusesDamage(make, frames);
    }
  }
}

std::unique_ptr<CtcBeamDecoder> MakeSpoken(const CtcBeamOptions& options) {
  auto made = MakeBeamDecoder(3, Spoken(), Tiny(), options);
  EXPECT_TRUE(made) << (made ? "" : made.error().message);
  return std::move(*made);
}

TEST(PhoneBeam, KeepsItsPromises) {
  Random random(10);
  for (const size_t beam : {1, 2, 16}) {
    CtcBeamOptions options;
    options.beam = beam;
    options.max_unstable_frames = 12;
    options.hotwords = {{"bee a", 3}};
    const MakeDecoder make = [&] { return MakeSpoken(options); };
    const CtcFrames frames = RandomFrames(random, 120, 3, 7);
    RestoresAtEveryFrame(make, frames);
    ClonesAreIndependent(make, frames);
    FinalWordsStay(make, frames);
    RefusesDamage(make, frames);
  }
}

TEST(PhoneBeam, StaysSmallForEver) {
  CtcBeamOptions options;
  options.beam = 16;
  options.max_unstable_frames = 12;
  StaysSmall([&] { return MakeSpoken(options); }, 3, 8'000);
}

TEST(PhoneBeam, LeavesOutAWordThatNothingEnds) {
  const Lexicon::Source source{"baa B A A\n", "tiny"};
  const auto lexicon = *Lexicon::Make({"", "A", "B"}, std::span(&source, 1));
  CtcBeamOptions options;
  options.lm_weight = 0.1f;
  const auto decoder = std::move(*MakeBeamDecoder(3, lexicon, Tiny(), options));
  std::vector<float> frame = {-9, -9, 0};
  decoder->Step(frame, 0);
  EXPECT_EQ(TextOf(decoder->Partial()), "baa");
  decoder->Finish();
  EXPECT_TRUE(decoder->TakeFinal().empty());
  // As long silence does.
  decoder->Step(frame, 1);
  frame = {0, -40, -40};
  for (int64_t t = 2; t < 100; ++t) decoder->Step(frame, t);
  EXPECT_FALSE(decoder->has_words());
  EXPECT_TRUE(decoder->Partial().empty());
}

TEST(PhoneBeam, RefusesWhatItCannotSay) {
  const auto error = [](std::shared_ptr<const NgramLm> lm, const char* hotword) {
    CtcBeamOptions options;
    if (hotword != nullptr) options.hotwords = {{hotword, 1}};
    return MakeBeamDecoder(3, Spoken(), lm, options).error().message;
  };
  EXPECT_EQ(error(nullptr, nullptr),
            "a search by phones needs a language model, and there is none");
  EXPECT_EQ(error(Tiny(), "bee zoo"),
            "hotword \"bee zoo\": the lexicon does not say how \"zoo\" is pronounced; a file of "
            "pronunciations can");
}

TEST(BeamDecoder, StaysSmallForEver) {
  const auto lm = Golden();
  StaysSmall([&] { return Make(kPieces, lm, Usual()); }, kPieces->size(), 8'000);
}

TEST(BeamDecoder, RefusesStatesAndOptionsOfOthers) {
  CtcBeamOptions other = Usual();
  other.word_bonus = 2;
  EXPECT_EQ(Make(kPieces, nullptr, Usual())
                ->Restore(Make(kPieces, nullptr, other)->Save())
                .error()
                .message,
            "state is of another decoder: other pieces, language model or options");
  EXPECT_FALSE(Make(kPieces, Golden(), Usual())->Restore(Make(kPieces, nullptr, Usual())->Save()));
  const auto error = [](const CtcBeamOptions& options) {
    return MakeBeamDecoder(kPieces, nullptr, options).error().message;
  };
  EXPECT_EQ(error({.beam = 513}),
            "beam search: beam is 513.000000, it must be from 1.000000 to 512.000000");
  EXPECT_EQ(error({.hotwords = {{"New York", 1}}}),
            "hotword \"New York\" is not words of a-z and apostrophes, one space apart");
  EXPECT_EQ(error({.hotwords = {{"york", 0}}}),
            "hotword \"york\" has a boost of 0.000000, it must be above 0 and at most 100");
}

TEST(PhoneBeam, ShowsTheWordThatFitsWhatIsBeforeIt) {
  constexpr std::string_view kTexts = R"(\data\
ngram 1=5
ngram 2=1
\1-grams:
-9	<s>	0
-1	</s>
-1	b	-0.1
-0.5	to
-2	too
\2-grams:
-0.1	b too
\end\
)";
  const Lexicon::Source source{"b B\nto A\ntoo A\n", "tiny"};
  const auto decoder = std::move(*MakeBeamDecoder(
      3, *Lexicon::Make({"", "A", "B"}, std::span(&source, 1)),
      *NgramLm::Parse(std::as_bytes(std::span(kTexts)), "tiny"), CtcBeamOptions()));
  decoder->Step(std::vector<float>{-9, 0, -9}, 0);
  EXPECT_EQ(TextOf(decoder->Partial()), "to");
  decoder->Reset();
  decoder->Step(std::vector<float>{-9, -9, 0}, 0);
  decoder->Step(std::vector<float>{-9, 0, -9}, 1);
  EXPECT_EQ(TextOf(decoder->Partial()), "b too");
}

TEST(PhoneBeam, ShowsInAPauseWhatWillBeFinal) {
  const Lexicon::Source source{"a A\nab A B\nb B\nbee B\nbab B A B\nabb A B\n", "tiny"};
  const auto lexicon = *Lexicon::Make({"", "A", "B"}, std::span(&source, 1));
  CtcBeamOptions options = Exact();
  options.lm_weight = 1;
  size_t with_words = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Random random(seed);
    CtcFrames frames = RandomFrames(random, 6, 3, 6);
    frames.resize(9, {0, -100, -100});
    const auto decoder = std::move(*MakeBeamDecoder(3, lexicon, Tiny(), options));
    for (size_t t = 0; t < frames.size(); ++t) decoder->Step(frames[t], static_cast<int64_t>(t));
    const std::string shown = TextOf(decoder->Partial());
    decoder->Finish();
    EXPECT_EQ(shown, TextOf(decoder->TakeFinal())) << seed;
    with_words += shown.empty() ? 0 : 1;
  }
  EXPECT_GT(with_words, 50u);
}

// Frames that spell a text, a piece each and a blank between, in noise.
CtcFrames Spelled(const std::vector<std::string>& spelling, double sharpness, uint64_t seed) {
  Random random(seed);
  CtcFrames frames = RandomFrames(random, 2 * spelling.size(), kPieces->size(), 1);
  const auto raise = [&](std::vector<float>& frame, size_t piece) {
    frame[piece] += static_cast<float>(sharpness);
    double sum = 0;
    for (const float value : frame) sum += std::exp(static_cast<double>(value));
    for (float& value : frame) value -= static_cast<float>(std::log(sum));
  };
  for (size_t i = 0; i < spelling.size(); ++i) {
    size_t piece = 0;
    while (kPieces->Piece(piece) != spelling[i]) ++piece;
    raise(frames[2 * i], piece);
    raise(frames[2 * i + 1], 0);
  }
  return frames;
}

TEST(BeamDecoder, TimesAndConfidenceAreThoseOfTheSpeltWord) {
  const auto decoder = Make(kPieces, nullptr, {});
  const auto words = Decode(*decoder, Spelled({" the", " c", "at"}, 9, 1));
  ASSERT_EQ(TextOf(words), "the cat");
  EXPECT_EQ(words[0].first_frame, 0);
  EXPECT_EQ(words[0].last_frame, 0);
  EXPECT_EQ(words[1].first_frame, 2);
  EXPECT_EQ(words[1].last_frame, 4);
  EXPECT_GT(words[1].confidence, 0.95f);
}

TEST(BeamDecoder, AgreedWordsAreFinalBeforeTheEnd) {
  const auto decoder = Make(kPieces, nullptr, {});
  const CtcFrames frames = Spelled({" the", " c", "at", "s", " the", "n", " a", "n", "t"}, 14, 2);
  std::string final;
  for (size_t t = 0; t < frames.size(); ++t) {
    decoder->Step(frames[t], static_cast<int64_t>(t));
    for (const DecodedWord& word : decoder->TakeFinal()) final += word.text + " ";
  }
  EXPECT_EQ(final, "the cats then ");
  EXPECT_EQ(TextOf(decoder->Partial()), "ant");
  // Long silence ends the last word too.
  std::vector<float> blank(kPieces->size(), -20);
  blank[0] = 0;
  for (int64_t t = 0; t < 80; ++t) decoder->Step(blank, 18 + t);
  EXPECT_EQ(TextOf(decoder->TakeFinal()), "ant");
  EXPECT_EQ(decoder->blank_frames(), 81);
  EXPECT_TRUE(decoder->has_words());
}

TEST(BeamDecoder, HotwordsPullTowardsThem) {
  // "sat" is heard, and "bat" by so many nats less.
  const auto hears_bat = [](float nats, float boost) {
    CtcFrames frames = Spelled({" the", " ", "s", "at", " the"}, 9, 5);
    frames[4][3] = frames[4][11] - nats;
    CtcBeamOptions options;
    if (boost > 0) options.hotwords = {{"bat", boost}};
    const std::string text = TextOf(Decode(*Make(kPieces, nullptr, options), frames));
    EXPECT_TRUE(text == "the sat the" || text == "the bat the") << text;
    return text == "the bat the";
  };
  for (const float boost : {0.0f, 1.0f, 2.5f, 5.0f})
    for (const float nats : {0.5f, 1.5f, 3.0f, 4.5f, 5.5f})
      EXPECT_EQ(hears_bat(nats, boost), nats < boost) << nats << " nats, boost " << boost;
}

TEST(Hotwords, CreditsAreTakenBackWhenAMatchFails) {
  const std::vector<Hotword> phrases = {{"new york", 8}, {"york", 4}, {"new", 3}, {"newer", 6}};
  const Hotwords hotwords = *Hotwords::Make(phrases);
  // The whole credit of a text, a space before each word and behind the last.
  const auto credit = [&](const std::string& text) {
    uint32_t node = 0;
    float sum = 0;
    for (const char letter : " " + text + " ") {
      const Hotwords::Move move = hotwords.Step(node, letter);
      node = move.node;
      sum += move.credit;
    }
    return sum + hotwords.Settle(node);
  };
  EXPECT_NEAR(credit("a newt in yorkshire"), 0, 1e-5);
  EXPECT_NEAR(credit("a new yorkshire"), 3, 1e-5);
  EXPECT_NEAR(credit("york"), 4, 1e-5);
  EXPECT_NEAR(credit("york york"), 8, 1e-5);
  EXPECT_NEAR(credit("newer"), 6, 1e-5);
  EXPECT_NEAR(credit("new york"), 8 + 4, 1e-5);  // york is inside it
  EXPECT_NEAR(credit("the new house"), 3, 1e-5);
  EXPECT_NEAR(credit("new new york new"), 3 + 8 + 4 + 3, 1e-5);
}

}  // namespace
}  // namespace rill

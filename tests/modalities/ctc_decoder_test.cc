// Pieces of a CTC layer, and the greedy decoder against the definition of its text.
#include "modalities/ctc_decoder.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/modalities/ctc_contract.h"

namespace rill {
namespace {

using namespace rill::testing;

const auto kPieces = Pieces({"", " ", "a", "b", " a", "ba", " '"});

MakeDecoder Greedy(float penalty = 0) {
  return [penalty] { return MakeGreedyDecoder(kPieces, penalty); };
}

// A frame in which one piece has this probability and the others share the rest.
std::vector<float> Sure(size_t piece, double probability = 0.9) {
  const double rest = (1 - probability) / static_cast<double>(kPieces->size() - 1);
  std::vector<float> frame(kPieces->size(), static_cast<float>(std::log(rest)));
  frame[piece] = static_cast<float>(std::log(probability));
  return frame;
}

TEST(CtcPieces, RefusesWhatIsNoVocabulary) {
  const auto error = [](std::vector<std::string> pieces) {
    const auto made = CtcPieces::Make(std::move(pieces));
    return made ? std::string("none") : made.error().message;
  };
  EXPECT_EQ(error({""}), "1 pieces, 2 to 65536 are wanted");
  EXPECT_EQ(error({"a", "b"}), "piece 0 is \"a\", it must be the empty blank");
  const std::string made = " is not made of a-z and apostrophes, perhaps behind one space";
  EXPECT_EQ(error({"", "a", ""}), "piece 2 \"\"" + made);
  EXPECT_EQ(error({"", "B"}), "piece 1 \"B\"" + made);
  EXPECT_EQ(error({"", "  a"}), "piece 1 \"  a\"" + made);
  EXPECT_EQ(error({"", "a "}), "piece 1 \"a \"" + made);
  EXPECT_EQ(error({"", "a", "b", "a"}), "piece 3 \"a\" is there twice");
  const std::string letters(65, 'a');
  EXPECT_EQ(error({"", letters}), "piece 1 \"" + letters + "\" has 65 letters, at most 64");
}

TEST(GreedyDecoder, TextOfTheBestPieces) {
  Random random(1);
  for (int round = 0; round < 200; ++round) {
    const CtcFrames frames = RandomFrames(random, 40, kPieces->size(), 5);
    std::vector<size_t> best;
    for (const auto& frame : frames)
      best.push_back(static_cast<size_t>(std::ranges::max_element(frame) - frame.begin()));
    std::string want = Collapsed(*kPieces, best);
    if (want.ends_with(' ')) want.pop_back();
    EXPECT_EQ(TextOf(Decode(*Greedy()(), frames)), want);
  }
}

TEST(GreedyDecoder, TimesAndConfidence) {
  const CtcFrames frames = {Sure(0), Sure(2, 0.5), Sure(2, 0.8), Sure(0),      Sure(3, 0.6),
                            Sure(0), Sure(0),      Sure(1, 0.9), Sure(3, 0.7), Sure(0)};
  const auto decoder = Greedy()();
  std::vector<int64_t> blanks;
  for (size_t t = 0; t < frames.size(); ++t) {
    decoder->Step(frames[t], static_cast<int64_t>(t) + 100);
    blanks.push_back(decoder->blank_frames());
    EXPECT_EQ(decoder->has_words(), t >= 1);
  }
  EXPECT_EQ(blanks, (std::vector<int64_t>{1, 0, 0, 1, 0, 1, 2, 0, 0, 1}));
  const auto final = decoder->TakeFinal(), partial = decoder->Partial();
  ASSERT_EQ(TextOf(final), "ab");
  EXPECT_EQ(final[0].first_frame, 101);
  EXPECT_EQ(final[0].last_frame, 104);
  EXPECT_NEAR(final[0].confidence, std::sqrt(0.8 * 0.6), 1e-6);
  ASSERT_EQ(TextOf(partial), "b");
  EXPECT_EQ(partial[0].first_frame, 107);
  EXPECT_NEAR(partial[0].confidence, std::sqrt(0.9 * 0.7), 1e-6);
  decoder->Finish();
  EXPECT_EQ(decoder->TakeFinal(), partial);
  EXPECT_TRUE(decoder->Partial().empty());
  EXPECT_FALSE(decoder->has_words());
  EXPECT_EQ(decoder->blank_frames(), 0);
}

TEST(GreedyDecoder, ABlankPenaltyFindsMore) {
  const CtcFrames frames = {{-0.6f, -5, -1.5f, -5, -5, -5, -5}};
  EXPECT_EQ(TextOf(Decode(*Greedy(0)(), frames)), "");
  EXPECT_EQ(TextOf(Decode(*Greedy(1)(), frames)), "a");
}

TEST(GreedyDecoder, WordsWithoutEndAreCut) {
  CtcFrames frames;
  for (int i = 0; i < 150; ++i) frames.push_back(Sure(i % 2 == 0 ? 2 : 3));
  std::vector<size_t> letters;
  for (const DecodedWord& word : Decode(*Greedy()(), frames)) letters.push_back(word.text.size());
  EXPECT_EQ(letters, (std::vector<size_t>{64, 64, 22}));
}

TEST(GreedyDecoder, NumbersThatAreNoneAreNeverBest) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(TextOf(Decode(*Greedy()(), {{nan, nan, -1, nan, -infinity, nan, -2}})), "a");
  EXPECT_EQ(TextOf(Decode(*Greedy()(), {std::vector<float>(7, nan)})), "");
}

TEST(GreedyDecoder, KeepsItsPromises) {
  Random random(9);
  const CtcFrames frames = RandomFrames(random, 120, kPieces->size(), 6);
  RestoresAtEveryFrame(Greedy(0.5f), frames);
  ClonesAreIndependent(Greedy(0.5f), frames);
  FinalWordsStay(Greedy(0.5f), frames);
  RefusesDamage(Greedy(0.5f), frames);
  StaysSmall(Greedy(0.5f), kPieces->size(), 200);
  EXPECT_EQ(Greedy(1)()->Restore(Greedy(2)()->Save()).error().message,
            "state is of another decoder than a greedy one with these pieces and penalty");
}

TEST(GreedyDecoder, PartialResultsOnlyGrow) {
  Random random(5);
  const CtcFrames frames = RandomFrames(random, 500, kPieces->size(), 4);
  const auto decoder = Greedy()();
  std::string final, shown;
  for (size_t t = 0; t < frames.size(); ++t) {
    decoder->Step(frames[t], static_cast<int64_t>(t));
    for (const DecodedWord& word : decoder->TakeFinal()) final += word.text + " ";
    const std::string now = final + TextOf(decoder->Partial());
    ASSERT_TRUE(now.starts_with(shown)) << "\"" << shown << "\" became \"" << now << "\"";
    shown = now;
  }
}

}  // namespace
}  // namespace rill

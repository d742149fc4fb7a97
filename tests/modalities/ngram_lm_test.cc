// The language model: back-off against values worked out by hand, both files of one model, words by
// their letters, and files damaged in any way.
#include "modalities/ngram_lm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>

#include "tests/support/random.h"

namespace rill {
namespace {

using rill::testing::Random;
using Model = std::shared_ptr<const NgramLm>;

constexpr std::string_view kTiny = R"(
\data\
ngram 1=6
ngram 2=4
ngram 3 = 2

\1-grams:
-1.5	<unk>
-99	<s>	-0.25
-1.0	</s>
-0.5	cat	-0.1
-0.75	the	-0.2
-1.25	cats

\2-grams:
-0.3	<s> the	-0.4
-0.6 the cat -0.7
-0.9	the	cats
-0.2	cat </s>

\3-grams:
-0.05	<s> the cat
-0.15	the cat </s>

\end\
)";

Result<Model> Parse(std::string_view text) {
  return NgramLm::Parse(std::as_bytes(std::span(text)), "m");
}

std::string Golden(const std::string& name) {
  std::ifstream file(RILL_SOURCE_DIR "/tests/goldens/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// log10 p(word | words before), which begin a sentence when the first is "<s>".
double Log10(const NgramLm& lm, const std::vector<std::string>& before, const std::string& word) {
  NgramLm::Context context;
  for (const std::string& w : before) {
    if (w == "<s>")
      context = lm.Begin();
    else
      lm.Score(context, lm.Find(w), context);
  }
  const float score =
      word == "</s>" ? lm.ScoreEnd(context) : lm.Score(context, lm.Find(word), context);
  return static_cast<double>(score) / std::log(10);
}

TEST(NgramLm, BacksOffAsByHand) {
  const Model lm = *Parse(kTiny);
  EXPECT_EQ(lm->order(), 3u);
  EXPECT_EQ(lm->words(), 6u);
  const std::tuple<std::vector<std::string>, std::string, double> cases[] = {
      {{"<s>"}, "the", -0.3},
      {{"<s>", "the"}, "cat", -0.05},
      {{"<s>", "the", "cat"}, "</s>", -0.15},
      {{"<s>", "the"}, "cats", -0.4 - 0.9},               // back-off of a listed pair
      {{"<s>", "the"}, "the", -0.4 - 0.2 - 0.75},         // twice
      {{"<s>"}, "cat", -0.25 - 0.5},                      //
      {{"<s>", "cat"}, "</s>", -0.2},                     // "<s> cat" is not listed
      {{"the", "cat"}, "cat", -0.7 - 0.1 - 0.5},          //
      {{"cats", "cats"}, "the", -0.75},                   // no back-off given is 0
      {{"the", "dog"}, "the", -0.75},                     // after a word that is not listed
      {{"<s>", "the", "cat", "the"}, "dog", -0.2 - 1.5},  //
      {{"<s>", "the", "the", "cat"}, "</s>", -0.15},      // only two words count
      {{}, "cat", -0.5},
  };
  for (const auto& [before, word, want] : cases)
    EXPECT_NEAR(Log10(*lm, before, word), want, 1e-6) << before.size() << " words, " << word;
}

TEST(NgramLm, ReadsWhatLeavesThingsOut) {
  const Model lm =
      *Parse("\\data\\\r\nngram 1=2\r\n\\1-grams:\r\n-1 <s>\r\n-2 </s>\r\n\\end\\\r\n");
  EXPECT_EQ(lm->order(), 1u);
  EXPECT_EQ(lm->Begin().count, 0u);
  EXPECT_NEAR(Log10(*lm, {"<s>"}, "</s>"), -2, 1e-6);
  EXPECT_NEAR(Log10(*lm, {"<s>"}, "x"), -7, 1e-5);  // the floor
}

TEST(NgramLm, WordsByTheirLetters) {
  const std::string text = Golden("ngram.arpa");
  const Model lm = *Parse(text);
  ASSERT_EQ(lm->words(), 14u);
  const std::string letters = "aehnrstxy'<>/uk";
  Random random(3);
  for (int round = 0; round < 2000; ++round) {
    NgramLm::Prefix prefix = lm->All();
    std::string start;
    for (size_t count = random.Below(6); count > 0; --count) {
      start += letters[random.Below(letters.size())];
      prefix = lm->Narrow(prefix, start.back());
    }
    if (round < static_cast<int>(lm->words())) {  // and every word itself
      start = lm->Word(static_cast<uint32_t>(round));
      prefix = lm->All();
      for (const char letter : start) prefix = lm->Narrow(prefix, letter);
    }
    std::vector<uint32_t> want;
    for (uint32_t id = 0; id < lm->words(); ++id)
      if (lm->Word(id).starts_with(start)) want.push_back(id);
    ASSERT_EQ(prefix.last - prefix.first, want.size()) << start;
    if (!want.empty()) {
      EXPECT_EQ(prefix.first, want[0]);
    }
    EXPECT_EQ(lm->Exact(prefix), lm->Find(start)) << start;
  }
}

TEST(NgramLm, BestOfManyWords) {
  Random random(12);
  std::string text = "\\data\\\nngram 1=1003\n\\1-grams:\n-1 <s>\n-2 </s>\n-3 <unk>\n";
  std::vector<float> log10(1003);
  for (size_t i = 3; i < log10.size(); ++i) {
    const size_t hundredths = 100 + random.Below(900);
    log10[i] = -static_cast<float>(hundredths) / 100;
    text += "-" + std::to_string(hundredths) + "e-2 w" + std::to_string(i + 10'000) + "\n";
  }
  const Model lm = *Parse(text + "\\end\\\n");
  for (int round = 0; round < 5000; ++round) {
    const size_t first = 3 + random.Below(1000), last = first + 1 + random.Below(1003 - first);
    const float want =
        std::log(10.0f) * *std::max_element(log10.begin() + first, log10.begin() + last);
    const NgramLm::Prefix prefix{static_cast<uint32_t>(first), static_cast<uint32_t>(last), 1};
    ASSERT_NEAR(lm->Best(prefix), want, 1e-5) << first << " to " << last;
  }
  EXPECT_NEAR(lm->Best({5, 5, 1}), -3 * std::log(10.0f), 1e-5);
}

TEST(NgramLm, BinaryEqualsArpaToItsStep) {
  const Model text = *NgramLm::Open(RILL_SOURCE_DIR "/tests/goldens/ngram.arpa");
  const Model binary = *NgramLm::Open(RILL_SOURCE_DIR "/tests/goldens/ngram.lm");
  ASSERT_EQ(text->words(), binary->words());
  const uint32_t count = static_cast<uint32_t>(text->words());
  for (uint32_t a = 0; a < count; ++a)
    for (uint32_t b = 0; b < count; ++b)
      for (uint32_t c = 0; c < count; ++c) {
        const NgramLm::Context context{{a, b}, 2};
        NgramLm::Context next;
        if (text->Word(c) == "<s>") continue;
        // A probability and two back-offs, each half a step of 1/1024 off.
        ASSERT_NEAR(text->Score(context, c, next), binary->Score(context, c, next), 2e-3);
        ASSERT_EQ(next, (NgramLm::Context{{b, c}, 2}));
      }
}

TEST(NgramLm, ProbabilitiesSumToOne) {
  const Model lm = *NgramLm::Open(RILL_SOURCE_DIR "/tests/goldens/ngram.arpa");
  for (uint32_t a = 0; a < lm->words(); ++a)
    for (uint32_t b = 0; b < lm->words(); ++b) {
      double sum = 0;
      for (uint32_t c = 0; c < lm->words(); ++c) {
        NgramLm::Context next;
        if (lm->Word(c) != "<s>")
          sum += std::exp(static_cast<double>(lm->Score({{a, b}, 2}, c, next)));
      }
      ASSERT_NEAR(sum, 1, 1e-4);
    }
}

TEST(NgramLm, ArpaErrorsNameTheLine) {
  const auto error = [](std::string_view from, std::string_view to) {
    std::string text(kTiny.substr(1));
    text.replace(text.find(from), from.size(), to);
    const Result<Model> lm = Parse(text);
    return lm ? std::string("none") : lm.error().message;
  };
  EXPECT_EQ(error("\\data\\", "data"), "m: line 1: neither \\data\\ of an ARPA file nor RILLGRAM");
  EXPECT_EQ(error("ngram 2=4", "ngram 3=4"),
            "m: line 3: \"2=COUNT\" is expected after ngram, not \"3=4\"");
  EXPECT_EQ(error("ngram 2=4", "ngram 2=99999999999"), "m: line 3: more than 16777216 grams");
  EXPECT_EQ(error("ngram 1=6", "ngram 1=7"), "m: line 14: 6 grams of 1 words, 7 were announced");
  EXPECT_EQ(error("ngram 2=4", "ngram 2=3"), "m: line 18: more than the 3 grams of 2 words");
  EXPECT_EQ(error("-0.6 the", "0.6 the"),
            "m: line 16: log probability \"0.6\" is no number up to 0");
  EXPECT_EQ(error("-0.6 the", "nan the"),
            "m: line 16: log probability \"nan\" is no number up to 0");
  EXPECT_EQ(error("cat -0.7", "cat -0.7x"), "m: line 16: back-off \"-0.7x\" is no number");
  EXPECT_EQ(error("the cat -0.7", "the\tdog"), "m: line 16: \"dog\" is not among the 1-grams");
  EXPECT_EQ(error("<s> the cat", "cats the cat"),
            "m: line 21: the first 2 words are no gram themselves");
  EXPECT_EQ(error("-0.15\tthe cat </s>", "-0.15\t<s> the cat"),
            "m: line 22: the gram is there twice");
  EXPECT_EQ(error("-1.25\tcats", "-1.25\tcat"), "m: line 12: \"cat\" is there twice");
  EXPECT_EQ(error("</s>\n\n\\end\\", "</s>\n"), "m: line 23: \\end\\ is missing");
  EXPECT_EQ(error("-1.0\t</s>", "-1.0\tx"), "m: line 18: \"</s>\" is not among the 1-grams");
  EXPECT_EQ(NgramLm::Open("/nowhere").error().message,
            "/nowhere: cannot open the language model: No such file or directory");
  EXPECT_EQ(NgramLm::Open("/tmp").error().message,
            "/tmp: not a language model: it is no regular file");
}

// What is read in spite of the damage must still be safe to use.
void Use(const NgramLm& lm) {
  Random random(1);
  NgramLm::Context context = lm.Begin();
  for (int i = 0; i < 50; ++i)
    lm.Score(context, static_cast<uint32_t>(random.Below(lm.words())), context);
  for (uint32_t id = 0; id < lm.words(); ++id) {
    NgramLm::Prefix prefix = lm.All();
    for (const char letter : lm.Word(id)) prefix = lm.Narrow(prefix, letter);
    EXPECT_EQ(lm.Exact(prefix), id);
  }
}

class DamagedNgramLm : public ::testing::TestWithParam<const char*> {};

TEST_P(DamagedNgramLm, EveryTruncationIsAnError) {
  const std::string whole = Golden(GetParam());
  ASSERT_TRUE(Parse(whole));
  // ARPA ends with "\end\" and a line break; without the break it is whole.
  const size_t most = whole.find_last_not_of('\n');
  for (size_t bytes = 0; bytes <= most; ++bytes)
    EXPECT_FALSE(Parse(std::string_view(whole).substr(0, bytes))) << bytes;
}

TEST_P(DamagedNgramLm, NoFlipsCrash) {
  const std::string whole = Golden(GetParam());
  Random random(8);
  size_t errors = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = whole;
    for (size_t flips = 1 + random.Below(3); flips > 0; --flips) {
      const size_t span = round % 2 == 0 ? bytes.size() : std::min<size_t>(bytes.size(), 200);
      bytes[random.Below(span)] = static_cast<char>(random.Bits());
    }
    const Result<Model> lm = Parse(bytes);
    if (lm)
      Use(**lm);
    else
      ++errors;
  }
  EXPECT_GT(errors, 2'000u);
  EXPECT_LT(errors, 20'000u);
}

INSTANTIATE_TEST_SUITE_P(Files, DamagedNgramLm, ::testing::Values("ngram.arpa", "ngram.lm"),
                         [](const auto& info) { return std::string(info.param).substr(6); });

}  // namespace
}  // namespace rill

// Lexicons: their text, and what a search asks of them.
#include "modalities/lexicon.h"

#include <gtest/gtest.h>

#include "tests/support/random.h"

namespace rill {
namespace {

using rill::testing::Random;

const std::vector<std::string> kPhones = {"", "AE", "B", "D", "EY", "S"};

Result<std::shared_ptr<const Lexicon>> Parse(std::string_view text) {
  const Lexicon::Source source{text, "words.txt"};
  return Lexicon::Make(kPhones, std::span(&source, 1));
}

std::vector<std::string> Words(const Lexicon& lexicon, const PrefixRange& range) {
  std::vector<std::string> words;
  for (uint32_t i = range.first; i < range.last; ++i) words.emplace_back(lexicon.Word(i));
  return words;
}

TEST(Lexicon, ReadsTheFormOfTheCmuDictionary) {
  const auto made = Parse(
      ";;; a comment\n# another\n\nabs  AE1 B S\r\nace EY1 S\nace(2) AE S\n"
      "d'ab\tD AE0 B\ndab D AE B\nace EY S\n");
  ASSERT_TRUE(made) << made.error().message;
  const Lexicon& lexicon = **made;
  EXPECT_EQ(lexicon.size(), 5u);  // one line says again what another did
  EXPECT_TRUE(lexicon.Knows("ace"));
  EXPECT_TRUE(lexicon.Knows("d'ab"));
  EXPECT_FALSE(lexicon.Knows("ac"));
  EXPECT_FALSE(lexicon.Knows(""));
  PrefixRange range = lexicon.Narrow(lexicon.All(), 1);
  EXPECT_EQ(Words(lexicon, range), (std::vector<std::string>{"abs", "ace"}));
  EXPECT_TRUE(lexicon.Exact(range).empty());
  range = lexicon.Narrow(range, 5);
  EXPECT_EQ(Words(lexicon, lexicon.Exact(range)), (std::vector<std::string>{"ace"}));
  EXPECT_TRUE(lexicon.Narrow(range, 5).empty());
  for (const char phone : {3, 1, 2})
    range = lexicon.Narrow(phone == 3 ? lexicon.All() : range, phone);
  EXPECT_EQ(Words(lexicon, lexicon.Exact(range)), (std::vector<std::string>{"d'ab", "dab"}));
}

TEST(Lexicon, SeveralTextsHoldBesideEachOther) {
  const Lexicon::Source sources[] = {{"ace EY S", "one"}, {"ace AE S\ndab D AE B\n", "two"}};
  const auto both = Lexicon::Make(kPhones, sources);
  ASSERT_TRUE(both);
  EXPECT_EQ((*both)->size(), 3u);
  EXPECT_NE((*both)->fingerprint(), (*Parse("ace EY S"))->fingerprint());
  EXPECT_EQ((*both)->fingerprint(), (*Parse("dab D AE B\nace AE S\nace EY S"))->fingerprint());
}

TEST(Lexicon, ErrorsNameTheLine) {
  const auto error = [](std::string_view text) { return Parse(text).error().message; };
  EXPECT_EQ(error("ace EY S\nbad B AH D\n"), "words.txt, line 2: \"AH\" is no phone of the model");
  EXPECT_EQ(error("ace"), "words.txt, line 1: \"ace\" is said with 0 phones, 1 to 64 are read");
  EXPECT_EQ(error("ace " +
                  [] {
                    std::string phones;
                    for (int i = 0; i < 65; ++i) phones += " S";
                    return phones;
                  }()),
            "words.txt, line 1: \"ace\" is said with 65 phones, 1 to 64 are read");
  EXPECT_EQ(error("Ace EY S"),
            "words.txt, line 1: \"Ace\" is not 1 to 64 letters a-z and apostrophes");
  EXPECT_EQ(error("(2) EY S"),
            "words.txt, line 1: \"(2)\" is not 1 to 64 letters a-z and apostrophes");
  EXPECT_EQ(Lexicon::Make({"AE"}, {}).error().message,
            "a model of 1 phones, 2 to 255 are read, of which the first alone is empty");
}

TEST(RangeMaximum, IsThatOfEveryRange) {
  Random random(3);
  std::vector<float> values(700);
  for (float& value : values) value = static_cast<float>(random.Uniform());
  const RangeMaximum most{values};
  for (uint32_t first = 0; first < values.size(); first += 13) {
    float want = values[first];
    for (uint32_t last = first + 1; last <= values.size(); ++last) {
      want = std::max(want, values[last - 1]);
      ASSERT_EQ(most.Of(first, last), want) << first << " to " << last;
    }
  }
}

}  // namespace
}  // namespace rill

// Where text is split: the cases of the expression, and that every byte of anything comes out once.
#include "modalities/pre_tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/random.h"

namespace rill {
namespace {

using rill::testing::Random;
using Pieces = std::vector<std::string>;

Pieces Split(std::string_view text,
             PreTokenizer::Matching matching = PreTokenizer::Matching::kCompiled) {
  Pieces pieces;
  const Result<PreTokenizer> made = PreTokenizer::Make(matching);
  EXPECT_TRUE(made) << made.error().message;
  const Result<void> done =
      made->Split(text, [&](std::string_view piece) { pieces.emplace_back(piece); });
  EXPECT_TRUE(done) << done.error().message;
  return pieces;
}

TEST(PreTokenizer, TakesContractionsInBothCases) {
  EXPECT_EQ(Split("I'm we'LL they'Ve"), (Pieces{"I", "'m", " we", "'LL", " they", "'Ve"}));
  EXPECT_EQ(Split("it'so 'dx"), (Pieces{"it", "'s", "o", " '", "dx"}));
  EXPECT_EQ(Split("l'an 'x"), (Pieces{"l", "'an", " '", "x"}));
  EXPECT_EQ(Split("'\u017F"), (Pieces{"'\u017F"}));  // the long s is no s
}

TEST(PreTokenizer, TakesLettersWithOneSignOrBlankBefore) {
  EXPECT_EQ(Split("hello world"), (Pieces{"hello", " world"}));
  EXPECT_EQ(Split("(a) -b \tc"), (Pieces{"(a", ")", " -", "b", " ", "\tc"}));
  EXPECT_EQ(Split("Größe Καλημέρα мир"), (Pieces{"Größe", " Καλημέρα", " мир"}));
  EXPECT_EQ(Split("你好，世界"), (Pieces{"你好", "，世界"}));
  // Vowel signs are marks, which are signs here.
  EXPECT_EQ(Split("हिन्दी"), (Pieces{"ह", "िन", "्द", "ी"}));
  EXPECT_EQ(Split("e\u0301a"), (Pieces{"e", "\u0301a"}));
}

TEST(PreTokenizer, TakesDigitsInThrees) {
  EXPECT_EQ(Split("1234567"), (Pieces{"123", "456", "7"}));
  EXPECT_EQ(Split(" 12 a1b"), (Pieces{" ", "12", " a", "1", "b"}));
  EXPECT_EQ(Split("١٢٣٤½Ⅷ"), (Pieces{"١٢٣", "٤½Ⅷ"}));
}

TEST(PreTokenizer, TakesSignsWithLineEndsBehindThem) {
  EXPECT_EQ(Split("a --\r\n\nb"), (Pieces{"a", " --\r\n\n", "b"}));
  EXPECT_EQ(Split("x = 1;\n  y"), (Pieces{"x", " =", " ", "1", ";\n", " ", " y"}));
  EXPECT_EQ(Split("👩‍👩‍👧 👍🏽"), (Pieces{"👩‍👩‍👧", " 👍🏽"}));
}

TEST(PreTokenizer, LeavesTheLastBlankToWhatFollows) {
  EXPECT_EQ(Split("a   b"), (Pieces{"a", "  ", " b"}));
  EXPECT_EQ(Split("a   "), (Pieces{"a", "   "}));
  EXPECT_EQ(Split("a 1"), (Pieces{"a", " ", "1"}));
  EXPECT_EQ(Split("a\u3000\u00A0b"), (Pieces{"a", "\u3000", "\u00A0b"}));
  EXPECT_EQ(Split(" \u180E"), (Pieces{" \u180E"}));  // no blank since Unicode 6.3
}

TEST(PreTokenizer, TakesBlanksUpToTheLastLineEnd) {
  EXPECT_EQ(Split("a \n \r\n  b"), (Pieces{"a", " \n \r\n", " ", " b"}));
  EXPECT_EQ(Split("\n\n\n"), (Pieces{"\n\n\n"}));
  EXPECT_EQ(Split("a\nb"), (Pieces{"a", "\n", "b"}));
  EXPECT_EQ(Split("\n  "), (Pieces{"\n", "  "}));
}

TEST(PreTokenizer, TakesBytesThatAreNoCharacterOneByOne) {
  EXPECT_EQ(Split("a\xFF b"), (Pieces{"a", "\xFF", " b"}));
  EXPECT_EQ(Split("\xE4\xBD"), (Pieces{"\xE4", "\xBD"}));
  EXPECT_EQ(Split("  \xED\xA0\x80"), (Pieces{"  ", "\xED", "\xA0", "\x80"}));
  EXPECT_EQ(Split(std::string_view("a\0b", 3)), (Pieces{"a", std::string("\0b", 2)}));
}

TEST(PreTokenizer, IsTheSameInterpretedAndLosesNothing) {
  constexpr std::string_view kParts[] = {"a",  "S",  "é",  "中",   "ि",        "7",      "½", " ",
                                         "  ", "\n", "\r", "\t",   "\u00A0",   "\u2028", "'", "'ll",
                                         "-",  "_",  "😀",  "\xFF", "\xE4\xBD", "\u200D", "<|"};
  Random random(7);
  for (int round = 0; round < 3000; ++round) {
    std::string text, joined;
    for (size_t i = random.Below(30); i > 0; --i) text += kParts[random.Below(std::size(kParts))];
    const Pieces pieces = Split(text);
    for (const std::string& piece : pieces) joined += piece;
    ASSERT_EQ(joined, text);
    ASSERT_TRUE(std::ranges::find(pieces, "") == pieces.end());
    ASSERT_EQ(Split(text, PreTokenizer::Matching::kInterpreted), pieces) << text;
  }
}

// More blanks than the limit on tries that PCRE2 sets by itself.
TEST(PreTokenizer, DoesNotGiveUpOnLongRuns) {
  const size_t count = 11'000'000;
  for (const char letter : {' ', 'a', '-', '\n'}) {
    const std::string text = std::string(count, letter) + "b";
    const Pieces pieces = Split(text);
    ASSERT_EQ(pieces.size(), letter == 'a' ? 1u : 2u) << letter;
    EXPECT_EQ(pieces.back(), letter == 'a' ? text : letter == ' ' ? " b" : "b");
    EXPECT_TRUE(Split(text, PreTokenizer::Matching::kInterpreted) == pieces);
  }
}

}  // namespace
}  // namespace rill

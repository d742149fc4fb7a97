// The fuzz target on seeded mutations, so that every build runs some of it.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "tests/fuzz/tokenizer_fuzz.h"
#include "tests/support/random.h"
#include "tests/support/vocabulary.h"

namespace rill::testing {
namespace {

std::string Draw(Random& random, const std::vector<std::string>& parts, size_t most) {
  std::string text;
  for (size_t i = random.Below(most + 1); i > 0; --i) text += parts[random.Below(parts.size())];
  return text;
}

const std::vector<std::string> kTexts = {
    "a",        "the",     " it's", "\n",     "  ",     "\t",         "123",
    "-",        "é",       "中",    "😀",      "\xE4",   "\xBD",       "\xFF",
    "\xF0\x9F", "ि",       "<|",    "|>",     "im_end", "<|im_end|>", "<|im_start|>",
    "<think>",  "</think", "  \t",  "\u180E", "\u2028"};

TEST(TokenizerFuzz, TextsComeBack) {
  Random random(21);
  for (int round = 0; round < 4000; ++round) FuzzText(Draw(random, kTexts, 25));
}

TEST(TokenizerFuzz, VocabulariesOfAnyTokensWorkOrAreRefused) {
  Random random(22);
  const std::vector<std::string> letters = {"a", "b", "ab", "-", "<", "|", ">", "Ġ", "é", "\xFF"};
  size_t made = 0;
  for (int round = 0; round < 4000; ++round) {
    std::string lines = "C<|im_start|>\nC<|im_end|>\n";
    for (size_t i = random.Below(12); i > 0; --i) {
      const char kind = "TTTTCUXMMM"[random.Below(10)];
      const std::string left = Draw(random, letters, 2), right = Draw(random, letters, 2);
      // Mostly merges that can be.
      if (kind == 'M' && random.Below(4) > 0 && !left.empty() && !right.empty())
        lines += "T" + left + right + "\nM" + Spelled(left) + " " + Spelled(right) + "\n";
      else
        lines += kind + left + (kind == 'M' ? " " : "") + right + "\n";
    }
    for (int text = 0; text < 3; ++text) lines += "E" + Draw(random, letters, 20) + "\n";
    made += FuzzVocabulary(lines) ? 1 : 0;
  }
  EXPECT_GT(made, 400u);
  EXPECT_LT(made, 3600u);
}

TEST(TokenizerFuzz, DamagedFilesWorkOrAreRefused) {
  Random random(23);
  const std::vector<std::byte> whole = MakeSmallVocabulary().File().Bytes();
  ASSERT_TRUE(FuzzTokenizerFile(whole));
  size_t read = 0;
  for (int round = 0; round < 6000; ++round) {
    std::vector<std::byte> file = whole;
    for (size_t edits = 1 + random.Below(3); edits > 0; --edits)
      file[24 + random.Below(file.size() - 24)] = static_cast<std::byte>(random.Bits());
    if (round % 8 == 0) file.resize(random.Below(file.size()));
    read += FuzzTokenizerFile(file) ? 1 : 0;
  }
  EXPECT_GT(read, 100u);
}

}  // namespace
}  // namespace rill::testing

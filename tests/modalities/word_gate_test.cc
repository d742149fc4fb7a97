#include "modalities/word_gate.h"

#include <gtest/gtest.h>

#include "tests/modalities/ctc_frames.h"

namespace rill::testing {
namespace {

DecodedWord Word(const std::string& text, float confidence) {
  return {.text = text, .first_frame = 3, .last_frame = 5, .confidence = confidence};
}

TEST(WordGate, WordsWaitForASurerOne) {
  WordGate gate(0.25f);
  EXPECT_EQ(TextOf(gate.Pass({Word("and", 0.1f)})), "");
  EXPECT_EQ(TextOf(gate.Pass({Word("a", 0.2f)})), "");
  EXPECT_TRUE(gate.holds());
  EXPECT_EQ(TextOf(gate.Pass({Word("house", 0.25f), Word("of", 0.01f)})), "and a house of");
  EXPECT_FALSE(gate.holds());
  EXPECT_EQ(TextOf(gate.Pass({Word("an", 0)})), "an");
  EXPECT_TRUE(gate.End());
}

TEST(WordGate, AnUtteranceWithoutASureWordIsNotSaid) {
  WordGate gate(0.25f);
  EXPECT_EQ(TextOf(gate.Pass({Word("and", 0.2f)})), "");
  EXPECT_FALSE(gate.End());
  EXPECT_FALSE(gate.holds());
  EXPECT_EQ(TextOf(gate.Pass({Word("stop", 0.9f)})), "stop") << "what was dropped is gone";
  EXPECT_TRUE(gate.End());
  EXPECT_EQ(TextOf(gate.Pass({Word("and", 0.2f)})), "") << "each utterance opens anew";
}

TEST(WordGate, ShowsWhatWouldOpenIt) {
  WordGate gate(0.25f);
  EXPECT_FALSE(gate.Shows({}));
  EXPECT_FALSE(gate.Shows({Word("and", 0.2f)}));
  EXPECT_TRUE(gate.Shows({Word("and", 0.2f), Word("now", 0.3f)}));
  gate.Pass({Word("now", 0.3f)});
  EXPECT_TRUE(gate.Shows({Word("and", 0.2f)}));
}

TEST(WordGate, OfZeroLetsEverythingPass) {
  WordGate gate(0);
  EXPECT_EQ(TextOf(gate.Pass({Word("and", 0)})), "and");
  EXPECT_FALSE(WordGate(0).Shows({}));
}

TEST(WordGate, GoesOnFromItsBytes) {
  for (const float first : {0.1f, 0.5f}) {
    WordGate gate(0.25f), other(0.25f);
    gate.Pass({Word("and", first)});
    other.Pass({Word("so", 0.1f)});
    std::vector<std::byte> bytes, again;
    gate.Save(bytes);
    Cursor cursor(bytes);
    ASSERT_TRUE(other.Restore(cursor));
    EXPECT_EQ(cursor.left(), 0u);
    other.Save(again);
    EXPECT_EQ(again, bytes);
    EXPECT_EQ(other.Pass({Word("now", 0.4f)}), gate.Pass({Word("now", 0.4f)}));
  }
}

TEST(WordGate, RefusesDamagedBytes) {
  WordGate gate(0.25f);
  gate.Pass({Word("and", 0.1f)});
  std::vector<std::byte> bytes;
  gate.Save(bytes);
  for (size_t count = 0; count < bytes.size(); ++count) {
    Cursor cursor{std::span(bytes).first(count)};
    EXPECT_FALSE(gate.Restore(cursor)) << count;
  }
  std::vector<std::byte> open = bytes;
  open[0] = std::byte{1};  // an open gate has no words that wait
  Cursor cursor(open);
  EXPECT_FALSE(gate.Restore(cursor));
  EXPECT_TRUE(gate.holds());
}

}  // namespace
}  // namespace rill::testing

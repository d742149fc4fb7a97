// Characters that come in pieces: the same text however it is cut, and well-formed whatever comes.
#include "modalities/utf8_stream.h"

#include <gtest/gtest.h>

#include <type_traits>

#include "tests/support/random.h"

namespace rill {
namespace {

using rill::testing::Random;

static_assert(std::is_trivially_copyable_v<Utf8Stream> && sizeof(Utf8Stream) == 4);

constexpr std::string_view kBad = "\xEF\xBF\xBD";  // U+FFFD

std::string Whole(std::string_view bytes) {
  Utf8Stream stream;
  std::string text;
  stream.Push(bytes, text);
  stream.Finish(text);
  return text;
}

std::string Repeat(std::string_view part, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += part;
  return text;
}

bool IsWellFormed(std::string_view text) {
  while (!text.empty()) {
    const Utf8Front front = ReadUtf8(text);
    if (front.kind != Utf8Front::Kind::kWhole) return false;
    text.remove_prefix(front.bytes);
  }
  return true;
}

TEST(Utf8Stream, HoldsACharacterBackUntilItIsWhole) {
  Utf8Stream stream;
  std::string text;
  stream.Push("a\xF0\x9F", text);
  EXPECT_EQ(text, "a");
  EXPECT_EQ(stream.pending(), "\xF0\x9F");
  stream.Push("\x98", text);
  EXPECT_EQ(text, "a");
  stream.Push("", text);
  EXPECT_EQ(stream.pending(), "\xF0\x9F\x98");
  stream.Push(
      "\x80"
      "b",
      text);
  EXPECT_EQ(text, "a😀b");
  EXPECT_EQ(stream, Utf8Stream());
}

TEST(Utf8Stream, FinishSaysWhatWasCutOffOnce) {
  Utf8Stream stream;
  std::string text;
  stream.Push("\xE4\xBD", text);
  stream.Finish(text);
  EXPECT_EQ(text, kBad);
  stream.Finish(text);
  EXPECT_EQ(text, kBad);
  stream.Push("ok", text);
  EXPECT_EQ(text, std::string(kBad) + "ok");
}

// Table 3-8 and the rest of "U+FFFD Substitution of Maximal Subparts" in the Unicode Standard.
TEST(Utf8Stream, ReplacesTheLongestBeginningsOfCharacters) {
  EXPECT_EQ(Whole("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"), Repeat(kBad, 8) + "A");
  EXPECT_EQ(Whole("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"), Repeat(kBad, 8) + "A");
  EXPECT_EQ(Whole("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"),
            Repeat(kBad, 5) + "A" + Repeat(kBad, 2) + "B");
  EXPECT_EQ(Whole("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), Repeat(kBad, 4) + "A");
  EXPECT_EQ(Whole("\xF4\x8F\xBF\xBF"), "\U0010FFFF");
  EXPECT_EQ(Whole("\xED\x9F\xBF\xEE\x80\x80"), "\uD7FF\uE000");
  EXPECT_EQ(Whole(std::string_view("\0\x7F", 2)), std::string_view("\0\x7F", 2));
}

TEST(Utf8Stream, IsTheSameHoweverItIsCut) {
  constexpr std::string_view kParts[] = {"a",    "é",    "中",   "😀",    "\xE4", "\xBD",
                                         "\xF0", "\x9F", "\xC3", "\xFF", "\xED", "\xA0"};
  Random random(3);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (size_t i = random.Below(12); i > 0; --i) bytes += kParts[random.Below(std::size(kParts))];
    const std::string want = Whole(bytes);
    EXPECT_TRUE(IsWellFormed(want));
    Utf8Stream stream;
    std::string text;
    for (size_t at = 0; at < bytes.size();) {
      const size_t count = 1 + random.Below(4);
      stream.Push(std::string_view(bytes).substr(at, count), text);
      EXPECT_TRUE(IsWellFormed(text));
      at += count;
      // What a snapshot would hold is all that the stream knows.
      const std::optional<Utf8Stream> again = Utf8Stream::Make(stream.pending());
      ASSERT_TRUE(again);
      ASSERT_EQ(*again, stream);
    }
    stream.Finish(text);
    ASSERT_EQ(text, want);
  }
}

TEST(Utf8Stream, IsMadeFromBeginningsOfCharactersAlone) {
  EXPECT_TRUE(Utf8Stream::Make(""));
  EXPECT_TRUE(Utf8Stream::Make("\xF4\x8F\xBF"));
  for (const std::string_view bytes : {"a", "é", "\x80", "\xFF", "\xC0", "\xE0\x80", "\xF4\x90",
                                       "\xE4\xBD\xE4", "\xC3\xC3\xC3\xC3"})
    EXPECT_FALSE(Utf8Stream::Make(bytes)) << bytes;
}

}  // namespace
}  // namespace rill

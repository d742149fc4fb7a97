#include "modalities/text_lines.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace rill {
namespace {

std::vector<std::string> Split(const std::string& text, size_t piece, size_t longest = 100) {
  TextLines lines(longest);
  std::vector<std::string> got;
  auto drain = [&] {
    while (true) {
      const auto line = lines.Pull();
      if (!line) {
        got.push_back("error: " + line.error().message);
      } else if (*line) {
        got.emplace_back(**line);
      } else {
        return;
      }
    }
  };
  for (size_t at = 0; at < text.size(); at += piece) {
    lines.Push(std::string_view(text).substr(at, piece));
    drain();
  }
  lines.Finish();
  drain();
  return got;
}

TEST(TextLines, SplitsAlikeHoweverTheStreamIsCut) {
  const std::string text = "one\r\n\ntwo,2\nlast without an end";
  const std::vector<std::string> want = {"one", "", "two,2", "last without an end"};
  for (size_t piece = 1; piece <= text.size(); ++piece) EXPECT_EQ(Split(text, piece), want);
}

TEST(TextLines, RefusesALongLineOnceAndGoesOn) {
  const std::string text = "ok\n" + std::string(50, 'x') + "\nafter\n" + std::string(11, 'y');
  const std::vector<std::string> want = {"ok", "error: line 2 is longer than the 10 bytes allowed",
                                         "after",
                                         "error: line 4 is longer than the 10 bytes allowed"};
  for (size_t piece = 1; piece <= text.size(); ++piece) EXPECT_EQ(Split(text, piece, 10), want);
}

TEST(TextLines, HoldsNoMoreThanTheBoundOfAnEndlessLine) {
  TextLines lines(1000);
  size_t refused = 0;
  for (int i = 0; i < 10000; ++i) {
    lines.Push(std::string(100, 'z'));
    while (true) {
      const auto line = lines.Pull();
      if (line) break;
      ++refused;
    }
  }
  EXPECT_EQ(refused, 1u);
}

}  // namespace
}  // namespace rill

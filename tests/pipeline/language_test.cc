#include "pipeline/language.h"

#include <gtest/gtest.h>

namespace rill {
namespace {

const std::vector<std::string> kEnglish = {"en"};

TEST(Language, RegionsAndCaseDoNotMatter) {
  for (const char* code : {"en", "en-US", "en-GB", "EN-us", "En"})
    EXPECT_TRUE(CheckLanguage(code, kEnglish)) << code;
  EXPECT_TRUE(CheckLanguage("en-GB", std::vector<std::string>{"fr", "en-US"}));
}

TEST(Language, SaysWhatTheModelTranscribes) {
  EXPECT_EQ(CheckLanguage("de-DE", kEnglish).error().message,
            "language-code de-DE, the model transcribes en");
  EXPECT_EQ(CheckLanguage("eng", std::vector<std::string>{"fr", "de"}).error().message,
            "language-code eng, the model transcribes fr, de");
}

TEST(Language, RefusesWhatIsNoCode) {
  for (const char* code : {"", "e", "english", "en-", "en_US", "en-USA", "en-US-x", "e1", "-US"})
    EXPECT_EQ(CheckLanguage(code, kEnglish).error().message,
              "language-code \"" + std::string(code) + "\" is not of the form en or en-US");
}

TEST(Language, AModelThatDoesNotSayIsForEnglish) {
  const auto model = Model::Shared(RILL_SOURCE_DIR "/tests/goldens/speech_model.gguf");
  ASSERT_TRUE(model);
  EXPECT_EQ(*Languages(**model), kEnglish);
}

}  // namespace
}  // namespace rill

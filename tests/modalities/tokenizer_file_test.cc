// Files of tokenizers that are wrong: one sentence each, with names and numbers.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "modalities/tokenizer.h"
#include "tests/support/vocabulary.h"

namespace rill::testing {
namespace {

std::string ErrorOf(const KeyFile& file) {
  const std::vector<std::byte> bytes = file.Bytes();
  const auto weights = Weights::Parse(bytes, "m.gguf");
  EXPECT_TRUE(weights) << weights.error().message;
  const auto tokenizer = Tokenizer::Load(**weights);
  return tokenizer ? "" : tokenizer.error().message;
}

// That of a small vocabulary with one key changed.
template <typename T>
std::string ErrorOf(const std::string& key, const T& value) {
  KeyFile file = MakeSmallVocabulary().File();
  file.Set("tokenizer.ggml." + key, value);
  return ErrorOf(file);
}

TEST(TokenizerFile, MustHaveItsKeys) {
  EXPECT_EQ(ErrorOf(MakeSmallVocabulary().File()), "");
  for (const std::string key :
       {"model", "pre", "tokens", "token_type", "merges", "bos_token_id", "eos_token_id"}) {
    KeyFile file = MakeSmallVocabulary().File();
    file.Erase("tokenizer.ggml." + key);
    EXPECT_EQ(ErrorOf(file), "m.gguf: key tokenizer.ggml." + key + " is missing");
  }
  KeyFile file = MakeSmallVocabulary().File();
  file.Erase("tokenizer.ggml.padding_token_id");
  EXPECT_EQ(ErrorOf(file), "");
}

TEST(TokenizerFile, MustBeOfAKindThatIsRead) {
  EXPECT_EQ(ErrorOf("model", "llama"),
            "m.gguf: key tokenizer.ggml.model is \"llama\", only gpt2 (byte-level byte pairs) is "
            "read");
  EXPECT_EQ(ErrorOf("pre", "gpt-2\n"),
            "m.gguf: key tokenizer.ggml.pre is \"gpt-2?\", only lfm2 and what splits text as it "
            "does are read");
  EXPECT_EQ(ErrorOf("pre", "llama-bpe"), "");
  EXPECT_EQ(ErrorOf("pre", uint32_t{3}), "m.gguf: key tokenizer.ggml.pre is not a string");
}

TEST(TokenizerFile, MustHaveKeysOfTheRightTypes) {
  const std::vector<int32_t> numbers(269, 1);
  const std::vector<std::string> texts(269, "a");
  EXPECT_EQ(ErrorOf("tokens", "a"), "m.gguf: key tokenizer.ggml.tokens is not an array");
  EXPECT_EQ(ErrorOf("tokens", numbers),
            "m.gguf: key tokenizer.ggml.tokens is not an array of strings");
  EXPECT_EQ(ErrorOf("token_type", uint32_t{1}),
            "m.gguf: key tokenizer.ggml.token_type is not an array");
  EXPECT_EQ(ErrorOf("token_type", texts),
            "m.gguf: key tokenizer.ggml.token_type has for token 0 no integer from 1 to 6");
  EXPECT_EQ(ErrorOf("merges", 0.5f), "m.gguf: key tokenizer.ggml.merges is not an array");
  EXPECT_EQ(ErrorOf("merges", numbers),
            "m.gguf: key tokenizer.ggml.merges is not an array of strings");
  EXPECT_EQ(ErrorOf("add_bos_token", uint32_t{1}),
            "m.gguf: key tokenizer.ggml.add_bos_token is neither true nor false");
  EXPECT_EQ(ErrorOf("add_bos_token", false), "");
}

TEST(TokenizerFile, MustHaveATypeForEachToken) {
  EXPECT_EQ(ErrorOf("token_type", std::vector<int32_t>(268, 1)),
            "m.gguf: key tokenizer.ggml.token_type has 268 values for the 269 of "
            "tokenizer.ggml.tokens");
  EXPECT_EQ(ErrorOf("tokens", std::vector<std::string>()),
            "m.gguf: key tokenizer.ggml.token_type has 269 values for the 0 of "
            "tokenizer.ggml.tokens");
  SmallVocabulary small = MakeSmallVocabulary();
  small.types[7] = 9;
  EXPECT_EQ(ErrorOf(small.File()),
            "m.gguf: key tokenizer.ggml.token_type has for token 7 no integer from 1 to 6");
  small.types[7] = 0;
  EXPECT_NE(ErrorOf(small.File()), "");
}

TEST(TokenizerFile, MustHaveIdsOfItsTokens) {
  for (const std::string key :
       {"bos_token_id", "eos_token_id", "padding_token_id", "eot_token_id"}) {
    EXPECT_EQ(ErrorOf(key, uint32_t{268}), "");
    EXPECT_EQ(ErrorOf(key, uint32_t{269}),
              "m.gguf: key tokenizer.ggml." + key + " is 269, it must be from 0 to 268");
    EXPECT_EQ(ErrorOf(key, "1"), "m.gguf: key tokenizer.ggml." + key + " is not an integer");
  }
}

TEST(TokenizerFile, MustHaveEachTokenOnce) {
  SmallVocabulary small = MakeSmallVocabulary();
  small.Add("hell", 1);
  EXPECT_EQ(ErrorOf(small.File()), "m.gguf: tokens 264 and 269 are both \"hell\"");
  small = MakeSmallVocabulary();
  small.Add("<|im_end|>", 4);
  EXPECT_EQ(ErrorOf(small.File()), "m.gguf: tokens 4 and 269 are both \"<|im_end|>\"");
  small = MakeSmallVocabulary();
  small.Add(std::string(256, '<'), 3);
  EXPECT_EQ(ErrorOf(small.File()), "m.gguf: special token 269 has 256 bytes, at most 255 are read");
}

TEST(TokenizerFile, MustMergeTokensThatThereAre) {
  const auto error = [](const char* merge) {
    SmallVocabulary small = MakeSmallVocabulary();
    small.merges.push_back(merge);
    return ErrorOf(small.File());
  };
  EXPECT_EQ(error("l l"), "m.gguf: merges 0 and 7 are the same");
  EXPECT_EQ(error("hel l"),
            "m.gguf: merge 7, \"hel l\", merges or gives what is no token of the vocabulary");
  EXPECT_EQ(error("l h"),
            "m.gguf: merge 7, \"l h\", merges or gives what is no token of the vocabulary");
  for (const std::string merge : {"ll", "", " ", "l ", " l", "l  l", "l l l", "l \xFF", "l \u4E2D"})
    EXPECT_NE(error(merge.c_str()).find("m.gguf: merge 7, \""), std::string::npos) << merge;
  EXPECT_EQ(error("ll"), "m.gguf: merge 7, \"ll\", is not two tokens with a blank between them");
}

TEST(TokenizerFile, MayLackBytesThatNoTextHas) {
  SmallVocabulary small = MakeSmallVocabulary();
  small.types[6 + 0xFF] = 5;
  const std::vector<std::byte> bytes = small.File().Bytes();
  const auto tokenizer = *Tokenizer::Load(**Weights::Parse(bytes, "m.gguf"));
  EXPECT_TRUE(tokenizer->Encode("hello é", Specials::kParse));
  EXPECT_EQ(tokenizer->Encode("hello \xFF", Specials::kParse).error().message,
            "the vocabulary has no token for the byte 255 of the text");
}

}  // namespace
}  // namespace rill::testing

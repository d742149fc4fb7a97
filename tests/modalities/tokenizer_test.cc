// The tokenizer: the ids that llama.cpp gives, texts of many languages and bytes of none there and
// back, special tokens, long texts, and files that are wrong.
#include "modalities/tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "modalities/utf8_stream.h"
#include "tests/support/random.h"
#include "tests/support/vocabulary.h"

namespace rill::testing {
namespace {

using Ids = std::vector<int32_t>;

std::shared_ptr<const Tokenizer> Golden() {
  static const auto tokenizer = [] {
    const auto weights = Weights::Open(RILL_SOURCE_DIR "/tests/goldens/tokenizer.gguf");
    EXPECT_TRUE(weights) << weights.error().message;
    return *Tokenizer::Load(**weights);
  }();
  return tokenizer;
}

std::shared_ptr<const Tokenizer> Load(const SmallVocabulary& small) {
  const std::vector<std::byte> bytes = small.File().Bytes();
  const auto tokenizer = Tokenizer::Load(**Weights::Parse(bytes, "m.gguf"));
  EXPECT_TRUE(tokenizer) << tokenizer.error().message;
  return *tokenizer;
}

Ids Encode(const Tokenizer& tokenizer, std::string_view text,
           Specials specials = Specials::kParse) {
  const Result<Ids> ids = tokenizer.Encode(text, specials);
  EXPECT_TRUE(ids) << ids.error().message;
  return *ids;
}

// Id of a byte in a small vocabulary.
int32_t Byte(char c) { return 6 + static_cast<unsigned char>(c); }

TEST(Tokenizer, GivesTheIdsOfLlamaCpp) {
  const auto golden = *Weights::Open(RILL_SOURCE_DIR "/tests/goldens/tokenizer_golden.gguf");
  const std::vector<std::string> texts = *golden->Texts("golden.texts");
  const std::vector<double> parse = *golden->Numbers("golden.parse");
  const std::vector<double> counts = *golden->Numbers("golden.counts");
  const std::vector<double> ids = *golden->Numbers("golden.ids");
  ASSERT_GT(texts.size(), 500u);
  size_t at = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto count = static_cast<size_t>(counts[i]);
    const Ids want(ids.begin() + static_cast<ptrdiff_t>(at),
                   ids.begin() + static_cast<ptrdiff_t>(at + count));
    at += count;
    const Ids got =
        Encode(*Golden(), texts[i], parse[i] == 1 ? Specials::kParse : Specials::kPlain);
    EXPECT_EQ(got, want) << "text " << i << ": " << texts[i];
    EXPECT_EQ(Golden()->Decode(got, Specials::kParse), texts[i]);
  }
  EXPECT_EQ(at, ids.size());
}

TEST(Tokenizer, KnowsItsFile) {
  const Tokenizer& tokenizer = *Golden();
  EXPECT_EQ(tokenizer.size(), 2400u);
  EXPECT_EQ(tokenizer.bos(), 1);
  EXPECT_EQ(tokenizer.eos(), 7);
  EXPECT_EQ(tokenizer.padding(), 0);
  EXPECT_TRUE(tokenizer.adds_bos());
  EXPECT_EQ(tokenizer.special("<|im_start|>"), 6);
  EXPECT_EQ(tokenizer.special("<|im_star|>"), std::nullopt);
  EXPECT_EQ(tokenizer.special("the"), std::nullopt);
  EXPECT_TRUE(tokenizer.is_control(6));
  EXPECT_FALSE(tokenizer.is_control(*tokenizer.special("<think>")));
  EXPECT_TRUE(tokenizer.ends_text(7) && tokenizer.ends_text(2));
  EXPECT_FALSE(tokenizer.ends_text(0) || tokenizer.ends_text(6));
  EXPECT_EQ(tokenizer.bytes_of(6), "<|im_start|>");
  EXPECT_EQ(tokenizer.bytes_of(2399), "");  // unused
  for (const int32_t none : {-1, 2400, 1 << 30}) {
    EXPECT_FALSE(tokenizer.Has(none));
    EXPECT_EQ(tokenizer.bytes_of(none), "");
    EXPECT_FALSE(tokenizer.is_control(none));
  }
}

TEST(Tokenizer, BringsTextsOfManyLanguagesBack) {
  for (const std::string_view text :
       {"Größe, naïveté, žluťoučký kůň, İstanbul", "Καλημέρα κόσμε, ἄνθρωπος", "Съешь ещё булок",
        "مرحبا بالعالم هَذَا", "שלום עולם בְּרֵאשִׁית", "नमस्ते क्षत्रिय ज्ञान", "สวัสดีชาวโลก น้ำ",
        "你好，世界！𠀀", "こんにちは、ｶﾀｶﾅ", "안녕하세요 한글",
        "👩‍👩‍👧‍👦 👍🏽 🇩🇪 ❤️‍🔥",
        "e\u0301 \uFEFF \u200B \u00AD"}) {
    for (const Specials specials : {Specials::kParse, Specials::kPlain}) {
      const Ids ids = Encode(*Golden(), text, specials);
      EXPECT_EQ(Golden()->Decode(ids, specials), text);
      std::string streamed;
      Utf8Stream stream;
      for (const int32_t id : ids) stream.Push(Golden()->bytes_of(id), streamed);
      stream.Finish(streamed);
      EXPECT_EQ(streamed, text);
    }
  }
}

TEST(Tokenizer, BringsAnyBytesBack) {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const char bytes[] = {static_cast<char>(first), static_cast<char>(second)};
      const std::string_view text(bytes, 2);
      ASSERT_EQ(Golden()->Decode(Encode(*Golden(), text), Specials::kParse), text);
    }
  }
  Random random(4);
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (size_t i = random.Below(60); i > 0; --i) text += static_cast<char>(random.Bits());
    ASSERT_EQ(Golden()->Decode(Encode(*Golden(), text), Specials::kParse), text);
  }
  EXPECT_EQ(Encode(*Golden(), ""), Ids());
}

TEST(Tokenizer, MergesTheFirstPairOfTheListAndThatFromTheLeft) {
  const auto made = Load(MakeSmallVocabulary());
  const Tokenizer& t = *made;
  EXPECT_EQ(Encode(t, "llll"), (Ids{262, 262}));
  EXPECT_EQ(Encode(t, "lllh"), (Ids{262, Byte('l'), Byte('h')}));
  EXPECT_EQ(Encode(t, "hellox"), (Ids{265, Byte('x')}));
  EXPECT_EQ(Encode(t, "hel"), (Ids{263, Byte('l')}));
  EXPECT_EQ(Encode(t, "helllo"), (Ids{264, Byte('l'), Byte('o')}));
  EXPECT_EQ(Encode(t, "he world"), (Ids{263, 266, 267, Byte('l'), Byte('d')}));
  EXPECT_EQ(Encode(t, "\n\n\n"), (Ids{268, Byte('\n')}));
}

TEST(Tokenizer, TakesAPieceThatIsATokenWithoutMerges) {
  SmallVocabulary small = MakeSmallVocabulary();
  const int32_t whole = small.Add("hexl", 1);
  const auto made = Load(small);
  const Tokenizer& t = *made;
  EXPECT_EQ(Encode(t, "hexl"), Ids{whole});
  EXPECT_EQ(Encode(t, "hexll"), (Ids{263, Byte('x'), 262}));
}

// Pairs drawn at random, words merged as the definition says.
TEST(Tokenizer, MergesAsTheDefinitionSays) {
  Random random(11);
  SmallVocabulary small = MakeSmallVocabulary();
  std::vector<std::string> parts = {"a", "b", "c"};
  std::map<std::pair<std::string, std::string>, size_t> ranks;
  while (ranks.size() < 60) {
    const std::string left = parts[random.Below(parts.size())];
    const std::string right = parts[random.Below(parts.size())];
    if (left.size() + right.size() > 6 || std::ranges::count(parts, left + right) > 0) continue;
    ranks.emplace(std::pair(left, right), ranks.size());
    small.AddMerge(left, right);
    parts.push_back(left + right);
  }
  const auto made = Load(small);
  const Tokenizer& t = *made;
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::string> word;
    for (size_t i = 7 + random.Below(40); i > 0; --i) word.push_back(parts[random.Below(3)]);
    std::string text;
    for (const std::string& part : word) text += part;
    while (true) {
      size_t best = word.size(), least = ranks.size();
      for (size_t i = 0; i + 1 < word.size(); ++i) {
        const auto found = ranks.find({word[i], word[i + 1]});
        if (found != ranks.end() && found->second < least) best = i, least = found->second;
      }
      if (best == word.size()) break;
      word[best] += word[best + 1];
      word.erase(word.begin() + static_cast<ptrdiff_t>(best) + 1);
    }
    std::vector<std::string> got;
    for (const int32_t id : Encode(t, text)) got.emplace_back(t.bytes_of(id));
    ASSERT_EQ(got, word) << text;
  }
}

TEST(Tokenizer, FindsSpecialTokensOnlyWhereTheyMayBe) {
  const auto made = Load(MakeSmallVocabulary());
  const Tokenizer& t = *made;
  EXPECT_EQ(Encode(t, "<|im_start|>he<|im_end|>"), (Ids{3, 263, 4}));
  const Ids plain = Encode(t, "<|im_start|>he<|im_end|>", Specials::kPlain);
  EXPECT_TRUE(std::ranges::none_of(plain, [&](int32_t id) { return t.is_control(id); }));
  EXPECT_EQ(t.Decode(plain, Specials::kPlain), "<|im_start|>he<|im_end|>");
  // User-defined ones are always found, as llama.cpp finds them.
  EXPECT_EQ(Encode(t, "<think>he", Specials::kPlain), (Ids{5, 263}));
  EXPECT_EQ(t.Decode(Ids{3, 5, 263, 4}, Specials::kPlain), "<think>he");
  EXPECT_EQ(t.Decode(Ids{3, 5, 263, 4}, Specials::kParse), "<|im_start|><think>he<|im_end|>");
  // Nothing is merged or split across one.
  EXPECT_EQ(Encode(t, "h<|pad|>e"), (Ids{Byte('h'), 0, Byte('e')}));
  EXPECT_EQ(Encode(t, "<|<|pad|>|>").size(), 5u);
}

TEST(Tokenizer, FindsTheLongestSpecialTokenThatBeginsFirst) {
  SmallVocabulary small = MakeSmallVocabulary();
  const int32_t shorter = small.Add("<a>", 3), longer = small.Add("<a><b>", 3);
  const int32_t later = small.Add("><b>xyz", 3), beginning = small.Add("<a><b><c", 3);
  const auto made = Load(small);
  const Tokenizer& t = *made;
  EXPECT_EQ(Encode(t, "<a><a><b><b>").front(), shorter);
  EXPECT_EQ(Encode(t, "<a><b>x"), (Ids{longer, Byte('x')}));
  EXPECT_EQ(Encode(t, "<a><b><"), (Ids{longer, Byte('<')}));
  EXPECT_EQ(Encode(t, "<a><b><c"), Ids{beginning});
  EXPECT_EQ(Encode(t, "<a><b>xyz").front(), longer);
  EXPECT_EQ(Encode(t, "a><b>xyz"), (Ids{Byte('a'), later}));
}

// What a text may not give is not given by merges or as a whole piece either.
TEST(Tokenizer, NoPlainTextGivesAControlToken) {
  SmallVocabulary small = MakeSmallVocabulary();
  small.Add("--", 3);
  small.merges.push_back("- -");
  const int32_t named = small.Add("<|so|>", 4);
  const auto made = Load(small);
  const Tokenizer& t = *made;
  EXPECT_EQ(Encode(t, "--", Specials::kPlain), (Ids{Byte('-'), Byte('-')}));
  EXPECT_EQ(Encode(t, "----", Specials::kParse).size(), 2u);
  EXPECT_TRUE(t.is_control(named));
  EXPECT_EQ(Encode(t, "<|so|>", Specials::kPlain).size(), 6u);
}

TEST(Tokenizer, LeavesTokensOutThatNoTextGives) {
  SmallVocabulary small = MakeSmallVocabulary();
  const int32_t unused = small.Add("abc", 5), foreign = small.Add("日本", 1);
  const int32_t empty = small.Add("", 3);
  const auto made = Load(small);
  const Tokenizer& t = *made;
  EXPECT_EQ(Encode(t, "abc"), (Ids{Byte('a'), Byte('b'), Byte('c')}));
  EXPECT_EQ(t.bytes_of(unused), "");
  EXPECT_EQ(Encode(t, "日本").size(), 6u);
  EXPECT_EQ(t.bytes_of(foreign), "日本");
  EXPECT_EQ(t.bytes_of(empty), "");
}

TEST(Tokenizer, EncodesAMegabyteOfAnything) {
  constexpr size_t kBytes = 1 << 20;
  Random random(9);
  std::string noise, letters, marks;
  for (size_t i = 0; i < kBytes; ++i) {
    noise += static_cast<char>(random.Bits());
    letters += static_cast<char>('a' + random.Below(26));
    marks += "<|im_start|>"[random.Below(12)];
  }
  for (const std::string& text :
       {std::string(kBytes, 'a'), std::string(kBytes, ' '), std::string(kBytes, '\n'),
        std::string(kBytes, '-'), std::string(kBytes, '7'), std::string(kBytes, '\xFF'),
        std::string(kBytes, '<'), noise, letters, marks}) {
    const Ids ids = Encode(*Golden(), text);
    ASSERT_TRUE(Golden()->Decode(ids, Specials::kParse) == text) << text.substr(0, 20);
  }
  const std::string too_long(Tokenizer::kMostBytes + 1, 'a');
  EXPECT_EQ(Golden()->Encode(too_long, Specials::kPlain).error().message,
            "a text of 67108865 bytes, at most 67108864 are encoded");
}

TEST(Tokenizer, IsSharedByThreads) {
  const std::string text = "It's a truth universally acknowledged: 你好 <|im_end|> 12345 \xFF.";
  const Ids want = Encode(*Golden(), text);
  std::vector<std::thread> threads;
  std::vector<int> same(4, 0);
  for (int& count : same)
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i)
        count += *Golden()->Encode(text, Specials::kParse) == want ? 1 : 0;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(same, std::vector<int>(4, 200));
}

}  // namespace
}  // namespace rill::testing

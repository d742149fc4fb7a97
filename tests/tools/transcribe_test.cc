// `rill transcribe`, and what it is made of.
#include <gmock/gmock.h>

#include "tests/support/sound.h"
#include "tests/tools/rill_process.h"
#include "tools/speech_data.h"
#include "tools/transcript_text.h"
#include "tools/word_errors.h"

namespace rill::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(WordErrors, CountsTheCheapestWay) {
  const auto count = [](const std::string& reference, const std::string& hypothesis) {
    const WordErrors errors = CountErrors(SplitWords(reference), SplitWords(hypothesis));
    return std::vector<size_t>{errors.words, errors.substitutions, errors.deletions,
                               errors.insertions};
  };
  EXPECT_THAT(count("a b c", "a b c"), ElementsAre(3, 0, 0, 0));
  EXPECT_THAT(count("a b c", "a x c"), ElementsAre(3, 1, 0, 0));
  EXPECT_THAT(count("a b c", "a c"), ElementsAre(3, 0, 1, 0));
  EXPECT_THAT(count("a b c", "a b b c d"), ElementsAre(3, 0, 0, 2));
  EXPECT_THAT(count("", "a b"), ElementsAre(0, 0, 0, 2));
  EXPECT_THAT(count("a b", ""), ElementsAre(2, 0, 2, 0));
  WordErrors sum = CountErrors(SplitWords("a b"), SplitWords("a"));
  sum += CountErrors(SplitWords("c d"), SplitWords("c d"));
  EXPECT_EQ(sum.rate(), 0.25);
}

TEST(WordErrors, MatchesWordsInOrder) {
  const auto match = [](const std::string& reference, const std::string& hypothesis) {
    return MatchWords(SplitWords(reference), SplitWords(hypothesis));
  };
  using Pairs = std::vector<std::pair<size_t, size_t>>;
  EXPECT_EQ(match("a b c", "a x c"), (Pairs{{0, 0}, {2, 2}}));
  EXPECT_EQ(match("a b c d", "b d"), (Pairs{{1, 0}, {3, 1}}));
  EXPECT_EQ(match("a", "x a y"), (Pairs{{0, 1}}));
  EXPECT_EQ(match("a b", "b a"), (Pairs{{0, 1}}));  // as CountErrors(): none is replaced
  EXPECT_EQ(match("a b", ""), Pairs());
}

TEST(SpokenText, ReadsNumbersAsPeopleDo) {
  EXPECT_EQ(SpokenText("This is the 1940's!"), "this is the nineteen forties");
  EXPECT_EQ(SpokenText("in 1844, up to 100 miles"),
            "in eighteen forty four up to one hundred miles");
  EXPECT_EQ(SpokenText("13th July 1922"), "thirteenth july nineteen twenty two");
  EXPECT_EQ(SpokenText("at 19 00 hours"), "at nineteen hundred hours");
  EXPECT_EQ(SpokenText("agent 007 -- don't"), "agent zero zero seven don't");
  EXPECT_EQ(SpokenText("1905 2000 21st 40th"),
            "nineteen oh five two thousand twenty first fortieth");
  EXPECT_EQ(SpokenText("12345678901234567890"),
            "one two three four five six seven eight nine zero one two three four five six seven "
            "eight nine zero");
}

std::vector<CaptionWord> Words(const std::string& text, double each_s) {
  std::vector<CaptionWord> words;
  for (const std::string& word : SplitWords(text)) {
    const double start = each_s * static_cast<double>(words.size());
    words.push_back({word, start, start + each_s, 1});
  }
  return words;
}

TEST(Captions, AreShortEnoughToRead) {
  const std::string text =
      "it is a very fine old place of red brick softened by a pale powdery lichen which has "
      "dispersed itself with happy irregularity so as to bring the red brick into terms of "
      "friendly companionship with the limestone ornaments";
  const std::vector<Caption> captions = Captions(Words(text, 0.3), {});
  std::string joined;
  double until = 0;
  for (const Caption& caption : captions) {
    EXPECT_LE(caption.lines.size(), 2u);
    EXPECT_LE(caption.end - caption.start, 6.0 + 1e-9);
    EXPECT_GE(caption.start, until - 1e-9);
    until = caption.end;
    for (const std::string& line : caption.lines) {
      EXPECT_LE(line.size(), 42u);
      joined += (joined.empty() ? "" : " ") + line;
    }
  }
  EXPECT_EQ(joined, text);
  // A short word stays long enough to be read, a pause begins another caption.
  std::vector<CaptionWord> apart = {{"yes", 1, 1.2, 1}, {"no", 3, 3.1, 1}};
  const std::vector<Caption> two = Captions(apart, {});
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(two[0].end, 2.0);
}

TEST(TranscriptWriter, WritesEveryFormat) {
  const std::vector<CaptionWord> words = {{"hello", 3661.5, 3661.9, 0.5f},
                                          {"there", 3662, 3662.25, 1}};
  const auto write = [&](TranscriptFormat format) {
    TranscriptWriter writer(format, "a.wav");
    return writer.Header() + writer.Utterance(words);
  };
  EXPECT_EQ(write(TranscriptFormat::kText), "hello there\n");
  EXPECT_EQ(write(TranscriptFormat::kSrt), "1\n01:01:01,500 --> 01:01:02,450\nhello there\n\n");
  EXPECT_EQ(write(TranscriptFormat::kVtt),
            "WEBVTT\n\n01:01:01.500 --> 01:01:02.450\nhello there\n\n");
  EXPECT_EQ(write(TranscriptFormat::kTsv), "a.wav\t3661.500\t3662.250\thello there\n");
  const json parsed = json::parse(write(TranscriptFormat::kJson));
  EXPECT_EQ(parsed["words"][0]["confidence"], 0.5);
  EXPECT_EQ(parsed["end"], 3662.25);
}

class RillTranscribe : public Rill {
 protected:
  // A WAV file of 16-bit samples.
  void WriteWav(const std::string& name, const std::vector<float>& samples,
                uint32_t rate = 16000) const {
    std::ofstream file(Path(name), std::ios::binary);
    const auto put = [&](auto value) {
      file.write(reinterpret_cast<const char*>(&value), sizeof value);
    };
    const uint32_t bytes = static_cast<uint32_t>(2 * samples.size());
    file << "RIFF", put(36 + bytes), file << "WAVEfmt ", put(uint32_t{16});
    put(uint16_t{1}), put(uint16_t{1}), put(rate), put(2 * rate), put(uint16_t{2}),
        put(uint16_t{16});
    file << "data", put(bytes);
    for (const float sample : samples) put(static_cast<int16_t>(20000 * sample));
  }
  Outcome Transcribe(const std::string& arguments) const {
    return Run("transcribe --decoder greedy -m " RILL_SOURCE_DIR
               "/tests/goldens/speech_model.gguf " +
               arguments);
  }
};

TEST_F(RillTranscribe, WritesDownFilesOfAnyFormat) {
  WriteWav("a.wav", MakeSound(16000 * 5, 1));
  const Outcome text = Transcribe(Path("a.wav"));
  ASSERT_EQ(text.code, 0) << text.err;
  EXPECT_GT(text.out.size(), 10u);
  const Outcome structured = Transcribe("--format json " + Path("a.wav"));
  std::string joined;
  double until = 0;
  for (const json& line : Lines(structured.out)) {
    joined += line["text"].get<std::string>() + "\n";
    for (const json& word : line["words"]) {
      EXPECT_GE(word["start"].get<double>(), until - 1e-9);
      until = word["end"];
    }
  }
  EXPECT_EQ(joined, text.out);
  EXPECT_THAT(Transcribe("--format vtt " + Path("a.wav")).out, ::testing::StartsWith("WEBVTT\n"));
}

TEST_F(RillTranscribe, GoesOnWhereAStateStands) {
  WriteWav("whole.wav", MakeSound(16000 * 6, 2));
  std::vector<float> sound = MakeSound(16000 * 6, 2);
  sound.resize(16000 * 3);
  WriteWav("half.wav", sound);
  const std::string state = Path("s.state");
  const Outcome whole = Transcribe("--format json " + Path("whole.wav"));
  ASSERT_EQ(Transcribe("--format json --save-state " + state + " " + Path("half.wav")).code, 0);
  const Outcome rest = Transcribe("--format json --resume " + state + " " + Path("whole.wav"));
  ASSERT_EQ(rest.code, 0) << rest.err;
  EXPECT_THAT(rest.err, HasSubstr("goes on at 3.000 s"));
  const auto all = Lines(whole.out), later = Lines(rest.out);
  ASSERT_FALSE(later.empty());
  ASSERT_LE(later.size(), all.size());
  for (size_t i = 0; i < later.size(); ++i)
    EXPECT_EQ(later[later.size() - 1 - i], all[all.size() - 1 - i]);
}

TEST_F(RillTranscribe, AChainOfStreamsIsHeardToItsEnd) {
  const std::string part = Path("part.ogg"), chain = Path("chain.ogg");
  std::ofstream file(chain, std::ios::binary);
  for (int i = 0; i < 2; ++i) {  // streams with numbers of their own
    const std::string encode =
        "gst-launch-1.0 -q audiotestsrc num-buffers=60 ! audioconvert ! "
        "audio/x-raw,rate=48000,channels=1 ! opusenc ! oggmux ! filesink location=";
    ASSERT_EQ(std::system((encode + part).c_str()), 0);
    file << Slurp(part);
  }
  file.close();
  const Outcome outcome = Transcribe(chain);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
}

TEST_F(RillTranscribe, SaysWhatIsWrong) {
  ExpectSentence(Transcribe(Path("missing.wav")), "there is no such file");
  ExpectSentence(Transcribe(Path("rows.csv")), "rows.csv: ");
  WriteWav("silent.wav", {});
  ExpectSentence(Transcribe(Path("silent.wav")), "holds no sound");
  std::ofstream(Path("empty.wav")).close();
  ExpectSentence(Transcribe(Path("empty.wav")), "empty.wav: ");
  ExpectSentence(Transcribe(""), "--live");
  ExpectSentence(Transcribe("--lookahead 9 " + Path("rows.csv")), "the model has 0 to 4");
  WriteWav("a.wav", {0.5f});
  EXPECT_EQ(Transcribe(Path("a.wav")).code, 0);
  EXPECT_EQ(Transcribe("--format nonsense " + Path("a.wav")).code, 2);
}

}  // namespace
}  // namespace rill::testing

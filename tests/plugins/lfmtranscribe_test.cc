// lfmtranscribe behind an encoder and a backbone, and lfmtranscriber, which is all of them: every
// row of the event table that applies.
#include <glib/gstdio.h>

#include <filesystem>

#include "pipeline/files.h"
#include "tests/plugins/speech_stream.h"

namespace rill {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

constexpr size_t kRate = 16000;

TEST(LfmTranscribe, WritesTheWordsOfATranscriber) {
  const std::vector<float> samples = MakeSound(6 * kRate + 55, 11);
  const std::string want = WordsOf(WholeText(samples));
  ASSERT_GT(want.size(), 20u);
  for (const size_t piece : {16, 777, 16000}) {
    Harness harness(SpeechChain());
    harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
    PushSound(harness, samples, piece);
    harness.Eos();
    EXPECT_EQ(PullText(harness), want) << piece;
  }
}

TEST(LfmTranscribe, SearchesByBeamUnlessToldOtherwise) {
  const std::vector<float> samples = MakeSound(6 * kRate, 22);
  Transcriber stream = *Transcriber::Open(
      *Model::Shared(kSpeechModelPath),
      {.language_model = *NgramLm::Open(RILL_SOURCE_DIR "/tests/goldens/ngram.lm"),
       .search = {.hotwords = {{"a cat", 3}}}});
  ASSERT_TRUE(stream.Push(samples));
  ASSERT_TRUE(stream.Finish());
  Harness harness("lfmtranscriber" + kSpeechModel +
                  "language-model=" RILL_SOURCE_DIR
                  "/tests/goldens/ngram.lm "
                  "hotwords=\" A  cat,\" hotword-boost=3");
  harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  PushSound(harness, samples, 555);
  harness.Eos();
  EXPECT_EQ(PullText(harness), WordsOf(TextOf(stream.Take())));
}

TEST(LfmTranscribe, WordsAreStampedAndGapsLieBetween) {
  std::vector<float> samples = MakeSound(6 * kRate, 12);
  std::fill(samples.begin() + 20000, samples.begin() + 60000, 0.0f);
  // Blanks are made likelier, so that there are times without a word.
  Transcriber stream = *Transcriber::Open(*Model::Shared(kSpeechModelPath),
                                          {.decoder = DecoderKind::kGreedy, .blank_penalty = -1});
  ASSERT_TRUE(stream.Push(samples));
  ASSERT_TRUE(stream.Finish());
  std::vector<TimedWord> want;
  for (const TranscriptEvent& event : stream.Take())
    if (event.word) want.push_back(*event.word);

  const GstClockTime start = 3 * GST_SECOND;
  Harness harness(SpeechChain("", "blank-penalty=-1"));
  harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  PushSound(harness, samples, 1600, 48000);
  harness.Eos();
  const std::vector<Frame> words = harness.PullAll();
  ASSERT_EQ(words.size(), want.size());
  ASSERT_GT(words.size(), 2u);
  for (size_t i = 0; i < words.size(); ++i) {
    EXPECT_EQ(words[i].pts, start + TimeOfSample(static_cast<size_t>(want[i].start)));
    EXPECT_EQ(words[i].pts + words[i].duration,
              start + TimeOfSample(static_cast<size_t>(want[i].end)));
    EXPECT_EQ(words[i].discont(), i == 0);
  }
  // GAPs never reach into what comes after them.
  GstClockTime until = 0;
  while (GstEvent* event = harness.PullEvent(GST_EVENT_GAP)) {
    GstClockTime begin = 0, duration = 0;
    gst_event_parse_gap(event, &begin, &duration);
    EXPECT_GE(begin, until);
    until = begin + duration;
    for (const Frame& word : words)
      EXPECT_TRUE(begin >= word.pts + word.duration || until <= word.pts);
    gst_event_unref(event);
  }
  EXPECT_GT(until, start);
}

TEST(LfmTranscribe, ALongGapEndsTheUtterance) {
  const std::vector<float> samples = MakeSound(2 * kRate, 20);
  Harness harness(SpeechChain());
  harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  PushSound(harness, samples, 1600);
  harness.PushEvent(gst_event_new_gap(TimeOfSample(samples.size()), 10 * GST_SECOND));
  EXPECT_EQ(PullText(harness), WordsOf(WholeText(samples)));
  GstEvent* end = harness.PullEvent(GST_EVENT_CUSTOM_DOWNSTREAM);
  ASSERT_NE(end, nullptr);
  gst_event_unref(end);
}

TEST(LfmTranscribe, GapsInTheSoundDoNotOvertakeWords) {
  const std::vector<float> samples = MakeSound(2 * kRate, 19);
  Harness harness(SpeechChain());
  harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  PushSound(harness, samples, 1600);
  harness.EventNames();
  harness.PushEvent(gst_event_new_gap(TimeOfSample(samples.size()), 100 * GST_MSECOND));
  GstClockTime told = 0;
  while (GstEvent* event = harness.PullEvent(GST_EVENT_GAP)) {
    GstClockTime begin = 0, duration = 0;
    gst_event_parse_gap(event, &begin, &duration);
    told = begin + duration;
    gst_event_unref(event);
  }
  harness.PullAll();
  harness.Eos();
  for (const Frame& word : harness.PullAll()) EXPECT_GE(word.pts, told) << word.bytes;
}

TEST(LfmTranscribe, LinesHoldTheSameWords) {
  const std::vector<float> samples = MakeSound(8 * kRate, 13);
  const std::string want = WordsOf(WholeText(samples));
  Harness harness(SpeechChain("", "output=line line-length=20 newline=true"));
  harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  PushSound(harness, samples, 4000);
  harness.Eos();
  std::string got;
  for (const Frame& line : harness.PullAll()) {
    ASSERT_TRUE(line.bytes.ends_with('\n'));
    const std::string text = line.bytes.substr(0, line.bytes.size() - 1);
    EXPECT_TRUE(text.size() <= 20 || text.find(' ') == std::string::npos) << text;
    got += text + " ";
  }
  EXPECT_EQ(got, want);
}

TEST(LfmTranscribe, EndsUtterancesWithAnEvent) {
  const std::vector<float> samples = MakeSound(6 * kRate, 14);
  Harness harness(SpeechChain("", "pause=160"));
  harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  PushSound(harness, samples, 4000);
  harness.Eos();
  size_t ends = 0;
  while (GstEvent* event = harness.PullEvent(GST_EVENT_CUSTOM_DOWNSTREAM)) {
    ends += gst_event_has_name(event, "rstranscribe/final-transcript") ? 1 : 0;
    gst_event_unref(event);
  }
  EXPECT_GE(ends, 1u);
}

TEST(LfmTranscribe, TellsPartialAndFinalWords) {
  const std::vector<float> samples = MakeSound(4 * kRate, 15);
  Harness harness(SpeechChain());
  harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  PushSound(harness, samples, 640);
  harness.Eos();
  std::string finals;
  size_t partials = 0;
  while (GstMessage* message = harness.PopMessage("lfm-transcript")) {
    const GstStructure* fields = gst_message_get_structure(message);
    gboolean is_final = FALSE;
    gst_structure_get_boolean(fields, "is-final", &is_final);
    if (is_final == TRUE) finals += std::string(gst_structure_get_string(fields, "text")) + " ";
    partials += is_final == TRUE ? 0 : 1;
    EXPECT_TRUE(gst_structure_has_field(fields, "words"));
    gst_message_unref(message);
  }
  EXPECT_EQ(finals, WordsOf(WholeText(samples)));
  EXPECT_GT(partials, 3u);
}

TEST(LfmTranscribe, TellsNoPartialWordsWithAnIntervalOfMinusOne) {
  Harness harness(SpeechChain("", "partial-results-interval=-1 language-code=en-GB"));
  harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  PushSound(harness, MakeSound(4 * kRate, 15), 640);
  size_t finals = 0;
  while (GstMessage* message = harness.PopMessage("lfm-transcript")) {
    gboolean is_final = FALSE;
    gst_structure_get_boolean(gst_message_get_structure(message), "is-final", &is_final);
    EXPECT_TRUE(is_final);
    ++finals;
    gst_message_unref(message);
  }
  EXPECT_GT(finals, 1u);
}

TEST(LfmTranscribe, ReportsWhatAFrameNeeds) {
  for (const auto& [lookahead, want_ms] : {std::pair{-1, 120}, {0, 40}, {4, 200}}) {
    Harness harness(SpeechChain("", "lookahead=" + std::to_string(lookahead)));
    harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
    gst_harness_set_upstream_latency(harness.get(), 0);
    EXPECT_EQ(gst_harness_query_latency(harness.get()),
              static_cast<GstClockTime>(want_ms) * GST_MSECOND);
  }
  Harness late(SpeechChain("", "latency=1000"));
  late.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  EXPECT_EQ(gst_harness_query_latency(late.get()), 1120 * GST_MSECOND);
}

TEST(LfmTranscribe, AJumpInTimeEndsTheUtterance) {
  const std::vector<float> first = MakeSound(3 * kRate, 16), second = MakeSound(3 * kRate, 17);
  Harness harness(SpeechChain("reset-on=discont"));
  g_object_set(harness.Find("lfmbackbone"), "reset-on", 7u, nullptr);
  g_object_set(harness.Find("lfmtranscribe"), "reset-on", 7u, nullptr);
  harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  PushSound(harness, first, 1000);
  PushSound(harness, second, 1000, 60 * kRate);
  harness.Eos();
  EXPECT_EQ(PullText(harness), WordsOf(WholeText(first)) + WordsOf(WholeText(second)));
}

TEST(LfmTranscribe, SilenceMakesNoWords) {
  // The tiny model was not trained: what must hold is that nothing but words is sent.
  Harness harness(SpeechChain());
  harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  PushSound(harness, std::vector<float>(16000), 1600);
  harness.Eos();
  EXPECT_EQ(PullText(harness), WordsOf(WholeText(std::vector<float>(16000))));
}

TEST(LfmTranscribe, RefusesWhatDoesNotFit) {
  const auto error = [](const std::string& head) {
    return StartError("lfmtranscribe" + kSpeechModel + head);
  };
  EXPECT_EQ(error("decoder=greedy lookahead=5"), "a lookahead of 5 frames, the model has 0 to 4");
  EXPECT_THAT(error("language-model=/no/such.lm"), ::testing::HasSubstr("/no/such.lm"));
  EXPECT_EQ(error("language-code=de-DE"), "language-code de-DE, the model transcribes en");
  EXPECT_EQ(error("language-code=english"),
            "language-code \"english\" is not of the form en or en-US");
  EXPECT_NE(error("language-model=\"\" hotwords=\"new  york\""), "");
}

class LfmTranscriber : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = (std::filesystem::temp_directory_path() / "rill-transcriber-XXXXXX").string();
    ASSERT_NE(g_mkdtemp(folder_.data()), nullptr);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static std::string Element(const std::string& properties) {
    return "lfmtranscriber decoder=greedy" + kSpeechModel + properties;
  }

  std::string folder_;
};

TEST_F(LfmTranscriber, TakesAnyRateAndManyChannels) {
  Harness harness(Element(""));
  harness.Start("a",
                "audio/x-raw,format=U8,rate=8000,channels=2,layout=interleaved,"
                "channel-mask=(bitmask)0x3",
                GST_FORMAT_TIME);
  EXPECT_EQ(harness.Push(std::string(16000, '\x80'), 0), GST_FLOW_OK);
  EXPECT_TRUE(harness.Eos());
  EXPECT_EQ(harness.BusError(), "");
}

TEST_F(LfmTranscriber, AStreamThatDoesNotGoOnLeavesItsFileAsItWas) {
  const std::string properties = "state-location=" + folder_ + "/stream.state";
  {
    Harness first(Element(properties));
    first.Start("a", kSpeechCaps, GST_FORMAT_TIME);
    PushSound(first, MakeSound(16000, 21), 1600);
    first.Eos();
  }
  const auto bytes = *ReadFile(folder_ + "/stream.state", 1 << 20);
  EXPECT_EQ(Snapshot::Parse(bytes)->position, 16000);
  Harness second(Element(properties));
  second.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  second.Eos();
  EXPECT_EQ(*ReadFile(folder_ + "/stream.state", 1 << 20), bytes);
}

TEST_F(LfmTranscriber, GoesOnFromTheFileItKept) {
  const std::vector<float> samples = MakeSound(6 * kRate, 18);
  const std::string state = folder_ + "/stream.state";
  const std::string properties =
      "output=line line-length=1000 state-interval=7 state-location=" + state;
  {
    // Stopped in the middle: the last write was before buffer 28.
    Harness first(Element(properties));
    first.Start("a", kSpeechCaps, GST_FORMAT_TIME);
    PushSound(first, std::span(samples).first(31 * kRate / 10), 1600);
    EXPECT_EQ(first.BusWarning(), "");
    EXPECT_EQ(first.BusError(), "");
  }
  const int64_t position = Snapshot::Parse(*ReadFile(state, 1 << 20))->position;
  EXPECT_EQ(position, 1600 * 28);
  Harness second(Element(properties));
  second.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  PushSound(second, std::span(samples).subspan(static_cast<size_t>(position)), 900,
            static_cast<size_t>(position));
  second.Eos();

  Harness whole(Element("output=line line-length=1000"));
  whole.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  PushSound(whole, samples, 1600);
  whole.Eos();
  const std::string want = PullText(whole), got = PullText(second);
  EXPECT_GT(got.size(), 10u);
  EXPECT_TRUE(want.ends_with(got)) << want << "\n" << got;
}

}  // namespace
}  // namespace rill

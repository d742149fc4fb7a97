// Manners of lfmaudioenc: every row of the event table that applies.
#include "tests/plugins/speech_stream.h"

namespace rill {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

constexpr size_t kHop = 640;

std::string Encoder(const std::string& properties = "") {
  return "lfmaudioenc" + kSpeechModel + properties;
}

// Embeddings of a whole stream, with the frames that its end brings if `drained`.
std::vector<std::vector<float>> Embeddings(std::span<const float> samples, bool drained = true) {
  AudioStage stage = *AudioStage::Open(*Model::Shared(kSpeechModelPath));
  FrameBlock block(1, (*Model::Shared(kSpeechModelPath))->backbone().width());
  std::vector<std::vector<float>> frames;
  const auto push = [&](std::span<const float> rest) {
    while (!rest.empty()) {
      const auto taken = stage.Take(rest, block);
      rest = rest.subspan(taken.samples);
      if (taken.complete) frames.push_back(block.values);
    }
  };
  push(samples);
  if (drained) push(std::vector<float>(stage.FlushSamples()));
  return frames;
}

std::vector<std::vector<float>> Values(const std::vector<Frame>& frames) {
  std::vector<std::vector<float>> values;
  for (const Frame& frame : frames) values.push_back(frame.As<float>());
  return values;
}

TEST(LfmAudioEnc, FramesDoNotDependOnBuffers) {
  const std::vector<float> samples = MakeSound(16000 + 77, 1);
  const auto want = Embeddings(samples);
  for (const size_t piece : {16, 160, 333, 641, 20000}) {
    Harness harness(Encoder());
    harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
    PushSound(harness, samples, piece);
    harness.Eos();
    const std::vector<Frame> frames = harness.PullAll();
    EXPECT_EQ(Values(frames), want) << piece;
    for (size_t i = 0; i < frames.size(); ++i) {
      EXPECT_EQ(frames[i].pts, TimeOfSample(i * kHop)) << i;
      EXPECT_EQ(frames[i].duration, 40 * GST_MSECOND);
      EXPECT_EQ(frames[i].discont(), i == 0);
    }
  }
}

TEST(LfmAudioEnc, ReadsIntegersAsWell) {
  std::vector<int16_t> integers;
  std::vector<float> samples;
  for (const float sample : MakeSound(8000, 2)) {
    integers.push_back(static_cast<int16_t>(sample * 20000));
    samples.push_back(static_cast<float>(integers.back()) / 32768);
  }
  Harness harness(Encoder());
  harness.Start("a", "audio/x-raw,format=S16LE,rate=16000,channels=1,layout=interleaved",
                GST_FORMAT_TIME);
  EXPECT_EQ(harness.Push(std::span<const int16_t>(integers), 0), GST_FLOW_OK);
  EXPECT_EQ(Values(harness.PullAll()), Embeddings(samples, false));
}

TEST(LfmAudioEnc, ReportsAFrameOfLatency) {
  Harness harness(Encoder());
  harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  gst_harness_set_upstream_latency(harness.get(), 5 * GST_MSECOND);
  EXPECT_EQ(gst_harness_query_latency(harness.get()), 45 * GST_MSECOND);
}

TEST(LfmAudioEnc, RefusesOtherRatesAndSaysWhatItWants) {
  Harness harness(Encoder());
  harness.Start("a", "audio/x-raw,format=F32LE,rate=44100,channels=1,layout=interleaved",
                GST_FORMAT_TIME);
  EXPECT_THAT(harness.BusError(), ::testing::HasSubstr("takes mono audio at 16000 Hz, 44100 Hz"));
  EXPECT_THAT(
      StartError("lfmaudioenc model-path=" RILL_SOURCE_DIR "/tests/goldens/sensor_model.gguf"),
      ::testing::HasSubstr("the model has no audio encoder"));
}

TEST(LfmAudioEnc, NeverSplicesWhatAJumpInTimeParts) {
  const std::vector<float> samples = MakeSound(16000, 3);
  const auto head = std::span(samples).first(5000), tail = std::span(samples).subspan(5000);
  for (const bool flagged : {true, false}) {
    Harness harness(Encoder("reset-on=discont"));
    harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
    PushSound(harness, head, 500);
    const GstClockTime later = 10 * GST_SECOND;
    ASSERT_EQ(harness.Push({reinterpret_cast<const char*>(tail.data()), tail.size_bytes()}, later,
                           flagged),
              GST_FLOW_OK);
    harness.Eos();
    const std::vector<Frame> frames = harness.PullAll();
    auto want = Embeddings(head);
    const size_t until = want.size();
    for (const auto& frame : Embeddings(tail)) want.push_back(frame);
    EXPECT_EQ(Values(frames), want);
    ASSERT_GT(frames.size(), until);
    EXPECT_TRUE(frames[until].discont());
    EXPECT_EQ(frames[until].pts, later);
    EXPECT_FALSE(frames[until - 1].discont());
  }
}

TEST(LfmAudioEnc, FillsShortGapsWithSilence) {
  const std::vector<float> samples = MakeSound(8000, 4);
  std::vector<float> filled(samples.begin(), samples.begin() + 4000);
  filled.resize(4000 + 1600);
  filled.insert(filled.end(), samples.begin() + 4000, samples.end());
  Harness harness(Encoder());
  harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  PushSound(harness, std::span(samples).first(4000), 400);
  harness.PushEvent(gst_event_new_gap(TimeOfSample(4000), 100 * GST_MSECOND));
  PushSound(harness, std::span(samples).subspan(4000), 400, 5600);
  harness.Eos();
  EXPECT_EQ(Values(harness.PullAll()), Embeddings(filled));
}

TEST(LfmAudioEnc, LongGapsAreJumps) {
  const std::vector<float> samples = MakeSound(8000, 5);
  Harness harness(Encoder("reset-on=discont longest-gap=1000000"));
  harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  PushSound(harness, std::span(samples).first(4000), 400);
  harness.PushEvent(gst_event_new_gap(TimeOfSample(4000), GST_SECOND));
  PushSound(harness, std::span(samples).subspan(4000), 4000, 20000);
  harness.Eos();
  auto want = Embeddings(std::span(samples).first(4000));
  for (const auto& frame : Embeddings(std::span(samples).subspan(4000))) want.push_back(frame);
  EXPECT_EQ(Values(harness.PullAll()), want);
}

TEST(LfmAudioEnc, FlushForgets) {
  const std::vector<float> samples = MakeSound(8000, 6);
  Harness harness(Encoder());
  harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  PushSound(harness, std::span(samples).first(3000), 3000);
  harness.PullAll();
  harness.Flush();
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  harness.PushEvent(gst_event_new_segment(&segment));
  PushSound(harness, std::span(samples).subspan(3000), 100);
  const std::vector<Frame> frames = harness.PullAll();
  EXPECT_EQ(Values(frames), Embeddings(std::span(samples).subspan(3000), false));
  EXPECT_TRUE(frames.at(0).discont());
}

TEST(LfmAudioEnc, CountsSamplesThatAreNotFiniteAndWarnsOnce) {
  std::vector<float> samples = MakeSound(6400, 7);
  samples[10] = NAN, samples[3000] = INFINITY;
  Harness harness(Encoder());
  harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  PushSound(harness, samples, 640);
  EXPECT_THAT(harness.BusWarning(), ::testing::HasSubstr("not finite"));
  EXPECT_EQ(harness.BusWarning(), "");
  GstStructure* stats = nullptr;
  g_object_get(harness.Find("lfmaudioenc"), "stats", &stats, nullptr);
  gint64 unsound = 0;
  gst_structure_get_int64(stats, "unsound-samples", &unsound);
  gst_structure_free(stats);
  EXPECT_EQ(unsound, 2);
}

TEST(LfmAudioEnc, TakesSilentAndEmptyStreams) {
  Harness empty(Encoder());
  empty.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  EXPECT_TRUE(empty.Eos());
  EXPECT_TRUE(empty.PullAll().empty());
  Harness one(Encoder());
  one.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  PushSound(one, std::vector<float>{0.5f}, 1);
  EXPECT_TRUE(one.Eos());
  EXPECT_EQ(one.PullAll().size(), 9u);  // the frame it began, and what the model file asks for
}

}  // namespace
}  // namespace rill

// Events and queries of the speech elements: ends of segments, events of our own, caps in
// mid-stream, clipping, latency.
#include "tests/plugins/speech_stream.h"

namespace rill {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

constexpr char kIntegerCaps[] = "audio/x-raw,format=S16LE,rate=16000,channels=1,layout=interleaved";

void SetCaps(Harness& harness, const char* text) {
  GstCaps* caps = gst_caps_from_string(text);
  harness.PushEvent(gst_event_new_caps(caps));
  gst_caps_unref(caps);
}

void SendOwn(Harness& harness, const char* name, const char* id) {
  GstStructure* fields = gst_structure_new(name, "id", G_TYPE_STRING, id, nullptr);
  EXPECT_TRUE(harness.PushEvent(gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, fields)));
}

void PushSegment(Harness& harness, GstClockTime start, GstClockTime stop) {
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.start = segment.time = start;
  segment.stop = stop;
  harness.PushEvent(gst_event_new_segment(&segment));
}

// 16-bit numbers, and the sound that they stand for.
std::vector<int16_t> ToIntegers(std::vector<float>& samples) {
  std::vector<int16_t> integers;
  for (float& sample : samples) {
    integers.push_back(static_cast<int16_t>(sample * 20000));
    sample = static_cast<float>(integers.back()) / 32768;
  }
  return integers;
}

TEST(SpeechEvents, SegmentDoneBringsOutTheLastWord) {
  const std::vector<float> samples = MakeSound(16000 * 2, 31);
  Harness harness(SpeechChain());
  harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  PushSound(harness, samples, 1600);
  harness.PushEvent(gst_event_new_segment_done(GST_FORMAT_TIME, 2 * GST_SECOND));
  EXPECT_EQ(PullText(harness), WordsOf(WholeText(samples)));
}

TEST(SpeechEvents, SoundAfterSegmentDoneKeepsItsTimes) {
  const std::vector<float> samples = MakeSound(16000 * 2, 32);
  Harness harness("lfmaudioenc" + kSpeechModel);
  harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  PushSound(harness, std::span(samples).first(16000), 1600);
  harness.PushEvent(gst_event_new_segment_done(GST_FORMAT_TIME, GST_SECOND));
  harness.PullAll();
  PushSound(harness, std::span(samples).subspan(16000), 1600, 16000);
  const std::vector<Frame> frames = harness.PullAll();
  ASSERT_EQ(frames.size(), 25u);
  EXPECT_TRUE(frames[0].discont());
  EXPECT_EQ(frames[0].pts, GST_SECOND);
}

TEST(SpeechEvents, ResetForgetsWhatWasHeard) {
  const std::vector<float> before = MakeSound(16000 * 2, 33), after = MakeSound(16000 * 3, 34);
  Harness harness(SpeechChain());
  harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  PushSound(harness, before, 1600);
  harness.PullAll();
  SendOwn(harness, "lfm/reset", "r");
  PushSound(harness, after, 1600, before.size());
  harness.Eos();
  std::string text;
  for (const Frame& word : harness.PullAll()) {
    text += word.bytes + " ";
    EXPECT_GE(word.pts, TimeOfSample(before.size()));
  }
  EXPECT_EQ(text, WordsOf(WholeText(after)));
}

TEST(SpeechEvents, AMarkerComesAfterWhatWasSaidBefore) {
  const std::vector<float> samples = MakeSound(16000 * 4, 35);
  Harness harness(SpeechChain());
  harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  PushSound(harness, std::span(samples).first(32000), 1600);
  SendOwn(harness, "lfm/marker", "m");
  PushSound(harness, std::span(samples).subspan(32000), 1600, 32000);
  size_t before = 0, after = 0;
  bool marked = false;
  while (GstMessage* message = harness.PopMessage(GST_MESSAGE_ELEMENT)) {
    const GstStructure* fields = gst_message_get_structure(message);
    if (gst_structure_has_name(fields, "lfm-marker")) {
      EXPECT_STREQ(gst_structure_get_string(fields, "id"), "m");
      marked = true;
    } else {
      ++(marked ? after : before);
    }
    gst_message_unref(message);
  }
  EXPECT_TRUE(marked);
  EXPECT_GT(before, 0u);
  EXPECT_GT(after, 0u);
  size_t passed = 0;
  while (GstEvent* event = harness.PullEvent(GST_EVENT_CUSTOM_DOWNSTREAM)) {
    passed += gst_event_has_name(event, "lfm/marker") ? 1 : 0;
    gst_event_unref(event);
  }
  EXPECT_EQ(passed, 1u);
}

TEST(SpeechEvents, AnotherFormatGoesOnWithTheStream) {
  std::vector<float> samples = MakeSound(16000 * 4, 36);
  std::vector<float> second(samples.begin() + 32001, samples.end());
  const std::vector<int16_t> integers = ToIntegers(second);
  std::copy(second.begin(), second.end(), samples.begin() + 32001);
  for (const std::string& element :
       {SpeechChain(), "lfmtranscriber decoder=greedy" + kSpeechModel}) {
    Harness harness(element);
    harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
    PushSound(harness, std::span(samples).first(32001), 1000);
    SetCaps(harness, kIntegerCaps);
    ASSERT_EQ(harness.Push(std::span(integers), TimeOfSample(32001)), GST_FLOW_OK);
    harness.Eos();
    EXPECT_EQ(PullText(harness), WordsOf(WholeText(samples))) << element;
  }
}

TEST(SpeechEvents, AnotherRateGoesOnWithTheStream) {
  const std::vector<float> samples = MakeSound(16000 * 6, 37);
  Harness harness("lfmtranscriber decoder=greedy" + kSpeechModel);
  harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  PushSound(harness, std::span(samples).first(48000), 1600);
  SetCaps(harness, "audio/x-raw,format=F32LE,rate=48000,channels=1,layout=interleaved");
  std::vector<float> finer;
  for (const float sample : std::span(samples).subspan(48000))
    finer.insert(finer.end(), {sample, sample, sample});
  for (size_t at = 0; at < finer.size(); at += 4800)
    ASSERT_EQ(harness.Push(std::span<const float>(finer).subspan(at, 4800),
                           3 * GST_SECOND + gst_util_uint64_scale(at, GST_SECOND, 48000)),
              GST_FLOW_OK);
  harness.Eos();
  EXPECT_EQ(harness.BusError(), "");
  const std::vector<Frame> words = harness.PullAll();
  GstClockTime until = 0;
  std::string text;
  for (const Frame& word : words) {
    text += word.bytes + " ";
    EXPECT_GE(word.pts, until);
    until = word.pts + word.duration;
  }
  // The converter begins anew, and marks that.
  const std::string before = WordsOf(WholeText(std::span(samples).first(48000)));
  EXPECT_TRUE(text.starts_with(before)) << text << "\n" << before;
  EXPECT_GT(text.size(), before.size());
  EXPECT_GT(until, 4 * GST_SECOND);
  EXPECT_LE(until, 7 * GST_SECOND);
}

// What the harness's source answers to LATENCY.
gboolean AnswerLatency(GstPad* pad, GstObject* parent, GstQuery* query) {
  if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY) return gst_pad_query_default(pad, parent, query);
  gst_query_set_latency(query, TRUE, 5 * GST_MSECOND, 50 * GST_MSECOND);
  return TRUE;
}

TEST(SpeechEvents, TheGreatestLatencyGrowsAsTheLeastDoes) {
  Harness harness("lfmtranscriber decoder=greedy" + kSpeechModel);
  harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  gst_pad_set_query_function(harness.get()->srcpad, AnswerLatency);
  GstQuery* query = gst_query_new_latency();
  ASSERT_TRUE(gst_pad_peer_query(harness.get()->sinkpad, query));
  gboolean live = FALSE;
  GstClockTime least = 0, most = 0;
  gst_query_parse_latency(query, &live, &least, &most);
  gst_query_unref(query);
  EXPECT_TRUE(live);
  EXPECT_EQ(least, 125 * GST_MSECOND);
  EXPECT_EQ(most, 170 * GST_MSECOND);
}

TEST(SpeechEvents, TextOfALiveStreamComesLaterByTheLateness) {
  for (const bool live : {false, true}) {
    Harness harness("lfmtranscriber decoder=greedy lateness=700" + kSpeechModel);
    gst_harness_set_live(harness.get(), live);
    harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
    GstEvent* event = harness.PullEvent(GST_EVENT_SEGMENT);
    ASSERT_NE(event, nullptr);
    const GstSegment* segment = nullptr;
    gst_event_parse_segment(event, &segment);
    const GstClockTime later =
        gst_segment_to_running_time(segment, GST_FORMAT_TIME, GST_SECOND) - GST_SECOND;
    EXPECT_EQ(later, live ? 700 * GST_MSECOND : 0);
    gst_event_unref(event);
  }
}

TEST(SpeechEvents, SoundOutsideOfTheSegmentIsNotHeard) {
  const std::vector<float> samples = MakeSound(16000 * 4, 38);
  Harness harness(SpeechChain());
  harness.PushEvent(gst_event_new_stream_start("a"));
  SetCaps(harness, kSpeechCaps);
  PushSegment(harness, TimeOfSample(8100), TimeOfSample(48010));
  PushSound(harness, samples, 1600);
  harness.Eos();
  const std::vector<Frame> words = harness.PullAll();
  std::string text;
  for (const Frame& word : words) text += word.bytes + " ";
  EXPECT_EQ(text, WordsOf(WholeText(std::span(samples).subspan(8100, 48010 - 8100))));
  ASSERT_FALSE(words.empty());
  EXPECT_GE(words.front().pts, TimeOfSample(8100));
  EXPECT_LE(words.back().pts + words.back().duration, TimeOfSample(48010));
}

TEST(SpeechEvents, TheEndOfWhatAJumpPartsIsNotStampedPastIt) {
  const std::vector<float> samples = MakeSound(16000 * 2 + 100, 39);
  const size_t target = 16000 * 2 + 100 + 3500;  // 219 ms on, and 320 ms of silence bring out words
  for (const bool back : {false, true}) {
    Harness encoder("lfmaudioenc" + kSpeechModel), chain(SpeechChain());
    for (Harness* harness : {&encoder, &chain}) {
      harness->Start("a", kSpeechCaps, GST_FORMAT_TIME);
      PushSound(*harness, samples, 1600);
      PushSound(*harness, samples, 1600, back ? 0 : target);
    }
    const GstClockTime limit = TimeOfSample(back ? samples.size() : target);
    const std::vector<Frame> frames = encoder.PullAll();
    size_t i = 1;
    for (; i < frames.size() && !frames[i].discont(); ++i) {
      EXPECT_GE(frames[i].pts, frames[i - 1].pts) << i;
      EXPECT_LE(frames[i].pts + frames[i].duration, limit) << i;
    }
    ASSERT_LT(i, frames.size());
    EXPECT_EQ(frames[i].pts, back ? 0 : limit);
    const std::vector<Frame> words = chain.PullAll();
    i = 1;
    for (; i < words.size() && !words[i].discont(); ++i) {
    }
    EXPECT_LE(words[i - 1].pts + words[i - 1].duration, limit);
  }
}

TEST(SpeechEvents, AGapOfUnknownLengthEndsNothing) {
  const std::vector<float> samples = MakeSound(16000 * 4, 40);
  Harness harness(SpeechChain());
  harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  PushSound(harness, std::span(samples).first(20000), 1600);
  harness.PushEvent(gst_event_new_gap(TimeOfSample(20000), GST_CLOCK_TIME_NONE));
  PushSound(harness, std::span(samples).subspan(20000), 1600, 20000);
  harness.Eos();
  EXPECT_EQ(PullText(harness), WordsOf(WholeText(samples)));
}

}  // namespace
}  // namespace rill

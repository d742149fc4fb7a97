// Sound of every kind through lfmtranscriber: formats, rates and channels, bad samples, streams
// that stop and start again.
#include <cmath>

#include "tests/plugins/speech_stream.h"

namespace rill {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

std::string Element(const std::string& properties = "") {
  return "lfmtranscriber decoder=greedy" + kSpeechModel + properties;
}

// The text of samples at the model's rate, and that nothing was complained of.
std::string Transcribe(std::span<const float> samples) {
  Harness harness(Element());
  harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  PushSound(harness, samples, 1600);
  EXPECT_TRUE(harness.Eos());
  EXPECT_EQ(harness.BusError(), "");
  EXPECT_EQ(harness.BusWarning(), "");
  return PullText(harness);
}

gint64 Unsound(Harness& harness) {
  GstStructure* stats = nullptr;
  g_object_get(harness.Find("lfmtranscriber"), "stats", &stats, nullptr);
  gint64 unsound = 0;
  gst_structure_get_int64(stats, "unsound-samples", &unsound);
  gst_structure_free(stats);
  return unsound;
}

struct Format {
  const char* name;  // GStreamer's
  int rate_hz;       // a multiple of 16 kHz
  int channels;
  const char* mask;  // of the channels' positions; empty: they do not say
  bool exact;        // nothing is lost
};

void PrintTo(const Format& format, std::ostream* out) {
  *out << format.name << " " << format.rate_hz << " Hz " << format.channels << " channels";
}

template <typename T>
void Append(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// The sound in every channel.
std::string Encode(const Format& format, std::span<const float> samples) {
  const std::string name = format.name;
  std::string bytes;
  for (const float sample : samples)
    for (int i = 0; i < format.rate_hz / 16000 * format.channels; ++i) {
      if (name == "U8") Append(bytes, static_cast<uint8_t>(128 + std::lround(sample * 127)));
      if (name == "S16LE") Append(bytes, static_cast<int16_t>(std::lround(sample * 32767)));
      if (name == "F32LE") Append(bytes, sample);
      if (name == "F64LE") Append(bytes, static_cast<double>(sample));
    }
  return bytes;
}

class TranscriberFormat : public ::testing::TestWithParam<Format> {};

TEST_P(TranscriberFormat, IsHeard) {
  const Format& format = GetParam();
  std::vector<float> samples = MakeSound(16000 * 4, 51);
  for (float& sample : samples) sample = std::clamp(sample, -1.0f, 1.0f);
  Harness harness(Element());
  harness.Start("a",
                "audio/x-raw,layout=interleaved,format=" + std::string(format.name) +
                    ",rate=" + std::to_string(format.rate_hz) +
                    ",channels=" + std::to_string(format.channels) +
                    (*format.mask == '\0' ? "" : ",channel-mask=(bitmask)") + format.mask,
                GST_FORMAT_TIME);
  for (size_t at = 0; at < samples.size(); at += 1600)
    ASSERT_EQ(harness.Push(Encode(format, std::span(samples).subspan(at, 1600)), TimeOfSample(at)),
              GST_FLOW_OK);
  EXPECT_TRUE(harness.Eos());
  EXPECT_EQ(harness.BusError(), "");
  const std::vector<Frame> words = harness.PullAll();
  std::string text;
  for (const Frame& word : words) text += word.bytes + " ";
  EXPECT_GT(words.size(), 3u);
  EXPECT_LE(words.back().pts + words.back().duration, 5 * GST_SECOND);
  if (format.exact) {
    EXPECT_EQ(text, Transcribe(samples));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, TranscriberFormat,
    ::testing::Values(Format{"U8", 16000, 1, "0", false}, Format{"U8", 48000, 2, "3", false},
                      Format{"S16LE", 192000, 1, "0", false},
                      Format{"F32LE", 192000, 2, "3", false}, Format{"F64LE", 16000, 1, "0", true},
                      Format{"F32LE", 16000, 8, "0xc3f", false},
                      Format{"F32LE", 16000, 2, "", true}, Format{"S16LE", 48000, 2, "", false},
                      Format{"F32LE", 16000, 2, "0", true}, Format{"S16LE", 48000, 32, "0", false},
                      Format{"F32LE", 16000, 32, "0", true}));

TEST(TranscriberInput, EmptyBuffersChangeNothing) {
  const std::vector<float> samples = MakeSound(16000 * 3, 52);
  Harness harness(Element());
  harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  for (size_t at = 0; at < samples.size(); at += 1000) {
    ASSERT_EQ(harness.Push("", TimeOfSample(at)), GST_FLOW_OK);
    PushSound(harness, std::span(samples).subspan(at, 1000), 1000, at);
    ASSERT_EQ(harness.Push(""), GST_FLOW_OK);
  }
  harness.Eos();
  EXPECT_EQ(PullText(harness), Transcribe(samples));
}

TEST(TranscriberInput, OneSampleIsAStream) {
  for (const int rate_hz : {8000, 16000, 192000}) {
    Harness harness(Element());
    harness.Start(
        "a",
        "audio/x-raw,format=F32LE,channels=1,layout=interleaved,rate=" + std::to_string(rate_hz),
        GST_FORMAT_TIME);
    PushSound(harness, std::vector<float>{0.5f}, 1);
    EXPECT_TRUE(harness.Eos());
    EXPECT_EQ(harness.BusError(), "") << rate_hz;
    EXPECT_NE(harness.EventNames().find("eos"), std::string::npos);
  }
}

TEST(TranscriberInput, SamplesThatAreNoNumbersAreSilence) {
  std::vector<float> samples = MakeSound(16000 * 4, 53), silent = samples;
  for (size_t i = 20000; i < 20100; ++i) {
    samples[i] = i % 3 == 0 ? NAN : i % 3 == 1 ? INFINITY : -INFINITY;
    silent[i] = 0;
  }
  Harness harness(Element());
  harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  PushSound(harness, samples, 1600);
  harness.Eos();
  EXPECT_EQ(PullText(harness), Transcribe(silent));
  EXPECT_EQ(Unsound(harness), 100);
  EXPECT_NE(harness.BusWarning(), "");
  EXPECT_EQ(harness.BusWarning(), "");
}

// The converter's filter spreads them over its length, and no farther.
TEST(TranscriberInput, SamplesThatAreNoNumbersPassAConverter) {
  const Format format = {"F32LE", 48000, 1, "0", false};
  std::vector<float> samples = MakeSound(16000 * 4, 54);
  samples[20000] = NAN;
  Harness harness(Element());
  harness.Start("a", "audio/x-raw,format=F32LE,rate=48000,channels=1,layout=interleaved",
                GST_FORMAT_TIME);
  ASSERT_EQ(harness.Push(Encode(format, samples), 0), GST_FLOW_OK);
  harness.Eos();
  EXPECT_EQ(harness.BusError(), "");
  EXPECT_GT(Unsound(harness), 0);
  EXPECT_LT(Unsound(harness), 1000);
  EXPECT_FALSE(PullText(harness).empty());
}

TEST(TranscriberInput, LoudAndShiftedSoundIsNoError) {
  std::vector<float> clipped = MakeSound(16000 * 3, 55), shifted = clipped, huge = clipped;
  for (float& sample : clipped) sample = std::clamp(sample * 50, -1.0f, 1.0f);
  for (float& sample : shifted) sample += 0.5f;
  for (float& sample : huge) sample *= 1e30f;
  for (const std::vector<float>& samples : {clipped, shifted, huge})
    EXPECT_EQ(Transcribe(samples), WordsOf(WholeText(samples)));
}

TEST(TranscriberInput, AStreamThatStopsAndStartsAgainBeginsAnew) {
  const std::vector<float> first = MakeSound(16000 * 2, 56), second = MakeSound(16000 * 3, 57);
  Harness harness(Element());
  harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  PushSound(harness, first, 1600);
  harness.PullAll();
  gst_element_set_state(harness.element(), GST_STATE_READY);
  gst_element_set_state(harness.element(), GST_STATE_PLAYING);
  harness.Start("a", kSpeechCaps, GST_FORMAT_TIME);
  PushSound(harness, second, 1600);
  harness.Eos();
  EXPECT_EQ(PullText(harness), Transcribe(second));

  // Another stream after the end of one.
  harness.Start("b", kSpeechCaps, GST_FORMAT_TIME);
  PushSound(harness, first, 1600);
  harness.Eos();
  EXPECT_EQ(PullText(harness), Transcribe(first));
  EXPECT_EQ(harness.BusError(), "");
}

}  // namespace
}  // namespace rill

// What lfmsensorenc takes as rows, and what it says of the rest.
#include <gmock/gmock.h>

#include "tests/plugins/sensor_encoder.h"

namespace rill {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

TEST(LfmSensorEnc, TakesFloat32AndTheSingularForm) {
  const std::vector<SensorRow> rows = Regular(4);
  std::vector<SensorRow> rounded = rows;
  Harness harness(EncoderElement("every=0"));
  harness.Start("a", "other/tensor,type=float32,dimension=(string)1:1:1:1,framerate=(fraction)1/1",
                GST_FORMAT_TIME);
  for (SensorRow& row : rounded) {
    const float value[] = {static_cast<float>(row.values[0])};
    row.values[0] = static_cast<double>(value[0]);
    ASSERT_EQ(harness.Push(std::span<const float>(value), static_cast<GstClockTime>(row.time_ns)),
              GST_FLOW_OK);
  }
  EXPECT_EQ(Values(harness.PullAll()), FramesOf(rounded));
}

class AudioChunks : public ::testing::TestWithParam<size_t> {};

TEST_P(AudioChunks, EverySampleIsARowWhateverTheBuffers) {
  constexpr int64_t kRate = 44'100;  // not a whole number of nanoseconds
  constexpr size_t kSamples = 210, kChannels = 2;
  Random random(9);
  const std::vector<float> samples = random.Floats(kSamples * kChannels);
  std::vector<SensorRow> rows;
  for (size_t i = 0; i < kSamples; ++i)
    rows.push_back(
        {static_cast<int64_t>(i) * kSecondNs / kRate, {samples[2 * i], samples[2 * i + 1]}});
  Harness harness(EncoderElement("every=0"));
  harness.Start("a",
                "audio/x-raw,format=F32LE,layout=interleaved,channels=2,rate=44100,"
                "channel-mask=(bitmask)3",
                GST_FORMAT_TIME);
  for (size_t i = 0; i < kSamples; i += GetParam()) {
    const size_t n = std::min(GetParam(), kSamples - i);
    ASSERT_EQ(harness.Push(std::span<const float>(samples).subspan(i * kChannels, n * kChannels),
                           static_cast<GstClockTime>(rows[i].time_ns)),
              GST_FLOW_OK);
  }
  const std::vector<Frame> frames = harness.PullAll();
  EXPECT_EQ(Values(frames), FramesOf(rows));
  for (size_t i = 0; i < frames.size(); ++i)
    EXPECT_EQ(static_cast<int64_t>(frames[i].pts), rows[kPatch * i + kPatch - 1].time_ns);
}

INSTANTIATE_TEST_SUITE_P(Buffers, AudioChunks, ::testing::Values(1, 3, 7, 64, 210));

TEST(LfmSensorEnc, ABadRowIsAnErrorOrCounted) {
  const std::vector<SensorRow> rows = Regular(4);
  const SensorRow infinite{2 * kSecondNs, {std::numeric_limits<double>::infinity()}};
  Harness strict(EncoderElement("every=0 on-bad-row=error"));
  strict.Start("a", RowCaps(1), GST_FORMAT_TIME);
  PushRows(strict, std::span(rows).first(2));
  EXPECT_EQ(PushRow(strict, rows[1]), GST_FLOW_ERROR);
  EXPECT_EQ(strict.BusError(), "a row's time is 0 ns before or at that of the row before it");
  EXPECT_EQ(strict.BusError(), "");

  Harness lenient(EncoderElement("every=0"));
  lenient.Start("a", RowCaps(1), GST_FORMAT_TIME);
  PushRows(lenient, std::span(rows).first(2));
  EXPECT_EQ(PushRow(lenient, rows[0]), GST_FLOW_OK);
  EXPECT_EQ(PushRow(lenient, infinite), GST_FLOW_OK);
  PushRows(lenient, std::span(rows).subspan(2));
  EXPECT_EQ(Values(lenient.PullAll()), FramesOf(rows));
  EXPECT_EQ(Count(lenient, "bad-rows"), 2u);
  EXPECT_THAT(lenient.BusWarning(), ::testing::StartsWith("a row was skipped: a row's time is "));
  EXPECT_EQ(lenient.BusWarning(), "");
  EXPECT_EQ(Count(lenient, "rows"), 4u);
}

TEST(LfmSensorEnc, AStreamWithoutOneGoodRowIsAnError) {
  Harness harness(EncoderElement());
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  EXPECT_EQ(PushRow(harness, {0, {std::numeric_limits<double>::infinity()}}), GST_FLOW_OK);
  EXPECT_EQ(harness.BusError(), "");
  harness.Eos();
  EXPECT_EQ(harness.BusError(),
            "not one row could be taken, the last for this: channel 0 is infinite");
}

TEST(LfmSensorEnc, SaysWhatABufferLacks) {
  Harness harness(EncoderElement());
  harness.Start("a", RowCaps(2), GST_FORMAT_TIME);
  EXPECT_EQ(harness.Push("12345678", 0), GST_FLOW_ERROR);
  EXPECT_EQ(harness.BusError(), "a buffer has 8 bytes, a row of 2 channels has 16");
  EXPECT_EQ(harness.Push("1234567812345678"), GST_FLOW_ERROR);
  EXPECT_EQ(harness.BusError(), "a row has no time: its buffer has no PTS");
}

TEST(LfmSensorEnc, RefusesWhatAreNoRows) {
  Harness frames(EncoderElement());
  frames.Start("a", RowCaps(2, ",lfm-space=(string)0123/embedding"), GST_FORMAT_TIME);
  EXPECT_EQ(frames.BusError(), "frames of \"0123/embedding\" were offered, the encoder takes rows");
  Harness blocks(EncoderElement());
  blocks.Start("a",
               "other/tensors,format=static,num_tensors=1,types=float32,"
               "dimensions=(string)2:16:1:1,framerate=(fraction)0/1",
               GST_FORMAT_TIME);
  EXPECT_EQ(blocks.BusError(),
            "a buffer of 2:16:1:1 values was offered, the encoder takes one row of C:1:1:1");
}

}  // namespace
}  // namespace rill

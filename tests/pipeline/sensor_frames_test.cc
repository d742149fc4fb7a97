#include "pipeline/sensor_frames.h"

#include <gtest/gtest.h>

#include "pipeline/clock.h"
#include "pipeline/latency.h"
#include "pipeline/sample_clock.h"
#include "pipeline/stream_snapshot.h"

namespace rill {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

std::shared_ptr<const Model> Tiny() {
  return *Model::Shared(RILL_SOURCE_DIR "/tests/goldens/sensor_model.gguf");  // P = 4, D = 16
}

// The uses of the frames that a row brings: k kept, p peeked, r repeated; upper case when due.
std::string Uses(SensorFrames& frames) {
  std::string uses;
  FrameBlock block(1, 16);
  FrameNotes notes;
  while (frames.Next(block, notes)) {
    const char letter = notes.use == FrameUse::kKept     ? 'k'
                        : notes.use == FrameUse::kPeeked ? 'p'
                                                         : 'r';
    uses += notes.due ? static_cast<char>(letter - 'a' + 'A') : letter;
  }
  return uses;
}

std::string Push(SensorFrames& frames, int64_t second, size_t every) {
  const double value[] = {static_cast<double>(second)};
  const Result<bool> taken = frames.Push(second * kSecondNs, value, every);
  EXPECT_TRUE(taken) << taken.error().message;
  return *taken ? Uses(frames) : "-";
}

TEST(SensorFrames, SendsCompleteFramesAndThoseThatAreDue) {
  SensorFrames frames = *SensorFrames::Open(Tiny(), 1);
  std::string all;
  for (int64_t i = 0; i < 9; ++i) all += Push(frames, i, 3) + ".";
  EXPECT_EQ(all, "..P.k..P..k.P.");
  frames.Finish();
  EXPECT_EQ(Uses(frames), "");  // row 9 was due
}

TEST(SensorFrames, MarksWhatOnlyTheEndMadeDue) {
  SensorFrames frames = *SensorFrames::Open(Tiny(), 1);
  FrameBlock block(1, 16);
  FrameNotes notes;
  const double value = 1;
  ASSERT_TRUE(frames.Push(kSecondNs, {&value, 1}, 1));
  ASSERT_TRUE(frames.Next(block, notes));
  EXPECT_TRUE(notes.due && !notes.drained);
  ASSERT_TRUE(frames.Push(2 * kSecondNs, {&value, 1}, 0));
  frames.Finish();
  ASSERT_TRUE(frames.Next(block, notes));
  EXPECT_TRUE(notes.due && notes.drained);
}

TEST(SensorFrames, ACompleteFrameIsDueItself) {
  SensorFrames frames = *SensorFrames::Open(Tiny(), 1);
  for (int64_t i = 0; i < 3; ++i) EXPECT_EQ(Push(frames, i, 4), "");
  EXPECT_EQ(Push(frames, 3, 4), "K");
}

TEST(SensorFrames, TheEndRepeatsAFrameThatWasNotDue) {
  SensorFrames frames = *SensorFrames::Open(Tiny(), 1);
  for (int64_t i = 0; i < 4; ++i) Push(frames, i, 0);
  frames.Finish();
  EXPECT_EQ(Uses(frames), "R");
  EXPECT_EQ(Push(frames, 4, 0), "");
  frames.Finish();
  EXPECT_EQ(Uses(frames), "P");
}

TEST(SensorFrames, AbsentRowsCompleteFramesBeforeTheOneThatIsDue) {
  SensorFrames frames = *SensorFrames::Open(Tiny(), 1);
  Push(frames, 0, 3);
  Push(frames, 1, 3);
  EXPECT_EQ(Push(frames, 9, 3), "kkP");  // slots 0-3, 4-7, and 2 of the third
}

TEST(SensorFrames, PassesOverRowsSeenBeforeASnapshot) {
  SensorFrames frames = *SensorFrames::Open(Tiny(), 1);
  for (int64_t i = 0; i < 5; ++i) Push(frames, i, 0);
  const Snapshot snapshot{Tiny()->fingerprint(), frames.rows(), {frames.Save()}};
  SensorFrames again = *SensorFrames::Open(Tiny(), 1);
  ASSERT_TRUE(again.Restore(snapshot, 0));
  for (int64_t i = 0; i < 5; ++i) EXPECT_EQ(Push(again, i, 0), "-");
  EXPECT_EQ(Push(again, 5, 0), "");
  const double value[] = {1};
  EXPECT_FALSE(again.Push(5 * kSecondNs, value, 0));  // a bad row from here on
}

TEST(Latency, IsThatOfAPatchWithoutForecasts) {
  EXPECT_EQ(SensorLatencySlots(24, 0), 23u);
  EXPECT_EQ(SensorLatencySlots(24, 1), 0u);
  EXPECT_EQ(SensorLatencySlots(24, 168), 0u);
  EXPECT_EQ(SensorLatencyNs(4, 0, kSecondNs), 3 * kSecondNs);
}

TEST(SampleClock, CountsExactlyWhateverTheStamps) {
  SampleClock clock(44'100);
  for (int64_t n = 0; n < 100'000; ++n) {
    if (n % 7 == 0) clock.Align(n * kSecondNs / 44'100);
    ASSERT_EQ(clock.Next(), n * kSecondNs / 44'100);
  }
  clock.Align(10 * kSecondNs);  // samples are missing
  EXPECT_EQ(clock.Next(), 10 * kSecondNs);
}

TEST(StreamSnapshot, RefusesWhatDoesNotRestore) {
  Snapshot snapshot{Tiny()->fingerprint(), 0, {}};
  Result<ResumePoint> point = CheckSensorSnapshot(Tiny(), snapshot.Serialize());
  ASSERT_FALSE(point);
  EXPECT_EQ(point.error().message, "snapshot has no state for backbone");
  snapshot.model ^= 1;
  point = CheckSensorSnapshot(Tiny(), snapshot.Serialize());
  ASSERT_FALSE(point);
  EXPECT_EQ(point.error().message, "snapshot was made with another model");
}

TEST(Latency, EndsAtTheEndOfTime) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(SensorLatencyNs(24, 0, int64_t{4'000'000'000'000'000'000}), kMost);
  EXPECT_EQ(SaturatedSum(kMost - 1, 2), kMost);
  EXPECT_EQ(SaturatedSum(std::numeric_limits<int64_t>::min(), -1),
            std::numeric_limits<int64_t>::min());
  EXPECT_EQ(SaturatedProduct(kMost, -2), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(SaturatedProduct(-3, 5), -15);
}

}  // namespace
}  // namespace rill

// What sessions refuse to go on from.
#include <unistd.h>

#include "pipeline/files.h"
#include "tests/fuzz/snapshot_fuzz.h"
#include "tests/pipeline/sessions.h"

namespace rill::testing {
namespace {

TEST(ReadFile, ReadsPipesAndRefusesFolders) {
  int ends[2] = {};
  ASSERT_EQ(pipe(ends), 0);
  const std::string text = "from a pipe";
  ASSERT_EQ(write(ends[1], text.data(), text.size()), std::ssize(text));
  close(ends[1]);
  const auto bytes = ReadFile("/dev/fd/" + std::to_string(ends[0]), 100);
  close(ends[0]);
  ASSERT_TRUE(bytes) << bytes.error().message;
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size()), text);
  EXPECT_EQ(ReadFile("/tmp", 100).error().message, "/tmp: is a folder");
}

TEST(Session, RefusesForeignAndDamagedSnapshots) {
  Session one = Open(1), two = Open(2);
  const auto bytes = one.Save();
  EXPECT_FALSE(two.Restore(bytes));
  for (size_t at = 0; at < bytes.size(); at += 13) {
    auto damaged = bytes;
    damaged[at] ^= std::byte{4};
    EXPECT_FALSE(one.Restore(damaged)) << at;
  }
  for (size_t count = 0; count < bytes.size(); count += 17)
    EXPECT_FALSE(one.Restore(std::span(bytes).first(count)));
  Session float32 = *Session::Open(TinyModel(CachePrecision::kFloat32), {1, 0, 0});
  EXPECT_EQ(float32.Restore(bytes).error().message,
            "snapshot's state of backbone has another layout: other options or channels");
}

// The checksum is right in each: what protects the stream is what the stages check.
TEST(Session, SurvivesSnapshotsWithAnyWordSetToExtremes) {
  constexpr uint64_t kNan = 0x7ff8000000000000, kNans = 0x7fc000007fc00000;
  size_t accepted = 0, refused = 0;
  for (uint8_t part = 0; part < 3; ++part)
    for (uint16_t offset = 0; offset < 3000; offset += 8)
      for (const uint64_t value :
           {uint64_t{0}, uint64_t{1}, uint64_t{5}, ~uint64_t{0}, uint64_t{1} << 63,
            uint64_t{1} << 32, (uint64_t{1} << 63) - 1, kNan, kNans}) {
        const SnapshotEdit edit{part, offset, value};
        ++(FuzzSnapshot(std::span(&edit, 1)) ? accepted : refused);
      }
  EXPECT_GT(accepted, 0u);
  EXPECT_GT(refused, 0u);
}

TEST(Session, RefusesSnapshotsOfChannelsThatAreNotTogether) {
  const auto model = FullAttentionModel();
  Session session = *Session::Open(model, {.channels = 2});
  const std::vector<double> row = {1, 2};
  ASSERT_TRUE(session.Push(0, row));
  Snapshot snapshot = *Snapshot::Parse(session.Save());
  const int64_t full = 3;  // no room, where channel 0 has some
  std::vector<std::byte>& bytes = snapshot.parts[1].bytes;
  const StateLayout& layout = model->backbone().layout();
  for (const auto& [name, slot] : layout.entries())
    if (name == "blk.0.attention.position")
      std::memcpy(bytes.data() + layout.bytes() + slot.offset_bytes, &full, sizeof full);
  EXPECT_EQ(session.Restore(snapshot.Serialize()).error().message,
            "snapshot: channel 1 is at another position than channel 0");
}

// Overwrites the word that ends so many bytes before the end of a part.
Result<void> RestoreEdited(size_t part, size_t from_end, int64_t word) {
  Session session = Open(1);
  PushAll(session, Rows(10, 1, 3));
  Snapshot snapshot = *Snapshot::Parse(session.Save());
  std::vector<std::byte>& bytes = snapshot.parts[part].bytes;
  std::memcpy(bytes.data() + bytes.size() - from_end, &word, sizeof word);
  return session.Restore(snapshot.Serialize());
}

TEST(Session, NamesWhatASnapshotCannotHold) {
  constexpr int64_t kNan = 0x7ff8000000000000;
  constexpr size_t kSensor = 0, kForecast = 2;
  // The sensor's state ends with: elapsed, missing, pending; times of the patch and of a slot.
  EXPECT_EQ(RestoreEdited(kSensor, 40, 9).error().message,
            "snapshot: the unfinished frame has 9 slots of 4");
  EXPECT_EQ(RestoreEdited(kSensor, 24, 1).error().message,
            "snapshot: it was taken in the middle of a row");
  EXPECT_EQ(RestoreEdited(kSensor, 8, kNan).error().message,
            "snapshot: the state sensor.times is not finite");
  EXPECT_EQ(
      RestoreEdited(kSensor, 8, std::numeric_limits<int64_t>::min() | (kNan >> 1)).error().message,
      "snapshot: a number of the sensor encoder is out of range");
  // The head's with: elapsed, last time, interval.
  EXPECT_EQ(RestoreEdited(kForecast, 24, 5).error().message,
            "snapshot: the frame kept has 5 slots, at most 4");
  EXPECT_EQ(RestoreEdited(kForecast, 8, -1).error().message,
            "snapshot: the frame kept has a negative interval");
}

}  // namespace
}  // namespace rill::testing

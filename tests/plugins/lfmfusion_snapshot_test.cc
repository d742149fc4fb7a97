// Snapshots of a stream that several encoders share.
#include "tests/plugins/fused_stream.h"

namespace rill {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using ::testing::HasSubstr;

std::vector<std::byte> CopyOf(GBytes* bytes) {
  gsize size = 0;
  const auto* data = static_cast<const std::byte*>(g_bytes_get_data(bytes, &size));
  return {data, data + size};
}

constexpr char kSounds[] = " ! lfmclassify head=sounds messages=false";

// A recording of 900 ms: nine pictures and the sound.
class Recording {
 public:
  static constexpr size_t kPictures = 9, kHops = 22;

  // Pictures from `seen` on and sound from `heard` on, each with a request behind so many of them.
  std::vector<std::string> Play(Fused& fused, size_t seen, size_t heard,
                                std::optional<size_t> ask_seen = {},
                                std::optional<size_t> ask_heard = {},
                                GstClockTime earlier = 0) const {
    for (size_t i = seen; i < kPictures; ++i) {
      if (i == ask_seen) fused.Ask("pictures", "lfm/snapshot");
      fused.See(pictures_[i], i * 100 * GST_MSECOND - earlier);
    }
    fused.EndPictures();
    for (size_t i = heard; i < kHops; ++i) {
      if (i == ask_heard) fused.Ask("sound", "lfm/snapshot");
      fused.Hear(std::span(sound_).subspan(i * kHop, kHop), i * 40 * GST_MSECOND - earlier);
    }
    fused.EndSound();
    return PullLines(fused);
  }

 private:
  std::vector<float> sound_ = MakeSound(kHops * kHop, 5);
  std::vector<std::string> pictures_ = MakePictures(kPictures, 700);
};

struct Taken {
  std::shared_ptr<GBytes> state;
  size_t position = 0;
};

// The snapshot that was made; fails when there is none.
Taken SnapshotOf(Fused& fused) {
  GstMessage* message = fused.Message("lfm-snapshot");
  EXPECT_NE(message, nullptr);
  if (message == nullptr) return {};
  GBytes* state = nullptr;
  gint64 position = 0;
  gst_structure_get(gst_message_get_structure(message), "state", G_TYPE_BYTES, &state, "position",
                    G_TYPE_INT64, &position, nullptr);
  gst_message_unref(message);
  return {{state, g_bytes_unref}, static_cast<size_t>(position)};
}

std::vector<std::string> From(const std::vector<std::string>& lines, size_t position) {
  return {lines.begin() + static_cast<ptrdiff_t>(position), lines.end()};
}

FusedOptions Sounds() { return {.head = kSounds + kOmni}; }

TEST(LfmFusionSnapshot, GoesOnWhereverEachPadWas) {
  const Recording recording;
  Fused whole(Sounds());
  const std::vector<std::string> want = recording.Play(whole, 0, 0);
  ASSERT_EQ(want.size(), Recording::kPictures + Recording::kHops);
  struct Cut {
    size_t seen, heard;
  };
  for (const Cut cut : {Cut{3, 13}, Cut{7, 2}, Cut{5, 12}}) {
    Fused first(Sounds());
    EXPECT_EQ(recording.Play(first, 0, 0, cut.seen, cut.heard), want) << "it changes nothing";
    const Taken taken = SnapshotOf(first);
    ASSERT_TRUE(taken.state);
    EXPECT_LE(taken.position, cut.seen + cut.heard);
    Fused second(Sounds());
    second.GoOnFrom(taken.state.get());
    EXPECT_EQ(recording.Play(second, cut.seen, cut.heard), From(want, taken.position));
  }
}

// The encoders mark the first frame that they make after a restore.
TEST(LfmFusionSnapshot, ItsBeginningIsNoJump) {
  const Recording recording;
  const FusedOptions options{.properties = "reset-on=stream-start+flush+discont",
                             .head = kSounds + kOmni};
  Fused first(options);
  const std::vector<std::string> want = recording.Play(first, 0, 0, 3, 13);
  const Taken taken = SnapshotOf(first);
  ASSERT_LT(taken.position, 3u + 13);
  Fused second(options);
  second.GoOnFrom(taken.state.get());
  EXPECT_EQ(recording.Play(second, 3, 13), From(want, taken.position));
}

TEST(LfmFusionSnapshot, AnEncoderThatHadEndedBeginsAfresh) {
  const std::vector<float> sound = MakeSound(4 * kHop, 1);
  const auto hear = [&](Fused& fused, size_t first, size_t end) {
    for (size_t i = first; i < end; ++i)
      fused.Hear(std::span(sound).subspan(i * kHop, kHop), i * 40 * GST_MSECOND);
  };
  Fused first(Sounds());
  first.See(MakePicture(1), 0);
  first.EndPictures();
  hear(first, 0, 3);
  first.Ask("sound", "lfm/snapshot");
  hear(first, 3, 4);
  first.EndSound();
  EXPECT_EQ(PullLines(first).size(), 5u);
  const Taken taken = SnapshotOf(first);
  ASSERT_TRUE(taken.state);
  Fused second(Sounds());
  second.GoOnFrom(taken.state.get());
  second.See(MakePicture(1), 120 * GST_MSECOND);
  second.EndPictures();
  hear(second, 3, 4);
  second.EndSound();
  EXPECT_EQ(PullLines(second).size(), 2u);
  EXPECT_EQ(second.Message("", GST_MESSAGE_ERROR), nullptr);
}

TEST(LfmFusionSnapshot, TakesAnotherOneWhileFramesOfTheFirstAreOnTheirWay) {
  const Recording recording;
  Fused whole(Sounds());
  const std::vector<std::string> want = recording.Play(whole, 0, 0);
  Fused first(Sounds());
  recording.Play(first, 0, 0, 2, 16);  // sound of 200 to 640 ms is on its way
  const Taken taken = SnapshotOf(first);
  ASSERT_LT(taken.position, 2u + 16);
  Fused second(Sounds());
  second.GoOnFrom(taken.state.get());
  // Before any of them has been taken, and the pictures only at 500 ms.
  EXPECT_EQ(recording.Play(second, 2, 16, 5, 16), From(want, taken.position));
  const Taken again = SnapshotOf(second);
  ASSERT_TRUE(again.state);
  Fused third(Sounds());
  third.GoOnFrom(again.state.get());
  EXPECT_EQ(recording.Play(third, 5, 16), From(want, again.position));
}

TEST(LfmFusionSnapshot, WithAnotherClockTakesWhatWasOnItsWayFirst) {
  const Recording recording;
  Fused first(Sounds());
  recording.Play(first, 0, 0, 3, 13);
  const Taken taken = SnapshotOf(first);
  ASSERT_LT(taken.position, 3u + 13);
  Fused second(Sounds());
  second.GoOnFrom(taken.state.get());
  // Running times begin anew, as those of a camera do.
  const auto lines = recording.Play(second, 3, 13, {}, {}, 300 * GST_MSECOND);
  ASSERT_EQ(lines.size(), Recording::kPictures + Recording::kHops - taken.position);
  for (size_t i = 0; i < 3 + 13 - taken.position; ++i)
    EXPECT_THAT(lines[i],
                HasSubstr("\"position\":" + std::to_string((i + 1 + taken.position - 3) * 640)));
}

TEST(LfmFusionSnapshot, IsGivenUpForAnother) {
  const Recording recording;
  Fused fused(Sounds());
  fused.See(MakePicture(1), 0);
  fused.Ask("pictures", "lfm/snapshot");
  fused.See(MakePicture(2), 40 * GST_MSECOND);
  fused.Ask("pictures", "lfm/snapshot");
  fused.EndPictures();
  fused.Hear(MakeSound(2 * kHop, 1), 0);
  fused.Ask("sound", "lfm/snapshot");
  fused.EndSound();
  EXPECT_EQ(PullLines(fused).size(), 4u);
  GstMessage* warning = fused.Message("", GST_MESSAGE_WARNING);
  ASSERT_NE(warning, nullptr);
  GError* error = nullptr;
  gst_message_parse_warning(warning, &error, nullptr);
  EXPECT_STREQ(error->message, "no snapshot was made: another one was asked for");
  g_error_free(error);
  gst_message_unref(warning);
}

// Hours after the start, and what is on its way is kept of one pad.
TEST(LfmFusionSnapshot, AfterAResetGoesOn) {
  constexpr GstClockTime kLater = 7200 * GST_SECOND;
  Fused first(Sounds());
  first.See(MakePicture(1), kLater);
  first.Hear(MakeSound(kHop, 1), kLater);
  EXPECT_TRUE(first.Pull());
  first.Ask("pictures", "lfm/reset");
  first.Ask("pictures", "lfm/snapshot");
  first.EndPictures();
  first.Hear(MakeSound(2 * kHop, 2), kLater + 40 * GST_MSECOND);
  first.Ask("sound", "lfm/snapshot");
  first.EndSound();
  PullLines(first);
  const Taken taken = SnapshotOf(first);
  ASSERT_TRUE(taken.state);
  Fused second(Sounds());
  second.GoOnFrom(taken.state.get());
  second.EndPictures();
  second.EndSound();
  EXPECT_GE(PullLines(second).size(), 2u) << "those that were kept";
}

TEST(LfmFusionSnapshot, OfADamagedStreamIsRefused) {
  Fused first(Sounds());
  first.See(MakePicture(1), 0);
  first.Hear(MakeSound(kHop, 1), 0);
  first.Ask("pictures", "lfm/snapshot");
  first.Ask("sound", "lfm/snapshot");
  first.EndPictures();
  first.EndSound();
  EXPECT_EQ(PullLines(first).size(), 2u);
  const Snapshot sound = *Snapshot::Parse(CopyOf(SnapshotOf(first).state.get()));
  const auto error_of = [](const Snapshot& snapshot) {
    const std::vector<std::byte> bytes = snapshot.Serialize();
    GBytes* changed = g_bytes_new(bytes.data(), bytes.size());
    Fused second(Sounds());
    second.GoOnFrom(changed);
    g_bytes_unref(changed);
    second.See(MakePicture(1), 0);
    second.Hear(MakeSound(kHop, 1), 0);
    GstMessage* failed = second.Message("", GST_MESSAGE_ERROR);
    if (failed == nullptr) return std::string();
    GError* error = nullptr;
    gst_message_parse_error(failed, &error, nullptr);
    std::string text = error->message;
    g_error_free(error);
    gst_message_unref(failed);
    return text;
  };
  EXPECT_EQ(error_of(sound), "");
  const auto fusion = [](Snapshot& snapshot) -> std::vector<std::byte>& {
    for (Snapshot::Part& part : snapshot.parts)
      if (part.name == "fusion") return part.bytes;
    ADD_FAILURE() << "no part fusion";
    return snapshot.parts[0].bytes;
  };
  Snapshot changed = sound;
  fusion(changed).pop_back();
  EXPECT_THAT(error_of(changed), HasSubstr("frames of fusion are damaged"));
  changed = sound;
  fusion(changed)[16] = std::byte{200};  // as many frames kept
  EXPECT_THAT(error_of(changed), HasSubstr("frames of fusion are damaged"));
  changed = sound;
  std::erase_if(changed.parts, [](const Snapshot::Part& part) { return part.name == "fusion"; });
  EXPECT_THAT(error_of(changed), HasSubstr("no part fusion"));

  // A request for a snapshot that comes first is refused, too, and the stream does not go on
  // afresh.
  const std::vector<std::byte> bytes = changed.Serialize();
  GBytes* refused = g_bytes_new(bytes.data(), bytes.size());
  Fused asked(Sounds());
  asked.GoOnFrom(refused);
  g_bytes_unref(refused);
  asked.Ask("pictures", "lfm/snapshot");
  asked.See(MakePicture(1), 0);
  asked.EndPictures();
  asked.EndSound();
  EXPECT_TRUE(PullLines(asked).empty());
}

}  // namespace
}  // namespace rill

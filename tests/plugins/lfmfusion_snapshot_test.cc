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

TEST(LfmFusionSnapshot, ASnapshotGoesOnWhereverEachPadWas) {
  constexpr size_t kPictures = 9, kHops = 22, kSeen = 3, kHeard = 13;  // 900 ms; 300; 520
  const std::vector<float> sound = MakeSound(kHops * kHop, 5);
  const auto pictures = MakePictures(kPictures, 700);
  const auto see = [&](Fused& fused, size_t first, size_t count) {
    for (size_t i = first; i < first + count; ++i) fused.See(pictures[i], i * 100 * GST_MSECOND);
  };
  const auto hear = [&](Fused& fused, size_t first, size_t count) {
    for (size_t i = first; i < first + count; ++i)
      fused.Hear(std::span(sound).subspan(i * kHop, kHop), i * 40 * GST_MSECOND);
  };
  const auto run = [&](Fused& fused, bool asks) {
    see(fused, 0, kSeen);
    if (asks) fused.Ask("pictures", "lfm/snapshot");
    see(fused, kSeen, kPictures - kSeen);
    fused.EndPictures();
    hear(fused, 0, kHeard);
    if (asks) fused.Ask("sound", "lfm/snapshot");
    hear(fused, kHeard, kHops - kHeard);
    fused.EndSound();
    return PullLines(fused);
  };
  Fused whole({.head = kSounds + kOmni});
  const std::vector<std::string> want = run(whole, false);
  ASSERT_EQ(want.size(), kPictures + kHops);

  Fused first({.head = kSounds + kOmni});
  EXPECT_EQ(run(first, true), want) << "a snapshot changes nothing";
  GstMessage* message = first.Message("lfm-snapshot");
  ASSERT_NE(message, nullptr);
  GBytes* state = nullptr;
  gint64 position = 0;
  ASSERT_TRUE(gst_structure_get(gst_message_get_structure(message), "state", G_TYPE_BYTES, &state,
                                "position", G_TYPE_INT64, &position, nullptr));
  gst_message_unref(message);
  // Pictures of 0, 100 and 200 ms, and the sound until the event after them.
  ASSERT_GE(position, 3);
  ASSERT_LT(position, static_cast<int64_t>(kSeen + kHeard)) << "some of the sound is in flight";

  Fused second({.head = kSounds + kOmni});
  second.GoOnFrom(state);
  g_bytes_unref(state);
  see(second, kSeen, kPictures - kSeen);
  second.EndPictures();
  hear(second, kHeard, kHops - kHeard);
  second.EndSound();
  EXPECT_EQ(PullLines(second), (std::vector<std::string>{want.begin() + position, want.end()}));
}

TEST(LfmFusionSnapshot, ASnapshotOfADamagedOrOtherStreamIsRefused) {
  Fused first({.head = kSounds + kOmni});
  first.See(MakePicture(1), 0);
  first.Hear(MakeSound(kHop, 1), 0);
  first.Ask("pictures", "lfm/snapshot");
  first.Ask("sound", "lfm/snapshot");
  first.EndPictures();
  first.EndSound();
  EXPECT_EQ(PullLines(first).size(), 2u);
  GstMessage* message = first.Message("lfm-snapshot");
  ASSERT_NE(message, nullptr);
  GBytes* state = nullptr;
  gst_structure_get(gst_message_get_structure(message), "state", G_TYPE_BYTES, &state, nullptr);
  gst_message_unref(message);
  const Snapshot sound = *Snapshot::Parse(CopyOf(state));
  g_bytes_unref(state);
  const auto error_of = [](Snapshot snapshot) {
    const std::vector<std::byte> bytes = snapshot.Serialize();
    GBytes* changed = g_bytes_new(bytes.data(), bytes.size());
    Fused second({.head = kSounds + kOmni});
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
  fusion(changed)[8] = std::byte{200};  // as many frames kept
  EXPECT_THAT(error_of(changed), HasSubstr("frames of fusion are damaged"));
  changed = sound;
  std::erase_if(changed.parts, [](const Snapshot::Part& part) { return part.name == "fusion"; });
  EXPECT_THAT(error_of(changed), HasSubstr("no part fusion"));
}

}  // namespace
}  // namespace rill

// Manners of lfmclassify, behind the elements that feed it.
#include <functional>

#include "tests/plugins/picture_stream.h"

namespace rill {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using ::testing::HasSubstr;

TEST(LfmClassify, SpeaksInWordsForAnOverlay) {
  Classifier stream = OpenPictures();
  const auto pictures = MakePictures(4);
  for (const bool changes : {false, true}) {
    stream.Reset();
    Harness harness(
        PictureChain("", std::string(" format=text report=") + (changes ? "changes" : "frames")));
    harness.Start("a", kPictureCaps, GST_FORMAT_TIME);
    for (size_t i = 0; i < pictures.size(); ++i) {
      GstBuffer* buffer = gst_buffer_new_memdup(pictures[i].data(), pictures[i].size());
      GST_BUFFER_PTS(buffer) = TimeOfPicture(i);
      GST_BUFFER_DURATION(buffer) = TimeOfPicture(1);
      ASSERT_EQ(gst_harness_push(harness.get(), buffer), GST_FLOW_OK);
    }
    EXPECT_THAT(harness.SourceCaps(), HasSubstr("text/x-raw, format=(string)utf8"));
    std::optional<size_t> told;
    for (const std::string& picture : pictures) {
      ASSERT_TRUE(stream.Push(AsPicture(picture)));
      const size_t best = stream.head().best();
      if (changes && told == best) continue;
      told = best;
      const auto got = harness.Pull();
      ASSERT_TRUE(got);
      const auto percent = std::lround(100 * stream.head().probabilities()[best]);
      EXPECT_EQ(got->bytes, stream.head().labels()[best] + " " + std::to_string(percent) + " %");
      EXPECT_EQ(got->duration, changes ? GST_CLOCK_TIME_NONE : TimeOfPicture(1));
    }
    EXPECT_FALSE(harness.Pull());
  }
}

TEST(LfmClassify, SaysWhatAClassifierDoes) {
  const auto pictures = MakePictures(6);
  Classifier stream = OpenPictures();
  Harness harness(PictureChain());
  harness.Start("a", kPictureCaps, GST_FORMAT_TIME);
  PushPictures(harness, pictures);
  const std::vector<Frame> frames = harness.PullAll();
  const std::vector<std::string> want = Lines(stream, pictures);
  ASSERT_EQ(frames.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(frames[i].bytes, want[i]);
    EXPECT_EQ(frames[i].pts, TimeOfPicture(i));
    EXPECT_EQ(frames[i].discont(), i == 0);
  }
  EXPECT_EQ(harness.SourceCaps(), "application/x-json");
}

TEST(LfmClassify, PostsMessages) {
  Classifier stream = OpenPictures();
  Harness harness(PictureChain());
  harness.Start("a", kPictureCaps, GST_FORMAT_TIME);
  PushPictures(harness, MakePictures(2));
  Lines(stream, MakePictures(1));
  GstMessage* message = harness.PopMessage("lfm-class");
  ASSERT_NE(message, nullptr);
  const GstStructure* fields = gst_message_get_structure(message);
  guint index = 99;
  gfloat confidence = 0;
  guint64 running_time = 1;
  gint64 position = 0;
  EXPECT_TRUE(gst_structure_get(fields, "index", G_TYPE_UINT, &index, "confidence", G_TYPE_FLOAT,
                                &confidence, "running-time", G_TYPE_UINT64, &running_time,
                                "position", G_TYPE_INT64, &position, nullptr));
  EXPECT_EQ(index, stream.head().best());
  EXPECT_EQ(confidence, stream.head().probabilities()[index]);
  EXPECT_EQ(running_time, 0u);
  EXPECT_EQ(position, 1);
  EXPECT_STREQ(gst_structure_get_string(fields, "label"), stream.head().labels()[index].c_str());
  gst_message_unref(message);

  Harness rare(PictureChain("", "message-interval=3600000000000"));
  rare.Start("a", kPictureCaps, GST_FORMAT_TIME);
  PushPictures(rare, MakePictures(3));
  EXPECT_NE(rare.BusMessage("lfm-class"), "");
  EXPECT_EQ(rare.BusMessage("lfm-class"), "");
  Harness silent(PictureChain("", "messages=false"));
  silent.Start("a", kPictureCaps, GST_FORMAT_TIME);
  PushPictures(silent, MakePictures(3));
  EXPECT_EQ(silent.BusMessage("lfm-class"), "");
}

TEST(LfmClassify, ReportsChangesAlone) {
  const auto pictures = MakePictures(40, 50);
  Classifier stream = OpenPictures();
  std::vector<std::string> want;
  std::optional<size_t> last;
  for (size_t i = 0; i < pictures.size(); ++i) {
    const std::string line = Lines(stream, {pictures[i]}, i)[0];
    if (last != stream.head().best()) want.push_back(line);
    last = stream.head().best();
  }
  EXPECT_LT(want.size(), pictures.size());
  Harness harness(PictureChain("", "report=changes"));
  harness.Start("a", kPictureCaps, GST_FORMAT_TIME);
  PushPictures(harness, pictures);
  EXPECT_EQ(PullLines(harness), want);
}

TEST(LfmClassify, ReportsEventsAndEndsThemAtTheEnd) {
  const auto pictures = MakePictures(30, 70);
  const EventRules rules = {.on = 0.35f, .off = 0.34f, .on_frames = 2, .off_frames = 2};
  Classifier stream = OpenPictures(rules);
  std::vector<std::string> want;
  const auto take = [&](size_t picture) {
    for (const ClassEvent& event : stream.Take())
      want.push_back(ToJson(stream.head(), event, TimeOfPicture(picture), stream.position()) +
                     "\n");
  };
  for (size_t i = 0; i < pictures.size(); ++i) {
    Lines(stream, {pictures[i]}, i);
    take(i);
  }
  stream.Finish();
  take(pictures.size() - 1);
  EXPECT_GE(want.size(), 2u) << "the test sees too little";
  Harness harness(PictureChain(
      "", "report=events on-threshold=0.35 off-threshold=0.34 on-frames=2 off-frames=2"));
  harness.Start("a", kPictureCaps, GST_FORMAT_TIME);
  PushPictures(harness, pictures);
  harness.Eos();
  EXPECT_EQ(PullLines(harness), want);
  EXPECT_THAT(harness.BusMessage("lfm-class"), HasSubstr("event=(string)begin"));
}

TEST(LfmClassify, EndsEventsBeforeAnotherStreamAndAReset) {
  const auto pictures = MakePictures(30, 70);
  const std::string rules =
      "report=events on-threshold=0.35 off-threshold=0.34 on-frames=2 off-frames=2";
  const auto play = [&](const std::function<void(Harness&)>& end) {
    Harness harness(PictureChain("", rules));
    harness.Start("a", kPictureCaps, GST_FORMAT_TIME);
    PushPictures(harness, pictures);
    end(harness);
    return PullLines(harness);
  };
  const std::vector<std::string> cut = play([](Harness&) {});
  const std::vector<std::string> want = play([](Harness& harness) { harness.Eos(); });
  ASSERT_EQ(want.size(), cut.size() + 1) << "no event goes on at the end: the test sees too little";
  EXPECT_EQ(play([](Harness& harness) { harness.Start("b", kPictureCaps, GST_FORMAT_TIME); }),
            want);
  EXPECT_EQ(play([](Harness& harness) { SendOwn(harness, "lfm/reset", "r"); }), want);
  EXPECT_EQ(play([](Harness& harness) { harness.Flush(); }), cut) << "a flush wants silence";
}

TEST(LfmClassify, AnotherStreamOrAFlushStartsAfresh) {
  const auto before = MakePictures(3, 90), after = MakePictures(3, 95);
  Classifier fresh = OpenPictures();
  const std::vector<std::string> want = Lines(fresh, after);
  Harness harness(PictureChain());
  harness.Start("a", kPictureCaps, GST_FORMAT_TIME);
  PushPictures(harness, before);
  harness.Start("b", kPictureCaps, GST_FORMAT_TIME);
  harness.PullAll();
  PushPictures(harness, after);
  EXPECT_EQ(PullLines(harness), want);
  harness.Flush();
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  harness.PushEvent(gst_event_new_segment(&segment));
  PushPictures(harness, after);
  EXPECT_EQ(PullLines(harness), want);
  SendOwn(harness, "lfm/reset", "r");
  PushPictures(harness, after);
  EXPECT_EQ(PullLines(harness), want);
}

TEST(LfmClassify, DiscontKeepsTheStateUnlessToldOtherwise) {
  const auto pictures = MakePictures(4, 110);
  Classifier stream = OpenPictures(), fresh = OpenPictures();
  const std::vector<std::string> whole = Lines(stream, pictures);
  const std::vector<std::string> rest = Lines(fresh, {pictures[2], pictures[3]}, 2);
  const auto chain = [](const std::string& on) {
    return "lfmimageenc" + kPictureModel + on + " ! lfmbackbone" + kPictureModel + on +
           " ! lfmclassify" + kPictureModel + on;
  };
  for (const bool resets : {false, true}) {
    Harness harness(chain(resets ? "reset-on=discont" : ""));
    harness.Start("a", kPictureCaps, GST_FORMAT_TIME);
    PushPictures(harness, {pictures[0], pictures[1]});
    ASSERT_EQ(harness.Push(pictures[2], TimeOfPicture(2), true), GST_FLOW_OK);
    ASSERT_EQ(harness.Push(pictures[3], TimeOfPicture(3)), GST_FLOW_OK);
    const std::vector<std::string> lines = PullLines(harness);
    EXPECT_EQ(lines[2], resets ? rest[0] : whole[2]);
    EXPECT_EQ(lines[3], resets ? rest[1] : whole[3]);
  }
}

TEST(LfmClassify, SnapshotsGoOnInAnotherPipelineAndInAClassifier) {
  const auto pictures = MakePictures(7, 130);
  Classifier whole = OpenPictures();
  const std::vector<std::string> want = Lines(whole, pictures);
  Harness first(PictureChain());
  first.Start("a", kPictureCaps, GST_FORMAT_TIME);
  PushPictures(first, {pictures.begin(), pictures.begin() + 3});
  SendOwn(first, "lfm/snapshot", "s");
  GstMessage* message = first.PopMessage("lfm-snapshot");
  ASSERT_NE(message, nullptr);
  GBytes* state = nullptr;
  gint64 position = 0;
  ASSERT_TRUE(gst_structure_get(gst_message_get_structure(message), "state", G_TYPE_BYTES, &state,
                                "position", G_TYPE_INT64, &position, nullptr));
  gst_message_unref(message);
  EXPECT_EQ(position, 3);
  gsize size = 0;
  const auto* data = static_cast<const std::byte*>(g_bytes_get_data(state, &size));
  Classifier stream = OpenPictures();
  ASSERT_TRUE(stream.Restore({data, size}));
  EXPECT_EQ(Lines(stream, {pictures[3]}, 3)[0], want[3]);

  Harness second(PictureChain());
  for (const char* name : {"lfmimageenc", "lfmbackbone", "lfmclassify"})
    g_object_set(second.Find(name), "state", state, nullptr);
  g_bytes_unref(state);
  second.Start("b", kPictureCaps, GST_FORMAT_TIME);
  PushPictures(second, {pictures.begin() + 3, pictures.end()}, 3);
  EXPECT_EQ(PullLines(second), (std::vector<std::string>{want.begin() + 3, want.end()}));
}

TEST(LfmClassify, ClassifiesSoundToo) {
  const std::string model = " model-path=" RILL_SOURCE_DIR "/tests/goldens/omni_model.gguf ";
  Harness harness("lfmaudioenc" + model + " ! lfmbackbone" + model + " ! lfmclassify head=sounds" +
                  model);
  harness.Start("a", "audio/x-raw,format=F32LE,rate=16000,channels=1,layout=interleaved",
                GST_FORMAT_TIME);
  const std::vector<float> samples(6400, 0.1f);
  ASSERT_EQ(harness.Push(std::span<const float>(samples), 0), GST_FLOW_OK);
  EXPECT_EQ(PullLines(harness).size(), 10u);
}

TEST(LfmClassify, SaysWhatItCannotDo) {
  const std::string omni =
      "lfmclassify model-path=" RILL_SOURCE_DIR "/tests/goldens/omni_model.gguf ";
  EXPECT_THAT(StartError(omni), HasSubstr("say which is wanted"));
  EXPECT_THAT(StartError(omni + "head=smells"), HasSubstr("no head \"smells\""));
  EXPECT_THAT(StartError(omni + "head=sounds on-threshold=0.2 off-threshold=0.3"),
              HasSubstr("0 < end <= begin <= 1"));
  Harness harness("lfmclassify" + kPictureModel);
  harness.Start("a",
                "other/tensors,format=static,num_tensors=1,types=float32,dimensions=16:1:1:1,"
                "framerate=0/1,lfm-space=elsewhere/hidden",
                GST_FORMAT_TIME);
  EXPECT_THAT(harness.BusError(), HasSubstr("elsewhere/hidden"));
}

}  // namespace
}  // namespace rill

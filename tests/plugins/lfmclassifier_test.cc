// The bin lfmclassifier: video or audio in, labels and marked media out.
#include <gst/app/gstappsink.h>

#include <unistd.h>

#include <filesystem>
#include <functional>

#include "tests/plugins/picture_stream.h"

namespace rill {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using ::testing::HasSubstr;

const std::string kOmni = " model-path=" RILL_SOURCE_DIR "/tests/goldens/omni_model.gguf ";

std::string Element(const std::string& properties = "") {
  return "lfmclassifier" + kPictureModel + properties;
}

// A pipeline whose sinks are read to the end.
class Pipeline {
 public:
  explicit Pipeline(const std::string& description)
      : pipeline_(gst_parse_launch(description.c_str(), nullptr)),
        bus_(gst_element_get_bus(pipeline_)) {}
  ~Pipeline() {
    gst_element_set_state(pipeline_, GST_STATE_NULL);
    gst_object_unref(bus_);
    gst_object_unref(pipeline_);
  }

  // The error that ended it, empty at the end of the stream.
  std::string Run() {
    Start();
    GstMessage* message = gst_bus_timed_pop_filtered(
        bus_, 20 * GST_SECOND, static_cast<GstMessageType>(GST_MESSAGE_ERROR | GST_MESSAGE_EOS));
    if (message == nullptr) return "it does not end";
    std::string text;
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
      GError* error = nullptr;
      gst_message_parse_error(message, &error, nullptr);
      text = error->message;
      g_error_free(error);
    }
    gst_message_unref(message);
    return text;
  }
  void Start() { gst_element_set_state(pipeline_, GST_STATE_PLAYING); }
  GstElement* Find(const char* name) { return gst_bin_get_by_name(GST_BIN(pipeline_), name); }
  // What an appsink has got; the caller owns the samples.
  std::vector<GstSample*> Samples(const char* sink) {
    GstElement* element = Find(sink);
    std::vector<GstSample*> samples;
    while (GstSample* sample = gst_app_sink_try_pull_sample(GST_APP_SINK(element), 0))
      samples.push_back(sample);
    gst_object_unref(element);
    return samples;
  }

 private:
  GstElement* pipeline_;
  GstBus* bus_;
};

struct Marked {
  GstClockTime pts = 0;
  std::string label;  // empty without meta
  guint64 running_time = 0;
};

std::vector<Marked> MarksOf(Pipeline& pipeline, const char* sink) {
  std::vector<Marked> marks;
  for (GstSample* sample : pipeline.Samples(sink)) {
    GstBuffer* buffer = gst_sample_get_buffer(sample);
    Marked mark;
    mark.pts = GST_BUFFER_PTS(buffer);
    if (GstCustomMeta* meta = gst_buffer_get_custom_meta(buffer, "LfmClassMeta")) {
      const GstStructure* fields = gst_custom_meta_get_structure(meta);
      mark.label = gst_structure_get_string(fields, "label");
      gst_structure_get_uint64(fields, "running-time", &mark.running_time);
    }
    marks.push_back(mark);
    gst_sample_unref(sample);
  }
  return marks;
}

constexpr char kSink[] = " ! queue ! appsink sync=false wait-on-eos=false name=";

TEST(LfmClassifier, GivesWhatItsElementsGive) {
  const auto pictures = MakePictures(5, 200);
  Classifier stream = OpenPictures();
  Harness harness(Element());
  harness.Start("a", kPictureCaps, GST_FORMAT_TIME);
  PushPictures(harness, pictures);
  harness.Eos();
  EXPECT_EQ(PullLines(harness), Lines(stream, pictures));
  EXPECT_NE(harness.BusMessage("lfm-class"), "");
  EXPECT_EQ(harness.BusError(), "");
}

TEST(LfmClassifier, MarksEachPictureWithItsOwnLabel) {
  for (const char* format : {"RGB", "I420", "YUY2"}) {
    Pipeline pipeline(
        std::string("videotestsrc num-buffers=12 pattern=snow ! video/x-raw,format=") + format +
        ",width=30,height=20 ! " + Element() + " name=c c.media" + kSink + "media c.src" + kSink +
        "lines");
    ASSERT_EQ(pipeline.Run(), "") << format;
    const std::vector<Marked> lines = MarksOf(pipeline, "lines"),
                              media = MarksOf(pipeline, "media");
    ASSERT_EQ(lines.size(), 12u);
    ASSERT_EQ(media.size(), 12u);
    for (size_t i = 0; i < 12; ++i) {
      EXPECT_NE(media[i].label, "");
      EXPECT_EQ(media[i].label, lines[i].label);
      EXPECT_EQ(media[i].running_time, media[i].pts);
    }
  }
}

TEST(LfmClassifier, EitherSideMayBeLeftUnlinked) {
  const std::string source = "videotestsrc num-buffers=3 ! ";
  Pipeline media(source + Element() + " name=c c.media" + kSink + "media");
  EXPECT_EQ(media.Run(), "");
  EXPECT_EQ(MarksOf(media, "media").size(), 3u);
  Pipeline lines(source + Element() + " name=c c.src" + kSink + "lines");
  EXPECT_EQ(lines.Run(), "");
  EXPECT_EQ(MarksOf(lines, "lines").size(), 3u);
}

TEST(LfmClassifier, MediaComesAndGoesWhileTheStreamGoesOn) {
  Pipeline pipeline("videotestsrc num-buffers=4000 ! video/x-raw,width=8,height=8 ! " +
                    Element("messages=false name=c") + " ! fakesink");
  pipeline.Start();
  GstElement* bin = pipeline.Find("c");
  for (int i = 0; i < 400; ++i) {
    GstPad* media = gst_element_request_pad_simple(bin, "media");
    ASSERT_NE(media, nullptr);
    gst_element_release_request_pad(bin, media);
    gst_object_unref(media);
  }
  gst_object_unref(bin);
  EXPECT_EQ(pipeline.Run(), "");
}

TEST(LfmClassifier, SaysWhatNoConverterTakes) {
  Pipeline pipeline(
      "videotestsrc num-buffers=2 ! video/x-raw,format=GRAY8,width=40000,height=2 ! " + Element() +
      " ! fakesink");
  EXPECT_THAT(pipeline.Run(), HasSubstr("width=(int)40000"));
}

TEST(LfmClassifier, HearsSoundOfAnyRate) {
  Pipeline pipeline(
      "audiotestsrc num-buffers=40 samplesperbuffer=1000 ! "
      "audio/x-raw,rate=44100,channels=2 ! lfmclassifier name=c head=sounds" +
      kOmni + "c.media" + kSink + "media c.src" + kSink + "lines");
  ASSERT_EQ(pipeline.Run(), "");
  const std::vector<Marked> lines = MarksOf(pipeline, "lines"), media = MarksOf(pipeline, "media");
  EXPECT_EQ(lines.size(), 22u);  // 0.907 s of whole frames, as a Classifier has it
  ASSERT_EQ(media.size(), 40u);
  EXPECT_EQ(media.front().label, "");  // before the first frame
  for (const Marked& mark : media) {
    if (mark.label.empty()) continue;
    EXPECT_LE(mark.running_time, mark.pts + 23 * GST_MSECOND);
    EXPECT_GE(mark.running_time + 100 * GST_MSECOND, mark.pts);
  }
  EXPECT_NE(media.back().label, "");
}

TEST(LfmClassifier, TakesAnotherMediumAfterReady) {
  Harness harness("lfmclassifier head=sounds" + kOmni);
  harness.Start("a", kPictureCaps, GST_FORMAT_TIME);
  PushPictures(harness, MakePictures(2));
  EXPECT_EQ(harness.PullAll().size(), 2u);
  const auto sound = [&] {
    harness.Start("b", "audio/x-raw,format=F32LE,rate=16000,channels=1,layout=interleaved",
                  GST_FORMAT_TIME);
  };
  sound();
  EXPECT_THAT(harness.BusError(), HasSubstr("was video/x-raw and became audio/x-raw"));
  gst_element_set_state(harness.element(), GST_STATE_READY);
  gst_element_set_state(harness.element(), GST_STATE_PLAYING);
  sound();
  const std::vector<float> samples(1280, 0.1f);
  EXPECT_EQ(harness.Push(std::span<const float>(samples), 0), GST_FLOW_OK);
  EXPECT_EQ(harness.PullAll().size(), 2u);
}

TEST(LfmClassifier, SaysThatNoCapsCame) {
  Harness ended(Element());
  ended.PushEvent(gst_event_new_stream_start("a"));
  ended.Eos();
  EXPECT_THAT(ended.BusError(), HasSubstr("the stream ended before caps"));
  Harness begun(Element());
  begun.Start("a", "", GST_FORMAT_TIME);
  EXPECT_EQ(begun.Push(MakePicture(1), 0), GST_FLOW_NOT_NEGOTIATED);
  EXPECT_THAT(begun.BusError(), HasSubstr("a buffer came before caps"));
}

TEST(LfmClassifier, AFolderForTheStateMustBeThere) {
  EXPECT_THAT(StartError("lfmclassifier state-location=/nonexistent/c.state"),
              HasSubstr("there is no folder /nonexistent"));
}

TEST(LfmClassifier, TakesAndMarksBufferLists) {
  Harness harness(Element("name=c state-interval=2 state-location=/proc/c.state"));
  GstHarness* media = gst_harness_new_with_element(harness.element(), nullptr, "media");
  harness.Start("a", kPictureCaps, GST_FORMAT_TIME);
  const auto push = [&](size_t first, size_t count) {
    GstBufferList* list = gst_buffer_list_new();
    for (size_t i = first; i < first + count; ++i) {
      const std::string picture = MakePicture(i);
      GstBuffer* buffer = gst_buffer_new_memdup(picture.data(), picture.size());
      GST_BUFFER_PTS(buffer) = TimeOfPicture(i);
      gst_buffer_list_add(list, buffer);
    }
    EXPECT_EQ(gst_pad_push_list(harness.get()->srcpad, list), GST_FLOW_OK);
  };
  push(0, 2);
  EXPECT_EQ(harness.BusWarning(), "");
  push(2, 2);
  EXPECT_NE(harness.BusWarning(), "") << "after two buffers the state was to be written";
  push(4, 2);
  EXPECT_EQ(harness.BusWarning(), "") << "said once";
  EXPECT_EQ(harness.PullAll().size(), 6u);
  for (size_t i = 0; i < 6; ++i) {
    GstBuffer* buffer = gst_harness_try_pull(media);
    ASSERT_NE(buffer, nullptr);
    EXPECT_NE(gst_buffer_get_custom_meta(buffer, "LfmClassMeta"), nullptr) << i;
    gst_buffer_unref(buffer);
  }
  gst_harness_teardown(media);
}

// Behind the flush, the reset or the other stream, and behind what the head still says of the
// first.
TEST(LfmClassifier, TheLabelIsForgottenWithItsStream) {
  const std::string caps = "audio/x-raw,format=F32LE,rate=16000,channels=1,layout=interleaved";
  const std::vector<float> frames(1280, 0.1f), little(16, 0.1f);
  const auto flush = [](Harness& harness) {
    harness.Flush();
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    harness.PushEvent(gst_event_new_segment(&segment));
  };
  const auto reset = [](Harness& harness) { SendOwn(harness, "lfm/reset", "r"); };
  const auto another = [&](Harness& harness) { harness.Start("b", caps, GST_FORMAT_TIME); };
  for (const std::function<void(Harness&)>& end :
       std::initializer_list<std::function<void(Harness&)>>{flush, reset, another}) {
    Harness harness(
        "lfmclassifier head=sounds report=events on-threshold=0.01 off-threshold=0.01 on-frames=1" +
        kOmni);
    GstHarness* media = gst_harness_new_with_element(harness.element(), nullptr, "media");
    harness.Start("a", caps, GST_FORMAT_TIME);
    const auto is_marked = [&](const std::vector<float>& samples) {
      EXPECT_EQ(harness.Push(std::span<const float>(samples), 0), GST_FLOW_OK);
      GstBuffer* buffer = gst_harness_try_pull(media);
      const bool marked = gst_buffer_get_custom_meta(buffer, "LfmClassMeta") != nullptr;
      gst_buffer_unref(buffer);
      return marked;
    };
    EXPECT_TRUE(is_marked(frames));
    EXPECT_TRUE(is_marked(little));
    end(harness);
    EXPECT_FALSE(is_marked(little));
    gst_harness_teardown(media);
  }
}

TEST(LfmClassifier, AStateThatWasNotTakenIsForgottenWithItsStream) {
  const std::string element = "lfmclassifier head=sounds" + kOmni;
  const std::vector<float> samples(1280, 0.1f);
  const auto hear = [&](Harness& harness) {
    harness.Start("s", "audio/x-raw,format=F32LE,rate=16000,channels=1,layout=interleaved",
                  GST_FORMAT_TIME);
    EXPECT_EQ(harness.Push(std::span<const float>(samples), 0), GST_FLOW_OK);
    return PullLines(harness);
  };
  Harness fresh(element);
  const std::vector<std::string> want = hear(fresh);
  g_signal_emit_by_name(fresh.element(), "snapshot");
  GstMessage* message = fresh.PopMessage("lfm-snapshot");
  ASSERT_NE(message, nullptr);
  Harness harness(element);
  g_object_set_property(G_OBJECT(harness.element()), "state",
                        gst_structure_get_value(gst_message_get_structure(message), "state"));
  gst_message_unref(message);
  harness.Start("p", kPictureCaps, GST_FORMAT_TIME);
  EXPECT_EQ(harness.Push(MakePicture(1), 0), GST_FLOW_ERROR) << "the state is that of a sound";
  gst_element_set_state(harness.element(), GST_STATE_READY);
  gst_element_set_state(harness.element(), GST_STATE_PLAYING);
  EXPECT_EQ(hear(harness), want);
}

TEST(LfmClassifier, SaysThatTheModelCannotHear) {
  Pipeline pipeline("audiotestsrc num-buffers=3 ! " + Element() + " ! fakesink");
  EXPECT_THAT(pipeline.Run(), HasSubstr("no audio encoder"));
}

TEST(LfmClassifier, KeepsItsStateInAFile) {
  const auto pictures = MakePictures(7, 300);
  Classifier stream = OpenPictures();
  const std::vector<std::string> want = Lines(stream, pictures);
  const std::string file = std::filesystem::temp_directory_path() /
                           ("rill_classifier." + std::to_string(getpid()) + ".state");
  const auto run = [&](size_t first, size_t last) {
    Harness harness(Element("state-location=" + file));
    harness.Start("a", kPictureCaps, GST_FORMAT_TIME);
    PushPictures(harness,
                 {pictures.begin() + static_cast<std::ptrdiff_t>(first),
                  pictures.begin() + static_cast<std::ptrdiff_t>(last)},
                 first);
    harness.Eos();
    EXPECT_EQ(harness.BusWarning(), "");
    EXPECT_EQ(PullLines(harness),
              (std::vector<std::string>{want.begin() + static_cast<std::ptrdiff_t>(first),
                                        want.begin() + static_cast<std::ptrdiff_t>(last)}));
  };
  run(0, 3);
  run(3, 7);
  EXPECT_THAT(StartError("lfmclassifier head=sounds state-location=" + file + kOmni),
              HasSubstr("another model"));
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace rill

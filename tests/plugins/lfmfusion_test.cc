// Manners of lfmfusion: order, waiting, and one state for all pads.
#include "pipeline/forecast.h"
#include "pipeline/sensor_frames.h"
#include "pipeline/transcribe_stage.h"
#include "tests/plugins/fused_stream.h"
#include "tests/plugins/sensor_rows.h"

namespace rill {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What the elements do, in order and without them.
class Plain {
 public:
  std::vector<float> See(const std::string& picture) {
    image_.Run(*fitter_.Run(AsPicture(picture)), block_);
    return Run();
  }
  std::vector<float> Hear(std::span<const float> hop) {
    EXPECT_TRUE(audio_.Take(hop, block_).complete);
    return Run();
  }
  // What is forecast after a row, if anything is due.
  std::optional<Forecast> Read(double value, GstClockTime pts) {
    constexpr size_t kEvery = 3;
    EXPECT_TRUE(rows_.Push(static_cast<int64_t>(pts), {&value, 1}, kEvery));
    std::optional<Forecast> forecast;
    for (FrameNotes notes; rows_.Next(block_, notes);) {
      if (notes.use == FrameUse::kKept) {
        Run();
        forecasts_.Keep(block_);
      } else if (notes.use == FrameUse::kPeeked) {
        EXPECT_TRUE(backbone_.Peek(block_));
      }
      if (!notes.due) continue;
      forecast = notes.use == FrameUse::kRepeated ? *forecasts_.RunKept(kSteps)
                                                  : *forecasts_.Run(block_, kSteps);
    }
    return forecast;
  }
  const FrameBlock& block() const { return block_; }
  size_t FlushSamples() const { return audio_.FlushSamples(); }

  static constexpr size_t kSteps = 5;

 private:
  std::vector<float> Run() {
    EXPECT_TRUE(backbone_.Run(block_));
    return block_.values;
  }

  std::shared_ptr<const Model> model_ = *Model::Shared(kOmniPath);
  ImageStage image_ = *ImageStage::Open(model_);
  AudioStage audio_ = *AudioStage::Open(model_);
  ImageFitter fitter_{image_.config()};
  SensorFrames rows_ = *SensorFrames::Open(model_, 1);
  ForecastStage forecasts_ = *ForecastStage::Open(model_, 1);
  BackboneStage backbone_{model_, 1};
  FrameBlock block_{1, model_->backbone().width()};
};

// What a pipeline that starts with pictures says on the bus.
std::string StreamError(const std::string& elements) {
  return LaunchError("videotestsrc num-buffers=2 ! " + elements + " ! fakesink", GST_STATE_PLAYING);
}

TEST(LfmFusion, TakesFramesInOrderOfTimeWhoeverComesFirst) {
  const std::vector<float> sound = MakeSound(5 * kHop, 1);
  const auto pictures = MakePictures(3, 400);
  const GstClockTime picture_times[] = {0, 40 * GST_MSECOND, 130 * GST_MSECOND};
  Plain plain;
  const auto hop = [&](size_t i) { return std::span(sound).subspan(i * kHop, kHop); };
  // Of equal times the first pad's.
  std::vector<std::vector<float>> want = {
      plain.See(pictures[0]), plain.Hear(hop(0)), plain.See(pictures[1]), plain.Hear(hop(1)),
      plain.Hear(hop(2)),     plain.Hear(hop(3)), plain.See(pictures[2]), plain.Hear(hop(4))};
  for (const bool sound_first : {false, true}) {
    Fused fused;
    const auto see = [&] {
      for (size_t i = 0; i < 3; ++i) fused.See(pictures[i], picture_times[i]);
      fused.EndPictures();
    };
    if (!sound_first) see();
    for (size_t i = 0; i < 5; ++i) fused.Hear(hop(i), i * 40 * GST_MSECOND);
    fused.EndSound();
    if (sound_first) {
      EXPECT_FALSE(fused.Pull(50 * GST_MSECOND)) << "it does not wait for pictures";
      see();
    }
    std::vector<GstClockTime> times;
    for (const std::vector<float>& frame : want) {
      const auto got = fused.Pull();
      ASSERT_TRUE(got);
      EXPECT_EQ(got->As<float>(), frame);
      times.push_back(got->pts / GST_MSECOND);
    }
    EXPECT_THAT(times, ElementsAre(0, 0, 40, 40, 80, 120, 130, 160));
    EXPECT_EQ(fused.Stat("late"), 0u);
  }
}

TEST(LfmFusion, GapsAndEndsDoNotBlockTheOthers) {
  const std::vector<float> sound = MakeSound(4 * kHop, 2);
  Fused fused;
  fused.See(MakePicture(7), 0);
  for (size_t i = 0; i < 4; ++i)
    fused.Hear(std::span(sound).subspan(i * kHop, kHop), i * 40 * GST_MSECOND);
  EXPECT_TRUE(fused.Pull());  // the picture
  EXPECT_FALSE(fused.Pull(50 * GST_MSECOND)) << "another picture could come";
  fused.Gap("pictures", 40 * GST_MSECOND, 80 * GST_MSECOND);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(fused.Pull()->pts, i * 40 * GST_MSECOND);
  EXPECT_FALSE(fused.Pull(50 * GST_MSECOND)) << "the next picture may be of the end of the gap";
  fused.EndPictures();
  EXPECT_EQ(fused.Pull()->pts, 120 * GST_MSECOND);
}

TEST(LfmFusion, APictureThatIsDroppedHoldsNobodyUp) {
  const std::vector<float> sound = MakeSound(2 * kHop, 2);
  Fused fused({.encoder = "lfmimageenc max-rate=1" + kOmni});
  fused.See(MakePicture(1), 0);
  fused.See(MakePicture(2), 100 * GST_MSECOND);
  for (size_t i = 0; i < 2; ++i)
    fused.Hear(std::span(sound).subspan(i * kHop, kHop), i * 40 * GST_MSECOND);
  for (const GstClockTime time : {0, 0, 40}) {
    const auto frame = fused.Pull();
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->pts, time * GST_MSECOND);
  }
}

TEST(LfmFusion, ALivePadThatIsSilentIsWaitedForNoLongerThanTheLatency) {
  Fused fused({.properties = "latency=100000000",
               .clock = "is-live=true do-timestamp=true min-latency=0 max-latency=-1"});
  for (int i = 0; i < 3; ++i) {
    fused.See(MakePicture(9), GST_CLOCK_TIME_NONE);
    EXPECT_TRUE(fused.Pull()) << i;
  }
}

TEST(LfmFusion, TheSensorIsForecastFromAStateThatHearsToo) {
  constexpr GstClockTime kRow = 30 * GST_MSECOND;
  constexpr size_t kRows = 24, kHops = 18;  // 720 ms
  const std::vector<float> sound = MakeSound(kHops * kHop, 3);
  const auto hop = [&](size_t i) { return std::span(sound).subspan(i * kHop, kHop); };
  const auto value = [](size_t row) { return std::sin(0.7 * static_cast<double>(row)); };
  std::vector<Forecast> want;
  Plain plain;
  size_t heard = 0;
  for (size_t row = 0; row < kRows; ++row) {
    // Frames of rows are as late as their last one, those of sound as early as their first sample.
    for (; heard < kHops && heard * 40 * GST_MSECOND < row * kRow; ++heard) plain.Hear(hop(heard));
    if (std::optional<Forecast> due = plain.Read(value(row), row * kRow))
      want.push_back(std::move(*due));
  }
  ASSERT_EQ(want.size(), kRows / 3) << "complete frames, peeked ones and repeated ones";

  Fused fused({.head = " ! lfmforecast horizon=" + std::to_string(Plain::kSteps) + kOmni,
               .encoder = "lfmsensorenc every=3" + kOmni,
               .caps = RowCaps(1, ",lfm-columns=(string)<load>")});
  for (size_t row = 0; row < kRows; ++row) fused.Read(value(row), row * kRow);
  fused.EndPictures();
  for (size_t i = 0; i < kHops; ++i) fused.Hear(hop(i), i * 40 * GST_MSECOND);
  fused.EndSound();
  for (size_t i = 0; i < want.size(); ++i) {
    const auto got = fused.Pull();
    ASSERT_TRUE(got) << i;
    EXPECT_EQ(got->As<float>(), want[i].values) << i;
    EXPECT_EQ(got->pts, (3 * i + 2) * kRow);
    EXPECT_EQ(got->discont(), i == 0);
  }
  EXPECT_FALSE(fused.Pull(50 * GST_MSECOND)) << "sound is nothing to forecast";
  EXPECT_THAT(fused.Caps(), HasSubstr("load"));
}

TEST(LfmFusion, SpeechIsWrittenDownFromItsOwnFrames) {
  constexpr size_t kHops = 30;
  const std::vector<float> sound = MakeSound(kHops * kHop, 4);
  const auto pictures = MakePictures(kHops, 900);
  Plain plain;
  TranscribeStage head = *TranscribeStage::Open(
      *Model::Shared(kOmniPath), {.decoder = DecoderKind::kGreedy, .min_confidence = 0});
  const auto hear = [&](std::span<const float> hop) {
    plain.Hear(hop);
    head.Run(plain.block());
  };
  for (size_t i = 0; i < kHops; ++i) {
    plain.See(pictures[i]);
    hear(std::span(sound).subspan(i * kHop, kHop));
  }
  const std::vector<float> silence(kHop);  // with which the encoder ends a stream
  for (size_t i = 0; i * kHop < plain.FlushSamples(); ++i) hear(silence);
  head.EndUtterance();
  std::vector<std::string> want;
  for (const TranscriptEvent& event : head.Take())
    if (event.word) want.push_back(event.word->text);
  ASSERT_FALSE(want.empty());

  Fused fused({.head = " ! lfmtranscribe decoder=greedy min-confidence=0 output=word" + kOmni});
  for (size_t i = 0; i < kHops; ++i) {
    fused.See(pictures[i], i * 40 * GST_MSECOND);
    fused.Hear(std::span(sound).subspan(i * kHop, kHop), i * 40 * GST_MSECOND);
  }
  fused.EndPictures();
  fused.EndSound();
  std::vector<std::string> got;
  while (const auto word = fused.Pull(GST_SECOND)) got.push_back(word->bytes);
  EXPECT_EQ(got, want);
}

TEST(LfmFusion, AHeadIsForItsOwnEncoder) {
  EXPECT_THAT(
      StreamError("lfmimageenc" + kOmni + "! lfmbackbone" + kOmni + "! lfmtranscribe" + kOmni),
      HasSubstr("frames of the encoder image were offered, this head is for audio"));
  EXPECT_THAT(
      StreamError("lfmimageenc" + kOmni + "! lfmbackbone" + kOmni + "! lfmforecast" + kOmni),
      HasSubstr("frames of the encoder image were offered, this head is for sensor"));
}

std::vector<GstSample*> SamplesOf(GstElement* pipeline, size_t count) {
  GstElement* out = gst_bin_get_by_name(GST_BIN(pipeline), "out");
  std::vector<GstSample*> samples;
  for (size_t i = 0; i < count; ++i)
    if (GstSample* sample = gst_app_sink_try_pull_sample(GST_APP_SINK(out), 5 * GST_SECOND))
      samples.push_back(sample);
  gst_object_unref(out);
  return samples;
}

TEST(LfmFusion, AfterASeekFramesHaveTheirRunningTimes) {
  GstElement* pipeline = gst_parse_launch(
      ("videotestsrc num-buffers=50 ! " + std::string(kPictureCaps) + " ! lfmimageenc" + kOmni +
       "! lfmfusion" + kOmni + "! appsink name=out sync=false")
          .c_str(),
      nullptr);
  gst_element_set_state(pipeline, GST_STATE_PAUSED);
  gst_element_get_state(pipeline, nullptr, nullptr, 5 * GST_SECOND);
  ASSERT_TRUE(gst_element_seek_simple(
      pipeline, GST_FORMAT_TIME,
      static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE), 400 * GST_MSECOND));
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  size_t i = 0;
  for (GstSample* sample : SamplesOf(pipeline, 3)) {
    EXPECT_EQ(gst_segment_to_running_time(gst_sample_get_segment(sample), GST_FORMAT_TIME,
                                          GST_BUFFER_PTS(gst_sample_get_buffer(sample))),
              TimeOfPicture(i++));
    gst_sample_unref(sample);
  }
  EXPECT_EQ(i, 3u);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}

TEST(LfmFusion, GapsAreAsLongAsTheirRunningTime) {
  const std::string camera =
      " videotestsrc num-buffers=150 ! " + std::string(kPictureCaps) + " ! lfmimageenc ";
  GstElement* pipeline =
      gst_parse_launch(("lfmfusion name=f" + kOmni + "! fakesink sync=false" + camera +
                        "max-rate=4" + kOmni + "! f." + camera + kOmni + "! f.")
                           .c_str(),
                       nullptr);
  gst_element_set_state(pipeline, GST_STATE_PAUSED);
  gst_element_get_state(pipeline, nullptr, nullptr, 5 * GST_SECOND);
  ASSERT_TRUE(gst_element_seek(pipeline, 4, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET,
                               0, GST_SEEK_TYPE_SET, 4 * GST_SECOND));
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBus* bus = gst_element_get_bus(pipeline);
  GstMessage* end = gst_bus_timed_pop_filtered(bus, 20 * GST_SECOND, GST_MESSAGE_EOS);
  ASSERT_NE(end, nullptr);
  gst_message_unref(end);
  gst_object_unref(bus);
  GstElement* fusion = gst_bin_get_by_name(GST_BIN(pipeline), "f");
  GstStructure* stats = nullptr;
  g_object_get(fusion, "stats", &stats, nullptr);
  guint64 frames = 0, late = 0;
  gst_structure_get(stats, "frames", G_TYPE_UINT64, &frames, "late", G_TYPE_UINT64, &late, nullptr);
  gst_structure_free(stats);
  gst_object_unref(fusion);
  EXPECT_GT(frames, 40u);
  EXPECT_EQ(late, 0u);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}

TEST(LfmFusion, TheBeginningOfASecondCameraIsNoJump) {
  const std::string camera = " videotestsrc num-buffers=3 ! " + std::string(kPictureCaps) +
                             " ! lfmimageenc" + kOmni + "! f.";
  const auto play = [&](const std::string& reset_on) {
    GstElement* pipeline = gst_parse_launch(("lfmfusion name=f reset-on=" + reset_on + kOmni +
                                             "! appsink name=out sync=false" + camera + camera)
                                                .c_str(),
                                            nullptr);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    std::vector<std::string> frames;
    for (GstSample* sample : SamplesOf(pipeline, 6)) {
      GstBuffer* buffer = gst_sample_get_buffer(sample);
      EXPECT_EQ(GST_BUFFER_IS_DISCONT(buffer), frames.empty());
      frames.emplace_back(gst_buffer_get_size(buffer), '\0');
      gst_buffer_extract(buffer, 0, frames.back().data(), frames.back().size());
      gst_sample_unref(sample);
    }
    EXPECT_EQ(frames.size(), 6u);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
    return frames;
  };
  EXPECT_EQ(play("discont"), play("flush"));
}

TEST(LfmFusion, TakesNothingOfAPadWhoseCapsItRefused) {
  Fused fused({.encoder = "lfmimageenc" + kOmni + "! lfmbackbone" + kOmni});
  fused.See(MakePicture(1), 0);
  fused.See(MakePicture(2), 40 * GST_MSECOND);
  fused.EndPictures();
  fused.EndSound();
  EXPECT_FALSE(fused.Pull(GST_SECOND));
  GstMessage* error = fused.Message("", GST_MESSAGE_ERROR);
  ASSERT_NE(error, nullptr);
  gst_message_unref(error);
}

TEST(LfmFusion, SaysWhatItCannotTake) {
  EXPECT_THAT(StartError("lfmimageenc" + kPictureModel + " ! lfmfusion model-path=absent"),
              HasSubstr("absent"));
  EXPECT_THAT(StreamError("lfmimageenc" + kPictureModel + " ! lfmfusion" + kOmni),
              HasSubstr("Tiny omni model takes those of"));
}

}  // namespace
}  // namespace rill

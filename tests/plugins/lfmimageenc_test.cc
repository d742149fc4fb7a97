// Manners of lfmimageenc: every row of the event table that applies.
#include "tests/plugins/picture_stream.h"

namespace rill {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using ::testing::HasSubstr;

std::string Encoder(const std::string& properties = "") {
  return "lfmimageenc" + kPictureModel + properties;
}

guint64 Stat(Harness& harness, const char* name) {
  GstStructure* stats = nullptr;
  g_object_get(harness.element(), "stats", &stats, nullptr);
  guint64 value = 0;
  EXPECT_TRUE(gst_structure_get_uint64(stats, name, &value));
  gst_structure_free(stats);
  return value;
}

// The error of caps that the element gets, or of the picture after them.
std::string CapsError(const std::string& caps, size_t bytes) {
  Harness harness(Encoder());
  harness.Start("a", caps, GST_FORMAT_TIME);
  if (std::string error = harness.BusError(); !error.empty()) return error;
  EXPECT_NE(harness.Push(std::string(bytes, 'x'), 0), GST_FLOW_OK);
  return harness.BusError();
}

TEST(LfmImageEnc, APictureIsAFrame) {
  const auto pictures = MakePictures(3);
  Harness harness(Encoder());
  harness.Start("a", kPictureCaps, GST_FORMAT_TIME);
  PushPictures(harness, pictures);
  const std::vector<Frame> frames = harness.PullAll();
  ASSERT_EQ(frames.size(), 3u);
  const auto model = *Model::Shared(kPictureModelPath);
  ImageStage stage = *ImageStage::Open(model);
  ImageFitter fitter(stage.config());
  FrameBlock block(1, model->backbone().width());
  for (size_t i = 0; i < 3; ++i) {
    stage.Run(*fitter.Run(AsPicture(pictures[i])), block);
    EXPECT_EQ(frames[i].As<float>(), block.values);
    EXPECT_EQ(frames[i].pts, TimeOfPicture(i));
    EXPECT_EQ(frames[i].discont(), i == 0);
  }
  EXPECT_THAT(harness.SourceCaps(), HasSubstr("framerate=(fraction)25/1"));
  EXPECT_THAT(harness.SourceCaps(), HasSubstr("modality=(string)image"));
  EXPECT_EQ(Stat(harness, "frames"), 3u);
}

TEST(LfmImageEnc, HonoursPaddedRows) {
  const std::string picture = MakePicture(4);
  Harness plain(Encoder()), padded(Encoder());
  for (Harness* harness : {&plain, &padded}) harness->Start("a", kPictureCaps, GST_FORMAT_TIME);
  ASSERT_EQ(plain.Push(picture, 0), GST_FLOW_OK);
  constexpr size_t kStride = kPictureStride + 20, kOffset = 7;
  GstBuffer* buffer = gst_buffer_new_allocate(nullptr, kOffset + kStride * kPictureHeight, nullptr);
  gst_buffer_memset(buffer, 0, 0x5A, gst_buffer_get_size(buffer));
  for (size_t y = 0; y < kPictureHeight; ++y)
    gst_buffer_fill(buffer, kOffset + y * kStride, picture.data() + y * kPictureStride,
                    3 * kPictureWidth);
  gsize offsets[GST_VIDEO_MAX_PLANES] = {kOffset};
  gint strides[GST_VIDEO_MAX_PLANES] = {kStride};
  gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_RGB,
                                 kPictureWidth, kPictureHeight, 1, offsets, strides);
  GST_BUFFER_PTS(buffer) = 0;
  ASSERT_EQ(gst_harness_push(padded.get(), buffer), GST_FLOW_OK);
  EXPECT_EQ(padded.Pull()->bytes, plain.Pull()->bytes);
}

// As decoders give those whose sides are not whole blocks.
TEST(LfmImageEnc, TakesThePartOfABufferThatTheCapsTellOf) {
  const std::string picture = MakePicture(4);
  const auto push = [&](Harness& harness, guint width, guint height) {
    GstBuffer* buffer = gst_buffer_new_memdup(picture.data(), picture.size());
    gsize offsets[GST_VIDEO_MAX_PLANES] = {0};
    gint strides[GST_VIDEO_MAX_PLANES] = {kPictureStride};
    gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_RGB, width,
                                   height, 1, offsets, strides);
    GST_BUFFER_PTS(buffer) = 0;
    return gst_harness_push(harness.get(), buffer);
  };
  const std::string caps = "video/x-raw,format=RGB,width=20,height=8,framerate=25/1";
  Harness part(Encoder()), whole(Encoder()), small(Encoder());
  part.Start("a", caps, GST_FORMAT_TIME);
  ASSERT_EQ(push(part, kPictureWidth, kPictureHeight), GST_FLOW_OK);
  whole.Start("a", caps, GST_FORMAT_TIME);
  ASSERT_EQ(push(whole, 20, 8), GST_FLOW_OK);
  EXPECT_EQ(part.Pull()->bytes, whole.Pull()->bytes);
  small.Start("a", caps, GST_FORMAT_TIME);
  EXPECT_EQ(push(small, 19, 8), GST_FLOW_ERROR);
  EXPECT_THAT(small.BusError(), HasSubstr("does not hold the picture of 20 x 8"));
  // Metadata that promise rows which the buffer lacks.
  Harness cut(Encoder());
  cut.Start("a", kPictureCaps, GST_FORMAT_TIME);
  GstBuffer* buffer = gst_buffer_new_memdup(picture.data(), 2 * kPictureStride);
  gst_buffer_add_video_meta(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_RGB, kPictureWidth,
                            kPictureHeight);
  EXPECT_EQ(gst_harness_push(cut.get(), buffer), GST_FLOW_ERROR);
  EXPECT_THAT(cut.BusError(), HasSubstr("does not hold"));
}

TEST(LfmImageEnc, CapsMayChangeInMidStream) {
  Harness harness(Encoder());
  harness.Start("a", kPictureCaps, GST_FORMAT_TIME);
  ASSERT_EQ(harness.Push(MakePicture(5), 0), GST_FLOW_OK);
  for (const char* text :
       {"video/x-raw,format=GRAY8,width=1,height=1,framerate=0/1",
        "video/x-raw,format=I420,width=7,height=5,framerate=30/1,colorimetry=bt709",
        "video/x-raw,format=NV12,width=8,height=4,framerate=30/1,interlace-mode=interleaved"}) {
    GstCaps* caps = gst_caps_from_string(text);
    GstVideoInfo info;
    ASSERT_TRUE(gst_video_info_from_caps(&info, caps));
    EXPECT_TRUE(harness.PushEvent(gst_event_new_caps(caps)));
    gst_caps_unref(caps);
    EXPECT_EQ(harness.Push(std::string(GST_VIDEO_INFO_SIZE(&info), 'm'), GST_SECOND), GST_FLOW_OK);
  }
  EXPECT_EQ(harness.PullAll().size(), 4u);
  EXPECT_EQ(harness.BusError(), "");
}

TEST(LfmImageEnc, SaysWhatItCannotTake) {
  EXPECT_THAT(CapsError("video/x-raw,format=YUY2,width=8,height=8,framerate=25/1", 128),
              HasSubstr("not YUY2; videoconvert"));
  EXPECT_THAT(CapsError("video/x-raw(format:Interlaced),format=RGB,width=8,height=8,"
                        "framerate=25/1,interlace-mode=alternate,field-order=top-field-first",
                        192),
              HasSubstr("fields one by one"));
  EXPECT_THAT(CapsError(kPictureCaps, 100),
              HasSubstr("100 bytes does not hold the picture of 22 x 10"));
  EXPECT_THAT(
      StartError("lfmimageenc model-path=" RILL_SOURCE_DIR "/tests/goldens/speech_model.gguf"),
      HasSubstr("no image encoder"));
}

TEST(LfmImageEnc, MaxRateDropsBeforeEncoding) {
  // 25 pictures a second, of which 10 are wanted: every 100 ms one, on the grid of the first.
  Harness harness(Encoder("max-rate=10"));
  harness.Start("a", kPictureCaps, GST_FORMAT_TIME);
  PushPictures(harness, MakePictures(25));
  std::vector<GstClockTime> times;
  for (const Frame& frame : harness.PullAll()) times.push_back(frame.pts / GST_MSECOND);
  EXPECT_THAT(times, ::testing::ElementsAre(0, 120, 200, 320, 400, 520, 600, 720, 800, 920));
  EXPECT_EQ(Stat(harness, "dropped"), 15u);
  EXPECT_THAT(harness.SourceCaps(), HasSubstr("framerate=(fraction)0/1"));
  GstEvent* gap = harness.PullEvent(GST_EVENT_GAP);
  ASSERT_NE(gap, nullptr) << "a fusion waits for what does not come";
  GstClockTime time = 0;
  gst_event_parse_gap(gap, &time, nullptr);
  EXPECT_EQ(time, TimeOfPicture(1));
  gst_event_unref(gap);
  // After a pause the grid begins anew.
  ASSERT_EQ(harness.Push(MakePicture(1), 10 * GST_SECOND + 7), GST_FLOW_OK);
  ASSERT_EQ(harness.Push(MakePicture(1), 10 * GST_SECOND + 99 * GST_MSECOND), GST_FLOW_OK);
  ASSERT_EQ(harness.Push(MakePicture(1), 10 * GST_SECOND + 100 * GST_MSECOND + 7), GST_FLOW_OK);
  EXPECT_EQ(harness.PullAll().size(), 2u);
}

TEST(LfmImageEnc, MaxRateCountsByRunningTime) {
  Harness harness(Encoder("max-rate=10"));
  harness.Start("a", kPictureCaps, GST_FORMAT_TIME);
  const auto taken_at = [&](GstClockTime running_time) {
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    segment.base = running_time;
    harness.PushEvent(gst_event_new_segment(&segment));
    EXPECT_EQ(harness.Push(MakePicture(1), 0), GST_FLOW_OK);
    return harness.Pull().has_value();
  };
  EXPECT_TRUE(taken_at(GST_SECOND));
  EXPECT_FALSE(taken_at(GST_SECOND + 40 * GST_MSECOND)) << "another segment is no pause";
  EXPECT_TRUE(taken_at(GST_SECOND + 110 * GST_MSECOND));
  EXPECT_FALSE(taken_at(GST_SECOND + 105 * GST_MSECOND)) << "jitter";
  EXPECT_TRUE(taken_at(300 * GST_MSECOND)) << "time goes back";
}

TEST(LfmImageEnc, MaxRateMayBeAnything) {
  Harness harness(Encoder("max-rate=1e-300"));
  harness.Start("a", kPictureCaps, GST_FORMAT_TIME);
  PushPictures(harness, MakePictures(3));
  EXPECT_EQ(harness.PullAll().size(), 1u);
}

TEST(LfmImageEnc, TimesBeginAtZeroInASegmentOfBytes) {
  Harness harness(Encoder());
  harness.Start("a", kPictureCaps, GST_FORMAT_BYTES);
  PushPictures(harness, MakePictures(2));
  GstEvent* event = harness.PullEvent(GST_EVENT_SEGMENT);
  ASSERT_NE(event, nullptr);
  const GstSegment* segment = nullptr;
  gst_event_parse_segment(event, &segment);
  EXPECT_EQ(segment->format, GST_FORMAT_TIME);
  EXPECT_EQ(segment->start, 0u);
  gst_event_unref(event);
  EXPECT_EQ(harness.PullAll().size(), 2u);
}

TEST(LfmImageEnc, PassesCorruptedPicturesOver) {
  Harness harness(Encoder());
  harness.Start("a", kPictureCaps, GST_FORMAT_TIME);
  for (size_t i = 0; i < 4; ++i) {
    const std::string picture = MakePicture(i);
    GstBuffer* buffer = gst_buffer_new_memdup(picture.data(), picture.size());
    GST_BUFFER_PTS(buffer) = TimeOfPicture(i);
    if (i % 2 == 1) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_CORRUPTED);
    EXPECT_EQ(gst_harness_push(harness.get(), buffer), GST_FLOW_OK);
  }
  EXPECT_EQ(harness.PullAll().size(), 2u);
  EXPECT_EQ(Stat(harness, "corrupted"), 2u);
  EXPECT_THAT(harness.BusWarning(), HasSubstr("corrupted picture"));
  EXPECT_EQ(harness.BusWarning(), "");
}

TEST(LfmImageEnc, DropsWhatLiesOutsideTheSegment) {
  Harness harness(Encoder());
  harness.Start("a", kPictureCaps, GST_FORMAT_TIME);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.start = segment.time = TimeOfPicture(2);
  segment.stop = TimeOfPicture(4);
  harness.PushEvent(gst_event_new_segment(&segment));
  PushPictures(harness, MakePictures(6));
  std::vector<GstClockTime> times;
  for (const Frame& frame : harness.PullAll()) times.push_back(frame.pts);
  EXPECT_THAT(times, ::testing::ElementsAre(TimeOfPicture(2), TimeOfPicture(3)));
}

TEST(LfmImageEnc, PassesEventsOnAndMarksJumps) {
  Harness harness(Encoder());
  harness.Start("a", kPictureCaps, GST_FORMAT_TIME);
  PushPictures(harness, MakePictures(2));
  harness.PullAll();
  harness.EventNames();
  harness.PushEvent(gst_event_new_gap(TimeOfPicture(2), GST_SECOND));
  EXPECT_EQ(harness.EventNames(), "gap");
  ASSERT_EQ(harness.Push(MakePicture(3), 2 * GST_SECOND, true), GST_FLOW_OK);
  EXPECT_TRUE(harness.Pull()->discont());
  harness.Flush();
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  harness.PushEvent(gst_event_new_segment(&segment));
  ASSERT_EQ(harness.Push(MakePicture(3), 0), GST_FLOW_OK);
  EXPECT_TRUE(harness.Pull()->discont());
  harness.Eos();
  EXPECT_THAT(harness.EventNames(), HasSubstr("eos"));
}

TEST(LfmImageEnc, AddsNoLatencyAndTakesPaddedRows) {
  Harness harness(Encoder());
  harness.Start("a", kPictureCaps, GST_FORMAT_TIME);
  gst_harness_set_upstream_latency(harness.get(), 5 * GST_MSECOND);
  EXPECT_EQ(gst_harness_query_latency(harness.get()), 5 * GST_MSECOND);
  GstCaps* caps = gst_caps_from_string(kPictureCaps);
  GstQuery* query = gst_query_new_allocation(caps, TRUE);
  gst_caps_unref(caps);
  EXPECT_TRUE(gst_pad_peer_query(harness.get()->srcpad, query));
  EXPECT_TRUE(gst_query_find_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr));
  gst_query_unref(query);
}

}  // namespace
}  // namespace rill

#include "tools/picture_reader.h"

#include <gst/video/video.h>

#include "tools/media_pipeline.h"

namespace rill {
namespace {

// As the element lfmimageenc takes them, so that both see the same pixels.
constexpr char kConverters[] =
    "videoconvert ! video/x-raw,format={RGB,I420,NV12,BGR,RGBx,BGRx,RGBA,BGRA,GRAY8}";

// What plugins/video_input.cc makes of it, whose code belongs to the plugin alone.
Picture ToPicture(const GstVideoFrame& frame, const GstVideoInfo& info) {
  const GstVideoColorimetry& colours = info.colorimetry;
  Picture picture = {.format = *ParsePixelFormat(GST_VIDEO_INFO_NAME(&info)),
                     .width = static_cast<size_t>(GST_VIDEO_INFO_WIDTH(&info)),
                     .height = static_cast<size_t>(GST_VIDEO_INFO_HEIGHT(&info))};
  gdouble red = 0, blue = 0;
  if (gst_video_color_matrix_get_Kr_Kb(colours.matrix, &red, &blue) == TRUE) {
    picture.yuv.red = static_cast<float>(red);
    picture.yuv.blue = static_cast<float>(blue);
  }
  picture.yuv.full_range = colours.range == GST_VIDEO_COLOR_RANGE_0_255;
  for (guint i = 0; i < GST_VIDEO_FRAME_N_PLANES(&frame); ++i) {
    picture.planes[i] = static_cast<const uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, i));
    picture.strides[i] = static_cast<size_t>(GST_VIDEO_FRAME_PLANE_STRIDE(&frame, i));
  }
  return picture;
}

}  // namespace

struct PictureReader::Source {
  explicit Source(MediaPipeline media) : media(std::move(media)) {}
  ~Source() { Unmap(); }
  void Unmap() {
    if (std::exchange(mapped, false)) gst_video_frame_unmap(&frame);
  }

  MediaPipeline media;
  bool mapped = false;
  GstVideoFrame frame{};
  size_t corrupted = 0;
};

PictureReader::PictureReader(std::unique_ptr<Source> source) : source_(std::move(source)) {}
PictureReader::PictureReader(PictureReader&&) noexcept = default;
PictureReader& PictureReader::operator=(PictureReader&&) noexcept = default;
PictureReader::~PictureReader() = default;

Result<PictureReader> PictureReader::OpenFile(const std::string& path) {
  Result<MediaPipeline> media = MediaPipeline::OpenFile(path, kConverters, "picture");
  if (!media) return media.error();
  return PictureReader(std::make_unique<Source>(std::move(*media)));
}

Result<PictureReader> PictureReader::OpenLive(const std::string& source) {
  constexpr size_t kKept = 2;  // an old picture is worth nothing
  Result<MediaPipeline> media =
      MediaPipeline::OpenLive(source.empty() ? "autovideosrc" : source,
                              source.empty() ? "camera" : source, kConverters, kKept);
  if (!media) return media.error();
  return PictureReader(std::make_unique<Source>(std::move(*media)));
}

Result<std::optional<TimedPicture>> PictureReader::Next() {
  Source& source = *source_;
  source.Unmap();
  GstBuffer* buffer = nullptr;
  GstCaps* caps = nullptr;
  do {
    const Result<GstSample*> sample = source.media.Next();
    if (!sample) return sample.error();
    if (*sample == nullptr) return std::optional<TimedPicture>();
    buffer = gst_sample_get_buffer(*sample);
    caps = gst_sample_get_caps(*sample);
    source.corrupted += GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_CORRUPTED);
  } while (GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_CORRUPTED));
  GstVideoInfo info;
  source.mapped = gst_video_info_from_caps(&info, caps) == TRUE &&
                  gst_video_frame_map(&source.frame, &info, buffer, GST_MAP_READ) == TRUE;
  if (!source.mapped || GST_VIDEO_FRAME_WIDTH(&source.frame) < GST_VIDEO_INFO_WIDTH(&info) ||
      GST_VIDEO_FRAME_HEIGHT(&source.frame) < GST_VIDEO_INFO_HEIGHT(&info))
    return Error{source.media.name() + ": a picture is smaller than it says"};
  TimedPicture timed;
  timed.picture = ToPicture(source.frame, info);
  if (GST_BUFFER_PTS_IS_VALID(buffer)) timed.time_ns = GST_BUFFER_PTS(buffer);
  return std::optional(timed);
}

size_t PictureReader::corrupted() const { return source_->corrupted; }

bool PictureReader::HoldsNone() const { return source_->media.HoldsNone(); }

double PictureReader::seconds() const { return source_->media.seconds(); }

}  // namespace rill

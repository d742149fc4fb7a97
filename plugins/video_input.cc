#include "plugins/video_input.h"

namespace rill {
namespace {

YuvMeaning MeaningOf(const GstVideoColorimetry& colorimetry) {
  YuvMeaning meaning;
  gdouble red = 0, blue = 0;
  if (gst_video_color_matrix_get_Kr_Kb(colorimetry.matrix, &red, &blue) == TRUE) {
    meaning.red = static_cast<float>(red);
    meaning.blue = static_cast<float>(blue);
  }
  meaning.full_range = colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255;
  return meaning;
}

// Whether the pixels that the caps tell of lie within the buffer: mapping one whose metadata say
// where its planes are looks only at where they begin. Of the formats that are taken, each plane
// begins with the component of its number.
bool Holds(const GstVideoFrame& frame, const GstVideoInfo& info) {
  if (frame.meta == nullptr) return true;
  if (GST_VIDEO_FRAME_WIDTH(&frame) < GST_VIDEO_INFO_WIDTH(&info) ||
      GST_VIDEO_FRAME_HEIGHT(&frame) < GST_VIDEO_INFO_HEIGHT(&info))
    return false;
  for (guint i = 0; i < GST_VIDEO_FRAME_N_PLANES(&frame); ++i) {
    const gint bytes = GST_VIDEO_INFO_COMP_WIDTH(&info, i) * GST_VIDEO_INFO_COMP_PSTRIDE(&info, i);
    const gint stride = GST_VIDEO_FRAME_PLANE_STRIDE(&frame, i);
    if (stride < bytes) return false;
    const auto* begin = static_cast<const guint8*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, i));
    const auto before = static_cast<size_t>(begin - frame.map[i].data);
    const size_t rows = static_cast<size_t>(GST_VIDEO_INFO_COMP_HEIGHT(&info, i));
    const size_t needed = static_cast<size_t>(stride) * (rows - 1) + static_cast<size_t>(bytes);
    if (frame.map[i].size < before + needed) return false;
  }
  return true;
}

}  // namespace

Result<GstVideoInfo> ReadVideoCaps(const GstCaps* caps, const std::string& who) {
  GstVideoInfo info;
  if (gst_video_info_from_caps(&info, caps) == FALSE) {
    gchar* text = gst_caps_to_string(caps);
    const Error error{who + " takes video/x-raw of known size, not " + text};
    g_free(text);
    return error;
  }
  if (!ParsePixelFormat(GST_VIDEO_INFO_NAME(&info)))
    return Error{who + " takes pictures of the formats " RILL_VIDEO_FORMATS ", not " +
                 GST_VIDEO_INFO_NAME(&info) + "; videoconvert makes one of the other"};
  if (GST_VIDEO_INFO_INTERLACE_MODE(&info) == GST_VIDEO_INTERLACE_MODE_ALTERNATE)
    return Error{who + " takes whole pictures, not fields one by one; deinterlace joins them"};
  return info;
}

MappedPicture::MappedPicture(GstBuffer* buffer, const GstVideoInfo& info)
    : mapped_(gst_video_frame_map(&frame_, &info, buffer, GST_MAP_READ) == TRUE),
      ok_(mapped_ && Holds(frame_, info)) {
  if (!ok_) return;
  picture_ = {.format = *ParsePixelFormat(GST_VIDEO_INFO_NAME(&info)),
              .width = static_cast<size_t>(GST_VIDEO_INFO_WIDTH(&info)),
              .height = static_cast<size_t>(GST_VIDEO_INFO_HEIGHT(&info)),
              .yuv = MeaningOf(info.colorimetry)};
  for (guint i = 0; i < GST_VIDEO_FRAME_N_PLANES(&frame_); ++i) {
    picture_.planes[i] = static_cast<const uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&frame_, i));
    picture_.strides[i] = static_cast<size_t>(GST_VIDEO_FRAME_PLANE_STRIDE(&frame_, i));
  }
}

MappedPicture::~MappedPicture() {
  if (mapped_) gst_video_frame_unmap(&frame_);
}

}  // namespace rill

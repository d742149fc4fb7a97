// Pictures on a sink pad: their caps, and buffers as what the model's fitter takes.
#pragma once

#include <gst/video/video.h>

#include <string>

#include "modalities/image_fit.h"

namespace rill {

// What needs no converter, the preferred first.
#define RILL_VIDEO_FORMATS "{ RGB, I420, NV12, BGR, RGBx, BGRx, RGBA, BGRA, GRAY8 }"
inline constexpr char kVideoCaps[] = "video/x-raw, format=(string)" RILL_VIDEO_FORMATS
                                     ", width=(int)[1, 32768], "
                                     "height=(int)[1, 32768], framerate=(fraction)[0/1, max]";

// The format of caps of pictures. Fields that come one by one (interlace-mode alternate) are an
// error, as are formats other than those above.
Result<GstVideoInfo> ReadVideoCaps(const GstCaps* caps, const std::string& who);

// Pixels of a buffer for as long as this lives, wherever they lie in it.
class MappedPicture {
 public:
  MappedPicture(GstBuffer* buffer, const GstVideoInfo& info);
  ~MappedPicture();
  MappedPicture(const MappedPicture&) = delete;
  MappedPicture& operator=(const MappedPicture&) = delete;

  // False when the buffer, or what its metadata says is where, is too small for its caps.
  explicit operator bool() const { return ok_; }
  const Picture& picture() const { return picture_; }

 private:
  GstVideoFrame frame_{};
  bool mapped_, ok_;
  Picture picture_;
};

}  // namespace rill

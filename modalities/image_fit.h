// Pictures of any size and of the usual pixel formats, as a model wants them.
//
//   picture  [height, width] of any size, in one plane or several, rows apart by strides
//   pixels   [height, width, channels] of the model's ImageConfig, bytes, nothing between the rows
//
// A picture is first brought to the size, each plane for itself, then to the colours: that is less
// work than the other way round. Shrinking takes the mean of the area that falls into a pixel;
// enlarging goes linearly between pixels. Alpha counts as opaque. The two fields of an interlaced
// picture are taken as one picture.
//
//   kStretch    the whole picture, whatever becomes of its shape
//   kLetterbox  the whole picture in its shape, black around it
//   kCrop       the largest middle part that has the model's shape
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "modalities/image_encoder.h"

namespace rill {

// Packed formats have their bytes in the order of the name, X for one that means nothing; I420 has
// the planes Y, U and V, NV12 the planes Y and UV, both with half the columns and rows of colour.
enum class PixelFormat { kGray, kRgb, kBgr, kRgbx, kBgrx, kI420, kNv12 };

// What luma and chroma mean, for the formats that have them.
struct YuvMeaning {
  // Shares of red and blue in luma: BT.601 here, 0.2126 and 0.0722 for BT.709.
  float red = 0.299f, blue = 0.114f;
  bool full_range = false;  // 0 to 255, not 16 to 235 and 240
};

struct Picture {
  PixelFormat format = PixelFormat::kRgb;
  size_t width = 0, height = 0;
  std::array<const uint8_t*, 3> planes = {};
  std::array<size_t, 3> strides = {};  // bytes
  YuvMeaning yuv = {};
};

// By GStreamer's name: "GRAY8", "RGB", "BGR", "RGBx", "RGBA", "BGRx", "BGRA", "I420", "NV12".
std::optional<PixelFormat> ParsePixelFormat(std::string_view name);
// Bytes of a row of a plane, and rows of it; 0 of one that the format lacks.
size_t PlaneRowBytes(PixelFormat format, size_t plane, size_t width);
size_t PlaneRows(PixelFormat format, size_t plane, size_t height);

// One stream; keeps working memory, so that a picture like the last one allocates nothing.
class ImageFitter {
 public:
  explicit ImageFitter(const ImageConfig& config);
  ~ImageFitter();
  ImageFitter(const ImageFitter& other);  // with working memory of its own
  ImageFitter& operator=(const ImageFitter& other);
  ImageFitter(ImageFitter&&) noexcept;
  ImageFitter& operator=(ImageFitter&&) noexcept;

  // The picture as the model wants it, valid until the next call. Refuses a picture without pixels
  // or with strides shorter than its rows.
  Result<std::span<const uint8_t>> Run(const Picture& picture);

 private:
  struct Work;  // keeps OpenCV's headers out of this one
  std::unique_ptr<Work> work_;
};

}  // namespace rill

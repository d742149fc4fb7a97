#include "modalities/image_fit.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <string>

namespace rill {
namespace {

// A plane of a format: bytes of a pixel, and pixels of the picture in each direction.
struct PlaneKind {
  int bytes = 0;  // 0: the format has no such plane
  int step = 1;
};

PlaneKind KindOf(PixelFormat format, size_t plane) {
  if (plane == 0) {
    switch (format) {
      case PixelFormat::kRgb:
      case PixelFormat::kBgr: return {3};
      case PixelFormat::kRgbx:
      case PixelFormat::kBgrx: return {4};
      default: return {1};
    }
  }
  if (format == PixelFormat::kI420 && plane <= 2) return {1, 2};
  if (format == PixelFormat::kNv12 && plane == 1) return {2, 2};
  return {};
}

size_t DividedUp(size_t count, int step) {
  return (count + static_cast<size_t>(step) - 1) / static_cast<size_t>(step);
}

uint8_t ToByte(float value) {
  return static_cast<uint8_t>(std::lround(std::clamp(value, 0.0f, 255.0f)));
}

// Luma and chroma to red, green and blue, all 0 to 255.
struct FromYuv {
  explicit FromYuv(const YuvMeaning& meaning)
      : black(meaning.full_range ? 0 : 16),
        luma(meaning.full_range ? 1 : 255.0f / 219),
        red(2 * (1 - meaning.red) * Chroma(meaning)),
        blue(2 * (1 - meaning.blue) * Chroma(meaning)),
        green_red(red * meaning.red / (1 - meaning.red - meaning.blue)),
        green_blue(blue * meaning.blue / (1 - meaning.red - meaning.blue)) {}
  static float Chroma(const YuvMeaning& meaning) { return meaning.full_range ? 1 : 255.0f / 224; }

  float Luma(uint8_t y) const { return luma * (static_cast<float>(y) - black); }
  void Rgb(uint8_t y, uint8_t u, uint8_t v, uint8_t* to) const {
    const float l = Luma(y), b = static_cast<float>(u) - 128, r = static_cast<float>(v) - 128;
    to[0] = ToByte(l + red * r);
    to[1] = ToByte(l - green_red * r - green_blue * b);
    to[2] = ToByte(l + blue * b);
  }

  float black, luma, red, blue, green_red, green_blue;
};

// The part of a picture of that size which has the shape of the other; its corner is even, so that
// it is one of the colour planes, too.
cv::Rect MiddleOf(cv::Size size, cv::Size shape) {
  const int64_t wide = int64_t{size.width} * shape.height,
                high = int64_t{size.height} * shape.width;
  cv::Size part = size;
  if (wide > high) part.width = std::max(1, static_cast<int>(high / shape.height));
  if (high > wide) part.height = std::max(1, static_cast<int>(wide / shape.width));
  return {(size.width - part.width) / 2 & ~1, (size.height - part.height) / 2 & ~1, part.width,
          part.height};
}

// Where in a picture of the second size one of the first size lies whole, in its shape.
cv::Rect PlaceIn(cv::Size size, cv::Size frame) {
  const int64_t wide = int64_t{size.width} * frame.height,
                high = int64_t{size.height} * frame.width;
  cv::Size place = frame;
  if (wide > high) place.height = std::max(1, static_cast<int>(high / size.width));
  if (high > wide) place.width = std::max(1, static_cast<int>(wide / size.height));
  return {(frame.width - place.width) / 2, (frame.height - place.height) / 2, place.width,
          place.height};
}

void Resize(const cv::Mat& from, cv::Mat& to, cv::Size size) {
  const bool shrinks = size.width <= from.cols && size.height <= from.rows;
  cv::resize(from, to, size, 0, 0, shrinks ? cv::INTER_AREA : cv::INTER_LINEAR);
}

}  // namespace

std::optional<PixelFormat> ParsePixelFormat(std::string_view name) {
  constexpr std::pair<std::string_view, PixelFormat> kNames[] = {
      {"GRAY8", PixelFormat::kGray}, {"RGB", PixelFormat::kRgb},   {"BGR", PixelFormat::kBgr},
      {"RGBx", PixelFormat::kRgbx},  {"RGBA", PixelFormat::kRgbx}, {"BGRx", PixelFormat::kBgrx},
      {"BGRA", PixelFormat::kBgrx},  {"I420", PixelFormat::kI420}, {"NV12", PixelFormat::kNv12}};
  for (const auto& [known, format] : kNames)
    if (known == name) return format;
  return std::nullopt;
}

size_t PlaneRowBytes(PixelFormat format, size_t plane, size_t width) {
  const PlaneKind kind = KindOf(format, plane);
  return static_cast<size_t>(kind.bytes) * DividedUp(width, kind.step);
}

size_t PlaneRows(PixelFormat format, size_t plane, size_t height) {
  const PlaneKind kind = KindOf(format, plane);
  return kind.bytes == 0 ? 0 : DividedUp(height, kind.step);
}

struct ImageFitter::Work {
  explicit Work(const ImageConfig& config)
      : config(config), size(static_cast<int>(config.width), static_cast<int>(config.height)) {}

  Result<void> Check(const Picture& picture) const;
  // The part of a plane under a part of the picture.
  static cv::Mat Part(const Picture& picture, size_t plane, const cv::Rect& part);
  // The resized planes as the model's colours, into its pixels at `place`.
  void Colour(const Picture& picture, const cv::Rect& place);

  ImageConfig config;
  cv::Size size;  // the model's
  std::array<cv::Mat, 3> planes;
  std::vector<uint8_t> pixels;
};

ImageFitter::ImageFitter(const ImageConfig& config) : work_(std::make_unique<Work>(config)) {}
ImageFitter::~ImageFitter() = default;
ImageFitter::ImageFitter(const ImageFitter& other) : ImageFitter(other.work_->config) {}
ImageFitter& ImageFitter::operator=(const ImageFitter& other) { return *this = ImageFitter(other); }
ImageFitter::ImageFitter(ImageFitter&&) noexcept = default;
ImageFitter& ImageFitter::operator=(ImageFitter&&) noexcept = default;

Result<void> ImageFitter::Work::Check(const Picture& picture) const {
  constexpr size_t kMostSide = 1 << 15;
  const std::string size = std::to_string(picture.width) + "x" + std::to_string(picture.height);
  if (picture.width == 0 || picture.height == 0 || picture.width > kMostSide ||
      picture.height > kMostSide)
    return Error{"a picture of " + size + " pixels, each side has 1 to " +
                 std::to_string(kMostSide)};
  for (size_t i = 0; i < picture.planes.size(); ++i)
    if (const size_t row = PlaneRowBytes(picture.format, i, picture.width);
        row > 0 && (picture.planes[i] == nullptr || picture.strides[i] < row))
      return Error{"a picture of " + size + " pixels has rows of " +
                   std::to_string(picture.strides[i]) + " bytes in plane " + std::to_string(i) +
                   ", which need " + std::to_string(row)};
  return {};
}

cv::Mat ImageFitter::Work::Part(const Picture& picture, size_t plane, const cv::Rect& part) {
  const PlaneKind kind = KindOf(picture.format, plane);
  // OpenCV has no matrix of constant data; this one is only read.
  const cv::Mat whole(static_cast<int>(PlaneRows(picture.format, plane, picture.height)),
                      static_cast<int>(DividedUp(picture.width, kind.step)), CV_8UC(kind.bytes),
                      const_cast<uint8_t*>(picture.planes[plane]), picture.strides[plane]);
  const int right = (part.x + part.width + kind.step - 1) / kind.step;
  const int bottom = (part.y + part.height + kind.step - 1) / kind.step;
  const int left = part.x / kind.step, top = part.y / kind.step;
  return whole(cv::Rect(left, top, right - left, bottom - top));
}

void ImageFitter::Work::Colour(const Picture& picture, const cv::Rect& place) {
  const PixelFormat format = picture.format;
  const FromYuv yuv(picture.yuv);
  const bool is_yuv = format == PixelFormat::kI420 || format == PixelFormat::kNv12;
  const int red = format == PixelFormat::kBgr || format == PixelFormat::kBgrx ? 2 : 0;
  const int channels = planes[0].channels();
  for (int y = 0; y < place.height; ++y) {
    const uint8_t* from = planes[0].ptr(y);
    const uint8_t* u = planes[1].empty() ? nullptr : planes[1].ptr(y);
    const uint8_t* v = planes[2].empty() ? nullptr : planes[2].ptr(y);
    uint8_t* to = pixels.data() +
                  (static_cast<size_t>(place.y + y) * config.width + static_cast<size_t>(place.x)) *
                      config.channels;
    for (int x = 0; x < place.width; ++x, from += channels, to += config.channels) {
      if (is_yuv && config.channels == 1) {
        to[0] = ToByte(yuv.Luma(*from));
      } else if (format == PixelFormat::kI420) {
        yuv.Rgb(*from, u[x], v[x], to);
      } else if (format == PixelFormat::kNv12) {
        const uint8_t* uv = u + 2 * static_cast<size_t>(x);
        yuv.Rgb(*from, uv[0], uv[1], to);
      } else if (config.channels == 1) {
        to[0] = channels == 1 ? from[0]
                              : ToByte(0.299f * static_cast<float>(from[red]) +
                                       0.587f * static_cast<float>(from[1]) +
                                       0.114f * static_cast<float>(from[2 - red]));
      } else {
        to[0] = from[channels == 1 ? 0 : red];
        to[1] = from[channels == 1 ? 0 : 1];
        to[2] = from[channels == 1 ? 0 : 2 - red];
      }
    }
  }
}

Result<std::span<const uint8_t>> ImageFitter::Run(const Picture& picture) {
  Work& work = *work_;
  if (const Result<void> sound = work.Check(picture); !sound) return sound.error();
  const cv::Size given(static_cast<int>(picture.width), static_cast<int>(picture.height));
  const cv::Rect part =
      work.config.fit == ImageFit::kCrop ? MiddleOf(given, work.size) : cv::Rect({0, 0}, given);
  const cv::Rect place = work.config.fit == ImageFit::kLetterbox ? PlaceIn(given, work.size)
                                                                 : cv::Rect({0, 0}, work.size);
  const size_t bytes = work.config.width * work.config.height * work.config.channels;
  if (place.size() == work.size)
    work.pixels.resize(bytes);
  else
    work.pixels.assign(bytes, 0);
  // Grey needs no colour.
  const size_t count = work.config.channels == 1 ? 1 : work.planes.size();
  for (size_t i = 0; i < work.planes.size(); ++i) {
    if (i < count && PlaneRows(picture.format, i, picture.height) > 0)
      Resize(Work::Part(picture, i, part), work.planes[i], place.size());
    else
      work.planes[i].release();
  }
  work.Colour(picture, place);
  return std::span<const uint8_t>(work.pixels);
}

}  // namespace rill

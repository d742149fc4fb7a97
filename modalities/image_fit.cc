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

// Luma and chroma [y, u, v, 1] to red, green and blue, all 0 to 255.
cv::Matx34f FromYuv(const YuvMeaning& meaning) {
  const float black = meaning.full_range ? 0 : 16;
  const float luma = meaning.full_range ? 1 : 255.0f / 219;
  const float chroma = meaning.full_range ? 1 : 255.0f / 224;
  const float red = 2 * (1 - meaning.red) * chroma, blue = 2 * (1 - meaning.blue) * chroma;
  const float green = 1 - meaning.red - meaning.blue;
  const float green_red = -red * meaning.red / green, green_blue = -blue * meaning.blue / green;
  const auto offset = [&](float u, float v) { return -luma * black - 128 * (u + v); };
  return {luma, 0,          red,       offset(0, red),                 //
          luma, green_blue, green_red, offset(green_blue, green_red),  //
          luma, blue,       0,         offset(blue, 0)};
}

// OpenCV's code for a packed format to the model's channels; nothing where they are the same.
std::optional<int> ColourCode(PixelFormat format, size_t channels) {
  const bool grey = channels == 1;
  switch (format) {
    case PixelFormat::kGray: return grey ? std::nullopt : std::optional(cv::COLOR_GRAY2RGB);
    case PixelFormat::kRgb: return grey ? std::optional(cv::COLOR_RGB2GRAY) : std::nullopt;
    case PixelFormat::kBgr: return grey ? cv::COLOR_BGR2GRAY : cv::COLOR_BGR2RGB;
    case PixelFormat::kRgbx: return grey ? cv::COLOR_RGBA2GRAY : cv::COLOR_RGBA2RGB;
    case PixelFormat::kBgrx: return grey ? cv::COLOR_BGRA2GRAY : cv::COLOR_BGRA2RGB;
    default: return std::nullopt;
  }
}

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

// Shrinks first, where one side shrinks and the other grows.
void Resize(const cv::Mat& from, cv::Mat& to, cv::Size size) {
  const cv::Size less(std::min(size.width, from.cols), std::min(size.height, from.rows));
  cv::Mat shrunk = from;
  if (less != from.size()) cv::resize(from, less == size ? to : shrunk, less, 0, 0, cv::INTER_AREA);
  if (less != size) cv::resize(shrunk, to, size, 0, 0, cv::INTER_LINEAR);
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
  std::array<cv::Mat, 3> resized;
  // Of the model's size, within Run(): the picture's own, or the resized ones.
  std::array<cv::Mat, 3> planes;
  cv::Mat yuv;
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
  cv::Mat to(size, CV_8UC(static_cast<int>(config.channels)), pixels.data());
  to = to(place);
  if (picture.format != PixelFormat::kI420 && picture.format != PixelFormat::kNv12) {
    const std::optional<int> code = ColourCode(picture.format, config.channels);
    if (code)
      cv::cvtColor(planes[0], to, *code);
    else
      planes[0].copyTo(to);
    return;
  }
  const cv::Matx34f from_yuv = FromYuv(picture.yuv);
  if (config.channels == 1) {
    const float black = picture.yuv.full_range ? 0 : 16, luma = from_yuv(0, 0);
    planes[0].convertTo(to, CV_8U, luma, -luma * black);
    return;
  }
  cv::merge(planes.data(), planes[2].empty() ? 2 : 3, yuv);
  cv::transform(yuv, to, from_yuv);
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
    work.planes[i].release();
    if (i >= count || PlaneRows(picture.format, i, picture.height) == 0) continue;
    const cv::Mat given_plane = Work::Part(picture, i, part);
    if (given_plane.size() == place.size()) {
      work.planes[i] = given_plane;
    } else {
      Resize(given_plane, work.resized[i], place.size());
      work.planes[i] = work.resized[i];
    }
  }
  work.Colour(picture, place);
  return std::span<const uint8_t>(work.pixels);
}

}  // namespace rill

// Pictures brought to a model's size and colours: every format says the same, strides are honoured,
// shapes are kept as the model says, and nothing outside a plane is read.
#include "modalities/image_fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>

namespace rill::testing {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr PixelFormat kAll[] = {PixelFormat::kGray, PixelFormat::kRgb,  PixelFormat::kBgr,
                                PixelFormat::kRgbx, PixelFormat::kBgrx, PixelFormat::kI420,
                                PixelFormat::kNv12};
struct Colour {
  uint8_t red, green, blue;
};

// A picture of one colour whose rows are `more` bytes longer than they need be, in memory of
// exactly that size.
class Canvas {
 public:
  Canvas(PixelFormat format, size_t width, size_t height, size_t more = 0) {
    picture_.format = format;
    picture_.width = width;
    picture_.height = height;
    for (size_t i = 0; i < 3; ++i) {
      const size_t rows = PlaneRows(format, i, height);
      if (rows == 0) continue;
      picture_.strides[i] = PlaneRowBytes(format, i, width) + more;
      // The last row need not be padded.
      planes_[i] = std::vector<uint8_t>(picture_.strides[i] * rows - more, 0xA5);
      picture_.planes[i] = planes_[i].data();
    }
  }
  Canvas(const Canvas&) = delete;

  Picture& picture() { return picture_; }
  uint8_t& At(size_t plane, size_t y, size_t byte) {
    return planes_[plane].at(y * picture_.strides[plane] + byte);
  }

  // Bytes of a pixel in its planes; chroma in full range, BT.601.
  void Set(size_t x, size_t y, const Colour& colour) {
    const float red = colour.red, green = colour.green, blue = colour.blue;
    const float luma = 0.299f * red + 0.587f * green + 0.114f * blue;
    const auto byte = [](float v) {
      return static_cast<uint8_t>(std::lround(std::clamp(v, 0.0f, 255.0f)));
    };
    const uint8_t u = byte(128 + (blue - luma) / 1.772f), v = byte(128 + (red - luma) / 1.402f);
    switch (picture_.format) {
      case PixelFormat::kGray: At(0, y, x) = byte(luma); break;
      case PixelFormat::kRgb:
      case PixelFormat::kRgbx: SetPacked(x, y, {colour.red, colour.green, colour.blue}); break;
      case PixelFormat::kBgr:
      case PixelFormat::kBgrx: SetPacked(x, y, {colour.blue, colour.green, colour.red}); break;
      case PixelFormat::kI420:
        At(0, y, x) = byte(luma);
        At(1, y / 2, x / 2) = u;
        At(2, y / 2, x / 2) = v;
        break;
      case PixelFormat::kNv12:
        At(0, y, x) = byte(luma);
        At(1, y / 2, x / 2 * 2) = u;
        At(1, y / 2, x / 2 * 2 + 1) = v;
        break;
    }
    picture_.yuv.full_range = true;
  }
  void Fill(const Colour& colour) {
    for (size_t y = 0; y < picture_.height; ++y)
      for (size_t x = 0; x < picture_.width; ++x) Set(x, y, colour);
  }

 private:
  void SetPacked(size_t x, size_t y, const Colour& bytes) {
    const size_t size = PlaneRowBytes(picture_.format, 0, 1);
    At(0, y, size * x) = bytes.red;
    At(0, y, size * x + 1) = bytes.green;
    At(0, y, size * x + 2) = bytes.blue;
  }

  std::array<std::vector<uint8_t>, 3> planes_;
  Picture picture_;
};

std::vector<int> Fit(const Picture& picture, const ImageConfig& config) {
  ImageFitter fitter(config);
  const auto pixels = fitter.Run(picture);
  EXPECT_TRUE(pixels) << pixels.error().message;
  return {pixels->begin(), pixels->end()};
}

ImageConfig Config(size_t width, size_t height, size_t channels,
                   ImageFit fit = ImageFit::kStretch) {
  return {.height = height, .width = width, .channels = channels, .fit = fit};
}

// A colour at a place of the result.
std::vector<int> At(const std::vector<int>& pixels, const ImageConfig& config, size_t x, size_t y) {
  const auto first = pixels.begin() + static_cast<std::ptrdiff_t>((y * config.width + x) * 3);
  return {first, first + 3};
}

TEST(ImageFitter, APictureOfTheModelsSizeIsItself) {
  Canvas canvas(PixelFormat::kRgb, 3, 2);
  std::vector<int> want;
  for (size_t y = 0; y < 2; ++y)
    for (size_t byte = 0; byte < 9; ++byte)
      want.push_back(canvas.At(0, y, byte) = static_cast<uint8_t>(29 * y + 7 * byte));
  EXPECT_EQ(Fit(canvas.picture(), Config(3, 2, 3)), want);
}

TEST(ImageFitter, EveryFormatSaysTheSame) {
  const Colour colour = {200, 90, 30};
  for (const PixelFormat format : kAll)
    for (const size_t more : {0, 1, 13})
      for (const auto& [width, height] : {std::pair(8, 6), {7, 5}, {1, 1}, {2, 9}}) {
        Canvas canvas(format, width, height, more);
        canvas.Fill(colour);
        const std::vector<int> grey = Fit(canvas.picture(), Config(4, 4, 1));
        const std::vector<int> colours = Fit(canvas.picture(), Config(4, 4, 3));
        for (size_t i = 0; i < grey.size(); ++i) {
          ASSERT_NEAR(grey[i], 116, 1) << static_cast<int>(format);
          const bool is_grey = format == PixelFormat::kGray;
          ASSERT_NEAR(colours[3 * i], is_grey ? 116 : 200, 2) << static_cast<int>(format);
          ASSERT_NEAR(colours[3 * i + 1], is_grey ? 116 : 90, 2) << static_cast<int>(format);
          ASSERT_NEAR(colours[3 * i + 2], is_grey ? 116 : 30, 2) << static_cast<int>(format);
        }
      }
}

TEST(ImageFitter, ShrinkingTakesTheMeanOfTheArea) {
  Canvas canvas(PixelFormat::kGray, 4, 2, 3);
  const uint8_t values[2][4] = {{0, 100, 8, 8}, {40, 60, 8, 12}};
  for (size_t y = 0; y < 2; ++y)
    for (size_t x = 0; x < 4; ++x) canvas.At(0, y, x) = values[y][x];
  EXPECT_THAT(Fit(canvas.picture(), Config(2, 1, 1)), ElementsAre(50, 9));
}

TEST(ImageFitter, ShrinkingOneSideAloneTakesTheMeanToo) {
  Canvas canvas(PixelFormat::kGray, 8, 1);
  for (size_t x = 0; x < 8; ++x) canvas.At(0, 0, x) = x == 0 ? 200 : 8;
  EXPECT_THAT(Fit(canvas.picture(), Config(2, 3, 1)), ElementsAre(56, 8, 56, 8, 56, 8));
}

TEST(ImageFitter, EnlargingGoesBetweenPixels) {
  Canvas canvas(PixelFormat::kGray, 2, 1);
  canvas.At(0, 0, 0) = 0;
  canvas.At(0, 0, 1) = 200;
  const std::vector<int> pixels = Fit(canvas.picture(), Config(8, 1, 1));
  EXPECT_EQ(pixels.front(), 0);
  EXPECT_EQ(pixels.back(), 200);
  EXPECT_TRUE(std::ranges::is_sorted(pixels));
  EXPECT_GT(pixels[4], pixels[3]);
}

TEST(ImageFitter, LumaAndChromaMeanWhatTheCapsSay) {
  Canvas canvas(PixelFormat::kI420, 2, 2);
  const auto colour = [&](int y, int u, int v, const YuvMeaning& meaning) {
    for (size_t i = 0; i < 4; ++i) canvas.At(0, i / 2, i % 2) = static_cast<uint8_t>(y);
    canvas.At(1, 0, 0) = static_cast<uint8_t>(u);
    canvas.At(2, 0, 0) = static_cast<uint8_t>(v);
    canvas.picture().yuv = meaning;
    return Fit(canvas.picture(), Config(1, 1, 3));
  };
  const YuvMeaning bt601, bt709 = {.red = 0.2126f, .blue = 0.0722f};
  const YuvMeaning full = {.full_range = true};
  EXPECT_THAT(colour(16, 128, 128, bt601), Each(0));
  EXPECT_THAT(colour(235, 128, 128, bt601), Each(255));
  EXPECT_THAT(colour(16, 128, 128, full), Each(16));
  EXPECT_THAT(colour(235, 128, 128, full), Each(235));
  // Red of each standard, as ITU-R BT.601 and BT.709 round it.
  EXPECT_THAT(colour(81, 90, 240, bt601), ElementsAre(254, 0, 0));
  EXPECT_THAT(colour(63, 102, 240, bt709), ElementsAre(255, 1, 0));
  EXPECT_THAT(colour(0, 128, 128, bt601), Each(0));  // blacker than black
}

TEST(ImageFitter, LetterboxKeepsTheShapeInBlack) {
  const Colour white = {255, 255, 255};
  Canvas wide(PixelFormat::kRgb, 40, 10), high(PixelFormat::kNv12, 10, 40);
  wide.Fill(white);
  high.Fill(white);
  const ImageConfig config = Config(8, 8, 3, ImageFit::kLetterbox);
  const std::vector<int> across = Fit(wide.picture(), config), down = Fit(high.picture(), config);
  for (size_t y = 0; y < 8; ++y)
    for (size_t x = 0; x < 8; ++x) {
      EXPECT_THAT(At(across, config, x, y), Each(y == 3 || y == 4 ? 255 : 0)) << x << "," << y;
      EXPECT_THAT(At(down, config, x, y), Each(x == 3 || x == 4 ? 255 : 0)) << x << "," << y;
    }
}

TEST(ImageFitter, CropTakesTheMiddle) {
  const ImageConfig config = Config(4, 4, 3, ImageFit::kCrop);
  for (const PixelFormat format : {PixelFormat::kRgb, PixelFormat::kI420, PixelFormat::kNv12}) {
    Canvas canvas(format, 24, 8);
    canvas.Fill({0, 0, 0});
    for (size_t y = 0; y < 8; ++y)
      for (size_t x = 8; x < 16; ++x) canvas.Set(x, y, {250, 250, 250});
    EXPECT_THAT(Fit(canvas.picture(), config), Each(250)) << static_cast<int>(format);
  }
}

TEST(ImageFitter, TakesPicturesOfEverySizeInTurn) {
  std::mt19937_64 random(5);
  for (const ImageFit fit : {ImageFit::kStretch, ImageFit::kLetterbox, ImageFit::kCrop}) {
    const ImageConfig config = Config(9, 5, 3, fit);
    ImageFitter fitter(config);
    for (int i = 0; i < 300; ++i) {
      const PixelFormat format = kAll[random() % std::size(kAll)];
      Canvas canvas(format, 1 + random() % 40, 1 + random() % 40, random() % 5);
      canvas.Fill({static_cast<uint8_t>(random()), 128, 7});
      const auto pixels = fitter.Run(canvas.picture());
      ASSERT_TRUE(pixels);
      ASSERT_EQ(pixels->size(), 9u * 5 * 3);
      // What came before leaves nothing.
      ASSERT_EQ(std::vector<int>(pixels->begin(), pixels->end()), Fit(canvas.picture(), config));
    }
  }
}

TEST(ImageFitter, TakesLargePictures) {
  Canvas canvas(PixelFormat::kI420, 7681, 4321);
  canvas.Fill({10, 200, 60});
  const ImageConfig config = Config(32, 32, 3, ImageFit::kCrop);
  EXPECT_THAT(At(Fit(canvas.picture(), config), config, 17, 5),
              ElementsAre(::testing::AllOf(::testing::Ge(8), ::testing::Le(12)),
                          ::testing::AllOf(::testing::Ge(198), ::testing::Le(202)),
                          ::testing::AllOf(::testing::Ge(58), ::testing::Le(62))));
}

TEST(ImageFitter, RefusesWhatIsNoPicture) {
  ImageFitter fitter(Config(4, 4, 3));
  const auto error = [&](Picture picture) { return fitter.Run(picture).error().message; };
  Canvas canvas(PixelFormat::kI420, 6, 4);
  Picture picture = canvas.picture();
  picture.width = 0;
  EXPECT_THAT(error(picture), HasSubstr("0x4 pixels, each side has 1 to 32768"));
  picture.width = 40000;
  EXPECT_THAT(error(picture), HasSubstr("40000x4"));
  picture = canvas.picture();
  picture.strides[2] = 2;
  EXPECT_THAT(error(picture), HasSubstr("rows of 2 bytes in plane 2, which need 3"));
  picture = canvas.picture();
  picture.planes[1] = nullptr;
  EXPECT_THAT(error(picture), HasSubstr("plane 1"));
}

TEST(ImageFitter, CopiesShareNoMemory) {
  Canvas black(PixelFormat::kGray, 4, 4), white(PixelFormat::kGray, 4, 4);
  black.Fill({0, 0, 0});
  white.Fill({255, 255, 255});
  ImageFitter one(Config(2, 2, 1)), two = one;
  const auto dark = one.Run(black.picture()), light = two.Run(white.picture());
  EXPECT_THAT(*dark, Each(0));
  EXPECT_THAT(*light, Each(255));
}

TEST(PixelFormat, IsNamedAsByGStreamer) {
  EXPECT_EQ(ParsePixelFormat("RGBA"), PixelFormat::kRgbx);
  EXPECT_EQ(ParsePixelFormat("NV12"), PixelFormat::kNv12);
  EXPECT_EQ(ParsePixelFormat("YUY2"), std::nullopt);
}

}  // namespace
}  // namespace rill::testing

// What a picture costs before the encoder: to the model's size and colours.
#include <benchmark/benchmark.h>

#include <vector>

#include "modalities/image_fit.h"

namespace rill {
namespace {

// Arguments: sides of the model's square picture, then width and height of the one that comes.
void PictureFit(benchmark::State& state, PixelFormat format) {
  const size_t side = static_cast<size_t>(state.range(0));
  const size_t width = static_cast<size_t>(state.range(1)),
               height = static_cast<size_t>(state.range(2));
  ImageFitter fitter({.height = side, .width = side, .channels = 3});
  Picture picture{.format = format, .width = width, .height = height};
  std::vector<std::vector<uint8_t>> planes;
  for (size_t plane = 0; plane < picture.planes.size(); ++plane) {
    picture.strides[plane] = PlaneRowBytes(format, plane, width);
    planes.emplace_back(picture.strides[plane] * PlaneRows(format, plane, height), uint8_t{77});
    picture.planes[plane] = planes.back().data();
  }
  for (auto _ : state) {
    const auto pixels = fitter.Run(picture);
    if (!pixels) return state.SkipWithError(pixels.error().message.c_str());
    benchmark::DoNotOptimize(pixels->data());
  }
}
BENCHMARK_CAPTURE(PictureFit, rgb, PixelFormat::kRgb)
    ->Args({224, 224, 224})
    ->Args({224, 640, 480})
    ->Args({32, 640, 480})
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(PictureFit, i420, PixelFormat::kI420)
    ->Args({224, 224, 224})
    ->Args({224, 640, 480})
    ->Args({32, 640, 480})
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace rill

#include "operators/conv2d.h"

#include <algorithm>

namespace rill {

Result<Conv2d> Conv2d::Load(const Weights& weights, const std::string& name, const Shape& shape) {
  if (shape.kernel % 2 == 0 || shape.stride == 0 || shape.stride > shape.kernel)
    return weights.Complain(name + ": a kernel of " + std::to_string(shape.kernel) +
                            " and a stride of " + std::to_string(shape.stride) +
                            ": the kernel must be odd and no smaller than the stride");
  Result<Linear> weight =
      Linear::Load(weights, name, shape.channels_out,
                   shape.kernel * shape.kernel * shape.channels_in, Bias::kPresent);
  if (!weight) return weight.error();
  return Conv2d(std::move(*weight), shape);
}

size_t Conv2d::TileRows() const {
  constexpr size_t kTilePixels = 64;
  return std::clamp<size_t>(kTilePixels / columns_out(), 1, rows_out());
}

void Conv2d::Gather(View<const float> x, size_t row, float* to) const {
  const size_t kernel = shape_.kernel, channels = shape_.channels_in, before = (kernel - 1) / 2;
  for (size_t column = 0; column < columns_out(); ++column) {
    for (size_t i = 0; i < kernel; ++i) {
      const size_t r = shape_.stride * row + i - before;  // wraps above the first
      for (size_t j = 0; j < kernel; ++j, to += channels) {
        const size_t c = shape_.stride * column + j - before;
        if (r < shape_.height && c < shape_.width) {
          std::copy_n(x[r * shape_.width + c].data(), channels, to);
        } else {
          std::fill_n(to, channels, 0.0f);
        }
      }
    }
  }
}

void Conv2d::Run(View<const float> x, Scratch& scratch, View<float> y) const {
  assert(x.rows == shape_.height * shape_.width && x.columns == shape_.channels_in);
  assert(y.rows == rows_out() * columns_out() && y.columns == shape_.channels_out);
  Scratch::Frame frame(scratch);
  const size_t tile = TileRows(), columns = columns_out();
  const View<float> patches = frame.Take(tile * columns, weight_.inputs());
  for (size_t row = 0; row < rows_out(); row += tile) {
    const size_t count = std::min(tile, rows_out() - row);
    for (size_t i = 0; i < count; ++i) Gather(x, row + i, patches[i * columns].data());
    weight_.Run(patches.Rows(0, count * columns), y.Rows(row * columns, count * columns));
  }
}

}  // namespace rill

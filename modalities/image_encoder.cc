#include "modalities/image_encoder.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace rill {
namespace {

constexpr size_t kByteValues = 256;
constexpr size_t kMostScratch = size_t{1} << 28;  // floats, of any sides and channels
constexpr int64_t kMostSide = 1024, kMostStages = 8, kMostBlocks = 64, kMostChannels = 1 << 12;

Result<ImageFit> ReadFit(const Weights& weights) {
  const Result<std::string> text = weights.Text("rill.image.fit");
  if (!text) return text.error();
  if (*text == "stretch") return ImageFit::kStretch;
  if (*text == "letterbox") return ImageFit::kLetterbox;
  if (*text == "crop") return ImageFit::kCrop;
  return weights.Complain("rill.image.fit is none of stretch, letterbox and crop");
}

// One whole number a stage.
Result<std::vector<size_t>> ReadStages(const Weights& weights, const std::string& key, size_t count,
                                       int64_t least, int64_t most) {
  const Result<std::vector<double>> numbers = weights.Numbers(key);
  if (!numbers) return numbers.error();
  if (numbers->size() != count)
    return weights.Complain(key + " has " + std::to_string(numbers->size()) + " numbers for " +
                            std::to_string(count) + " stages");
  std::vector<size_t> found;
  for (const double number : *numbers) {
    if (!(number >= static_cast<double>(least) && number <= static_cast<double>(most)) ||
        number != std::floor(number))
      return weights.Complain(key + " has " + std::to_string(number) +
                              ", which is no number from " + std::to_string(least) + " to " +
                              std::to_string(most));
    found.push_back(static_cast<size_t>(number));
  }
  return found;
}

}  // namespace

Result<ImageConfig> ImageEncoder::ReadConfig(const Weights& weights) {
  const Result<int64_t> height = weights.Integer("rill.image.height", 1, kMostSide);
  if (!height) return height.error();
  const Result<int64_t> width = weights.Integer("rill.image.width", 1, kMostSide);
  if (!width) return width.error();
  const Result<int64_t> channels = weights.Integer("rill.image.channels", 1, 3);
  if (!channels) return channels.error();
  if (*channels == 2) return weights.Complain("rill.image.channels is 2, not 1 (grey) or 3");
  const Result<ImageFit> fit = ReadFit(weights);
  if (!fit) return fit.error();
  return ImageConfig{static_cast<size_t>(*height), static_cast<size_t>(*width),
                     static_cast<size_t>(*channels), *fit};
}

Result<std::vector<float>> ImageEncoder::ReadValues(const Weights& weights, size_t channels) {
  const Result<std::vector<float>> mean = weights.Vector("image.mean", channels);
  if (!mean) return mean.error();
  const Result<std::vector<float>> deviation = weights.Vector("image.deviation", channels);
  if (!deviation) return deviation.error();
  std::vector<float> values;
  for (size_t c = 0; c < channels; ++c) {
    if (!((*deviation)[c] > 0))
      return weights.Complain("image.deviation holds " + std::to_string((*deviation)[c]) +
                              ", which is not positive");
    for (size_t byte = 0; byte < kByteValues; ++byte)
      values.push_back((static_cast<float>(byte) / 255.0f - (*mean)[c]) / (*deviation)[c]);
  }
  return values;
}

Result<ImageEncoder::Stage> ImageEncoder::LoadStage(const Weights& weights, const std::string& name,
                                                    const Conv2d::Shape& shape, size_t blocks,
                                                    size_t inner, float epsilon) {
  Result<Conv2d> conv = Conv2d::Load(weights, name + ".conv", shape);
  if (!conv) return conv.error();
  Stage stage{std::move(*conv), {}};
  const size_t channels = shape.channels_out;
  for (size_t i = 0; i < blocks; ++i) {
    const std::string block = name + ".blk." + std::to_string(i);
    Result<RmsNorm> norm = RmsNorm::Load(weights, block + ".norm", channels, epsilon);
    if (!norm) return norm.error();
    Result<ShortConv2d> mixer = ShortConv2d::Load(
        weights, block + ".short_conv",
        {.height = stage.conv.rows_out(), .width = stage.conv.columns_out(), .channels = channels});
    if (!mixer) return mixer.error();
    Result<RmsNorm> mlp_norm = RmsNorm::Load(weights, block + ".mlp_norm", channels, epsilon);
    if (!mlp_norm) return mlp_norm.error();
    Result<Swiglu> swiglu = Swiglu::Load(weights, block + ".swiglu.", channels, inner);
    if (!swiglu) return swiglu.error();
    stage.blocks.push_back(
        {std::move(*norm), std::move(*mixer), std::move(*mlp_norm), std::move(*swiglu)});
  }
  return stage;
}

Result<ImageEncoder> ImageEncoder::Load(const Weights& weights, size_t width) {
  const Result<ImageConfig> config = ReadConfig(weights);
  if (!config) return config.error();
  Result<std::vector<float>> values = ReadValues(weights, config->channels);
  if (!values) return values.error();
  const Result<double> epsilon = weights.Number("rill.norm_epsilon", 0, 1);
  if (!epsilon) return epsilon.error();
  const Result<int64_t> count = weights.Integer("rill.image.stages", 1, kMostStages);
  if (!count) return count.error();
  const size_t stage_count = static_cast<size_t>(*count);
  const auto channels =
      ReadStages(weights, "rill.image.stage_channels", stage_count, 1, kMostChannels);
  if (!channels) return channels.error();
  const auto strides = ReadStages(weights, "rill.image.stage_strides", stage_count, 1, 3);
  if (!strides) return strides.error();
  const auto blocks = ReadStages(weights, "rill.image.stage_blocks", stage_count, 0, kMostBlocks);
  if (!blocks) return blocks.error();
  const auto inner = ReadStages(weights, "rill.image.stage_inner", stage_count, 1, kMostChannels);
  if (!inner) return inner.error();

  std::vector<Stage> stages;
  Conv2d::Shape shape{.height = config->height,
                      .width = config->width,
                      .channels_in = config->channels,
                      .channels_out = config->channels};
  for (size_t i = 0; i < stage_count; ++i) {
    shape.channels_in = shape.channels_out;
    shape.channels_out = (*channels)[i];
    shape.stride = (*strides)[i];
    Result<Stage> stage = LoadStage(weights, "image.stage." + std::to_string(i), shape,
                                    (*blocks)[i], (*inner)[i], static_cast<float>(*epsilon));
    if (!stage) return stage.error();
    shape.height = stage->conv.rows_out();
    shape.width = stage->conv.columns_out();
    stages.push_back(std::move(*stage));
  }
  Result<RmsNorm> norm =
      RmsNorm::Load(weights, "image.norm", shape.channels_out, static_cast<float>(*epsilon));
  if (!norm) return norm.error();
  Result<Linear> embed =
      Linear::Load(weights, "image.embed", width, shape.channels_out, Bias::kPresent);
  if (!embed) return embed.error();
  ImageEncoder encoder(*config, std::move(*values), std::move(stages), std::move(*norm),
                       std::move(*embed));
  if (encoder.ScratchFloats() > kMostScratch)
    return weights.Complain(
        "pictures of " + std::to_string(config->width) + " x " + std::to_string(config->height) +
        " need " + std::to_string(encoder.ScratchFloats() * sizeof(float)) +
        " bytes in these stages, " + std::to_string(kMostScratch * sizeof(float)) + " is the most");
  return encoder;
}

size_t ImageEncoder::MostFloats() const {
  size_t most = config_.height * config_.width * config_.channels;
  for (const Stage& stage : stages_) most = std::max(most, stage.floats());
  return most;
}

size_t ImageEncoder::ScratchFloats() const {
  size_t inside = 0;
  for (const Stage& stage : stages_) {
    inside = std::max(inside, stage.conv.ScratchFloats());
    for (const Block& block : stage.blocks)
      inside =
          std::max(inside, stage.floats() + std::max(block.mixer.ScratchFloats(),
                                                     block.swiglu.ScratchFloats(stage.pixels())));
  }
  return 2 * MostFloats() + embed_.inputs() + inside;
}

void ImageEncoder::Run(const uint8_t* pixels, size_t stride, Scratch& scratch,
                       std::span<float> embedding) const {
  Scratch::Frame frame(scratch);
  const size_t most = MostFloats();
  View<float> buffers[2] = {frame.Take(1, most), frame.Take(1, most)};
  View<float> x{buffers[0].data, config_.height * config_.width, config_.channels};
  float* to = x.data;
  for (size_t row = 0; row < config_.height; ++row) {
    const uint8_t* from = pixels + row * stride;
    for (size_t column = 0; column < config_.width; ++column)
      for (size_t c = 0; c < config_.channels; ++c) *to++ = values_[c * kByteValues + *from++];
  }
  for (size_t i = 0; i < stages_.size(); ++i) {
    const Stage& stage = stages_[i];
    const View<float> y{buffers[(i + 1) % 2].data, stage.pixels(), stage.conv.shape().channels_out};
    stage.conv.Run(x, scratch, y);
    Silu(y.flat(), y.flat());
    for (const Block& block : stage.blocks) {
      Scratch::Frame inner(scratch);
      const View<float> mixed = inner.Take(y.rows, y.columns);
      block.norm.Run(y, mixed);
      block.mixer.Run(mixed, scratch, mixed);
      AddInto(mixed.flat(), y.flat());
      block.mlp_norm.Run(y, mixed);
      block.swiglu.Run(mixed, scratch, mixed);
      AddInto(mixed.flat(), y.flat());
    }
    x = y;
  }
  norm_.Run(x, x);
  const std::span<float> mean = frame.Take(1, x.columns)[0];
  std::ranges::fill(mean, 0.0f);
  for (size_t pixel = 0; pixel < x.rows; ++pixel) AddInto(x[pixel], mean);
  for (float& value : mean) value /= static_cast<float>(x.rows);
  embed_.Step(mean, embedding);
}

}  // namespace rill

// A picture in, one embedding out.
//
//   pixels -> (pixel / 255 - mean) / deviation
//          -> for each stage: silu(conv2d), then blocks of
//               x <- x + short_conv2d(rms_norm(x))
//               x <- x + swiglu(rms_norm(x))
//          -> mean over the picture of rms_norm(x) -> embed
//
//   pixels     [height, width, channels]  bytes, rows apart by a stride
//   embedding  [width of the backbone]    float32
//
// A picture's embedding depends on nothing but its pixels: what came before is the backbone's to
// know. Tensors: docs/model-format.md, encoder `image`.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "operators/conv2d.h"
#include "operators/norm.h"
#include "operators/short_conv2d.h"
#include "operators/swiglu.h"

namespace rill {

// How a picture of another shape becomes one of the model's.
enum class ImageFit { kStretch, kLetterbox, kCrop };

struct ImageConfig {
  size_t height = 0, width = 0, channels = 0;  // 1: grey, 3: red, green, blue
  ImageFit fit = ImageFit::kStretch;
};

// Immutable after loading; any number of streams and threads may share one.
class ImageEncoder {
 public:
  static Result<ImageEncoder> Load(const Weights& weights, size_t width);

  const ImageConfig& config() const { return config_; }
  size_t width() const { return embed_.outputs(); }
  size_t ScratchFloats() const;

  // `pixels`: the first of config().height rows, each `stride` bytes after the one before.
  void Run(const uint8_t* pixels, size_t stride, Scratch& scratch,
           std::span<float> embedding) const;

 private:
  struct Block {
    RmsNorm norm;
    ShortConv2d mixer;
    RmsNorm mlp_norm;
    Swiglu swiglu;
  };
  struct Stage {
    Conv2d conv;
    std::vector<Block> blocks;

    size_t pixels() const { return conv.rows_out() * conv.columns_out(); }
    size_t floats() const { return pixels() * conv.shape().channels_out; }
  };

  ImageEncoder(const ImageConfig& config, std::vector<float> values, std::vector<Stage> stages,
               RmsNorm norm, Linear embed)
      : config_(config),
        values_(std::move(values)),
        stages_(std::move(stages)),
        norm_(std::move(norm)),
        embed_(std::move(embed)) {}

  // Of the picture and of what every stage makes of it, the largest.
  size_t MostFloats() const;

  static Result<ImageConfig> ReadConfig(const Weights& weights);
  static Result<std::vector<float>> ReadValues(const Weights& weights, size_t channels);
  static Result<Stage> LoadStage(const Weights& weights, const std::string& name,
                                 const Conv2d::Shape& shape, size_t blocks, size_t inner,
                                 float epsilon);

  ImageConfig config_;
  std::vector<float> values_;  // [channels, 256]: what each byte stands for
  std::vector<Stage> stages_;
  RmsNorm norm_;
  Linear embed_;
};

}  // namespace rill

// Samples of audio in, log-mel frames out.
//
// A window of samples (framer.h) loses its mean, is emphasised and tapered; its power spectrum is
// gathered in triangles that are evenly spaced on the mel scale:
//
//   x[i] <- x[i] - mean(x)
//   x[i] <- x[i] - emphasis x[i-1],   x[0] <- (1 - emphasis) x[0]
//   x[i] <- x[i] (0.5 - 0.5 cos(2 pi i / (length - 1)))^0.85
//   P[k] =  |FFT(x, padded with zeros to fft)[k]|^2,   k = 0 ... fft / 2 - 1
//   y[m] =  (log(max(sum_k w[m,k] P[k], 2^-23)) - mean[m]) / deviation[m]
//
// w[m,k] rises linearly in mel(f_k) from the left edge of triangle m to its centre and falls to its
// right edge; mel(f) = 1127 log(1 + f / 700); the edges of all triangles divide [low, high] evenly.
//
//   samples   [-1, 1], float32
//   frame     [bins]   float32
//
// Source: Kaldi feat/feature-window.cc and feat/mel-computations.cc (fbank, Povey window, no
// dither), with windows that end at their hop instead of being centred on it.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "modalities/framer.h"
#include "operators/core/result.h"
#include "operators/core/weights.h"

namespace rill {

struct MelConfig {
  size_t rate_hz = 16000;
  size_t window = 400, hop = 160;  // samples
  size_t bins = 80;
  double low_hz = 20, high_hz = 7600;
  double emphasis = 0.97;
};

// Immutable after loading; any number of streams and threads may share one.
class AudioMel {
 public:
  // Bounds on what a model file may ask for.
  static constexpr size_t kMostWindow = 4096, kMostBins = 256;

  // Keys rill.audio.*, tensors audio.mean and audio.deviation [bins].
  static Result<AudioMel> Load(const Weights& weights);
  // Without normalisation: mean 0, deviation 1. An error where the numbers make no sense.
  static Result<AudioMel> Make(const MelConfig& config);

  const MelConfig& config() const { return config_; }

  // One complete window to one frame.
  void Run(std::span<const float> window, std::span<float> frame) const;

 private:
  struct Transform;  // FFTW's plan
  struct Triangle {
    size_t first = 0;             // of the spectrum
    std::vector<double> weights;  // from there on
  };

  explicit AudioMel(const MelConfig& config);

  MelConfig config_;
  size_t fft_ = 0;  // samples, a power of two
  std::vector<double> taper_;
  std::vector<Triangle> triangles_;
  std::vector<float> mean_, inverse_deviation_;
  std::shared_ptr<const Transform> transform_;
};

}  // namespace rill

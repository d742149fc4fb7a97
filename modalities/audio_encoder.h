// Samples of audio in, one embedding a frame out.
//
//   samples -> log-mel frames (audio_mel.h)
//           -> silu(conv1) -> silu(conv2)   causal_conv2d, 3 x 3, stride 2 in time and frequency
//           -> embed                        a matrix over bins and channels
//
//   samples    [-1, 1], float32, one channel at rate()
//   embedding  [width]  float32, one for every hop() samples
//
// Embedding t sees samples up to hop() (t + 1) and none after. Tensors: docs/model-format.md,
// encoder `audio`.
#pragma once

#include <cstddef>
#include <span>

#include "modalities/audio_mel.h"
#include "operators/causal_conv2d.h"

namespace rill {

// Immutable after loading; any number of streams and threads may share one.
class AudioEncoder {
 public:
  static Result<AudioEncoder> Load(const Weights& weights, size_t width);

  size_t rate() const { return mel_.config().rate_hz; }
  size_t hop() const { return mel_.config().hop * conv1_.stride() * conv2_.stride(); }
  size_t width() const { return embed_.outputs(); }
  const MelConfig& config() const { return mel_.config(); }
  const StateLayout& layout() const { return layout_; }  // of one lane
  size_t ScratchFloats() const;

  struct Taken {
    size_t samples = 0;     // of those offered
    bool complete = false;  // the embedding has been written
  };
  // Takes samples up to the end of the next embedding.
  Taken Take(std::span<const float> samples, Lane lane, Scratch& scratch,
             std::span<float> embedding) const;
  // Samples taken so far.
  int64_t position(Lane lane) const { return lane.Integers(position_)[0]; }
  // Samples that the next embedding still lacks; hop() when none has been taken for it.
  size_t Missing(Lane lane) const;
  // Whether the counters in a lane are such as samples can lead to, and all numbers finite. For
  // states that come from outside.
  Result<void> Check(Lane lane) const;

 private:
  AudioEncoder(AudioMel mel, Framer framer, CausalConv2d conv1, CausalConv2d conv2, Linear embed,
               StateLayout layout)
      : mel_(std::move(mel)),
        framer_(framer),
        conv1_(std::move(conv1)),
        conv2_(std::move(conv2)),
        embed_(std::move(embed)),
        layout_(std::move(layout)),
        position_(layout_.Add("audio.position", 1, ElementType::kInt64)) {}

  AudioMel mel_;
  Framer framer_;
  CausalConv2d conv1_, conv2_;
  Linear embed_;
  StateLayout layout_;
  Slot position_;
};

}  // namespace rill

#include "modalities/audio_encoder.h"

#include <algorithm>
#include <string>

namespace rill {

Result<AudioEncoder> AudioEncoder::Load(const Weights& weights, size_t width) {
  constexpr int64_t kMostChannels = 1 << 12;
  Result<AudioMel> mel = AudioMel::Load(weights);
  if (!mel) return mel.error();
  const Result<int64_t> count = weights.Integer("rill.audio.channels", 1, kMostChannels);
  if (!count) return count.error();
  const size_t channels = static_cast<size_t>(*count), bins = mel->config().bins;
  StateLayout layout;
  const Framer framer(mel->config().window, mel->config().hop, "audio", layout);
  Result<CausalConv2d> conv1 =
      CausalConv2d::Load(weights, "audio.conv1", {.bins = bins, .channels_out = channels}, layout);
  if (!conv1) return conv1.error();
  Result<CausalConv2d> conv2 = CausalConv2d::Load(
      weights, "audio.conv2",
      {.bins = bins / conv1->stride(), .channels_in = channels, .channels_out = channels}, layout);
  if (!conv2) return conv2.error();
  Result<Linear> embed =
      Linear::Load(weights, "audio.embed", width, conv2->outputs(), Bias::kPresent);
  if (!embed) return embed.error();
  return AudioEncoder(std::move(*mel), framer, std::move(*conv1), std::move(*conv2),
                      std::move(*embed), std::move(layout));
}

size_t AudioEncoder::ScratchFloats() const {
  return mel_.config().bins + conv1_.outputs() + conv2_.outputs() +
         std::max(conv1_.ScratchFloats(), conv2_.ScratchFloats());
}

AudioEncoder::Taken AudioEncoder::Take(std::span<const float> samples, Lane lane, Scratch& scratch,
                                       std::span<float> embedding) const {
  Scratch::Frame frame(scratch);
  const std::span<float> mel = frame.Take(1, mel_.config().bins)[0];
  const std::span<float> first = frame.Take(1, conv1_.outputs())[0];
  const std::span<float> second = frame.Take(1, conv2_.outputs())[0];
  Taken taken;
  while (taken.samples < samples.size()) {
    taken.samples += framer_.Take(samples.subspan(taken.samples), lane);
    if (!framer_.IsComplete(lane)) break;
    mel_.Run(framer_.Window(lane), mel);
    framer_.Next(lane);
    if (!conv1_.Step(mel, lane, scratch, first)) continue;
    Silu(first, first);
    if (!conv2_.Step(first, lane, scratch, second)) continue;
    Silu(second, second);
    embed_.Step(second, embedding);
    taken.complete = true;
    break;
  }
  lane.Integers(position_)[0] += static_cast<int64_t>(taken.samples);
  return taken;
}

size_t AudioEncoder::Missing(Lane lane) const {
  const size_t windows = conv1_.Missing(lane) + conv1_.stride() * (conv2_.Missing(lane) - 1);
  return framer_.Missing(lane) + framer_.hop() * (windows - 1);
}

Result<void> AudioEncoder::Check(Lane lane) const {
  const std::string slot = FindNonFinite(layout_, lane);
  if (!slot.empty()) return Error{"the state " + slot + " is not finite"};
  // A complete window is passed at once: none is ever kept.
  constexpr int64_t kMostSamples = int64_t{1} << 60;
  if (position(lane) < 0 || position(lane) > kMostSamples)
    return Error{"the audio encoder stands at sample " + std::to_string(position(lane))};
  if (!framer_.IsSound(lane) || framer_.IsComplete(lane) || !conv1_.IsSound(lane) ||
      !conv2_.IsSound(lane))
    return Error{"a counter of the audio encoder is out of its range"};
  return {};
}

}  // namespace rill

// Sound of anything that GStreamer can decode, as mono samples.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "pipeline/model.h"  // Result

namespace rill {

class AudioReader {
 public:
  // A file, - for the standard input.
  static Result<AudioReader> OpenFile(const std::string& path, size_t rate_hz);
  // The machine's microphone, or whatever a description in the language of gst-launch-1.0 gives.
  static Result<AudioReader> OpenLive(const std::string& source, size_t rate_hz);

  AudioReader(AudioReader&&) noexcept;
  AudioReader& operator=(AudioReader&&) noexcept;
  ~AudioReader();

  // The next samples, valid until the next call; none at the end, or when the user has interrupted.
  // Waits for a live source.
  Result<std::optional<std::span<const float>>> Next();
  // Time of the first sample: a container may begin with silence that it does not hold. 0 before
  // the first Next().
  double offset_seconds() const;
  // What a source says about its length; 0 when it does not.
  double seconds() const;

 private:
  struct Source;
  explicit AudioReader(std::unique_ptr<Source> source);

  std::unique_ptr<Source> source_;
};

}  // namespace rill

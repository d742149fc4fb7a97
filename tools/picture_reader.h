// Pictures of anything that GStreamer can decode: one of a photograph, many of a video.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "pipeline/classifier.h"  // Picture

namespace rill {

struct TimedPicture {
  Picture picture;  // its pixels are the reader's
  std::optional<uint64_t> time_ns;
};

class PictureReader {
 public:
  // A file, - for the standard input.
  static Result<PictureReader> OpenFile(const std::string& path);
  // The machine's camera, or whatever a description in the language of gst-launch-1.0 gives.
  static Result<PictureReader> OpenLive(const std::string& source);

  PictureReader(PictureReader&&) noexcept;
  PictureReader& operator=(PictureReader&&) noexcept;
  ~PictureReader();

  // The next picture, valid until the next call; none at the end, or when the user has interrupted.
  // Those that the decoder marks as corrupted are passed over and counted.
  Result<std::optional<TimedPicture>> Next();
  size_t corrupted() const;
  // Whether the error of Next() was that the file holds something else.
  bool HoldsNone() const;
  // What the source says about its length; 0 when it does not.
  double seconds() const;

 private:
  struct Source;
  explicit PictureReader(std::unique_ptr<Source> source);

  std::unique_ptr<Source> source_;
};

}  // namespace rill

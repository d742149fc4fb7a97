// A pipeline of GStreamer's that decodes something and gives buffers one by one.
#pragma once

#include <gst/gst.h>

#include <memory>
#include <string>

#include "pipeline/model.h"  // Result

namespace rill {

class MediaPipeline {
 public:
  // What comes out of a file, - for the standard input, or of whatever else a description in the
  // language of gst-launch-1.0 gives, behind `converters`, which end in caps. A live source that
  // nobody keeps up with loses its oldest buffers, all but `kept`; others wait. `wanted` is for the
  // error of a file in which nothing suits the converters: "a.wav: holds no picture".
  static Result<MediaPipeline> OpenFile(const std::string& path, const std::string& converters,
                                        const std::string& wanted);
  static Result<MediaPipeline> OpenLive(const std::string& source, const std::string& name,
                                        const std::string& converters, size_t kept);

  MediaPipeline(MediaPipeline&&) noexcept;
  MediaPipeline& operator=(MediaPipeline&&) noexcept;
  ~MediaPipeline();

  // The next buffer with its caps, valid until the next call; null at the end, or when the user has
  // interrupted. Waits for a live source.
  Result<GstSample*> Next();
  // Whether the error of Next() was that nothing in the file suits the converters.
  bool HoldsNone() const;
  const std::string& name() const;
  // What the source says about its length, in seconds; 0 when it does not.
  double seconds() const;

 private:
  struct Pipeline;
  explicit MediaPipeline(std::unique_ptr<Pipeline> pipeline);
  static Result<MediaPipeline> Open(const std::string& description, const std::string& name,
                                    const std::string& location = "",
                                    const std::string& wanted = "");

  std::unique_ptr<Pipeline> pipeline_;
};

}  // namespace rill

// Pictures as files, by GStreamer's encoders: OpenCV's would load forty megabytes of map formats.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "pipeline/model.h"  // Result

namespace rill {

// `bgr`: height rows of width pixels, three bytes each, nothing between the rows. The file's ending
// chooses the format: .png, .jpg or .jpeg.
Result<void> WriteImage(const std::string& path, std::span<const uint8_t> bgr, size_t width,
                        size_t height);

}  // namespace rill

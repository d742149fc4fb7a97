// The caps of every stream between elements: one tensor a buffer, as NNStreamer writes them.
//
//   other/tensors,format=static,num_tensors=1,types=float32,dimensions=D:C:1:1,framerate=n/d
//
// Dimensions stand innermost first. A framerate of 0/1 is an irregular stream: its buffers carry
// their time. Three fields of our own may follow, unknown to others and harmless there:
//
//   lfm-space    what the numbers mean, "<fingerprint>/embedding" or "<fingerprint>/hidden"
//   modality     where they came from: sensor, audio, image, text
//   lfm-columns  the names of the channels C, as an array of strings
//
// | stream              | type    | dimensions | fields                |
// | rows of sensors     | float64 | C:1:1:1    | modality, lfm-columns |
// | embeddings, hidden  | float32 | D:C:1:1    | all three             |
// | forecasts           | float32 | Q:H:C:1    | all three             |
//
// Forecasts have the space "<fingerprint>/forecast".
//
// Source: nnstreamer gst/nnstreamer/include/tensor_typedef.h (the caps grammar).
#pragma once

#include <gst/gst.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "operators/core/result.h"

namespace rill {

enum class TensorElement { kFloat32, kFloat64 };

struct TensorCaps {
  TensorElement type = TensorElement::kFloat32;
  std::array<uint32_t, 4> dimensions = {1, 1, 1, 1};  // innermost first, each at least 1
  int framerate_numerator = 0;                        // 0/1: irregular
  int framerate_denominator = 1;
  std::string lfm_space = {};             // empty: no such field
  std::string modality = {};              // empty: no such field
  std::vector<std::string> columns = {};  // empty: no such field, else Channels() names

  size_t Channels() const;  // C, by the kind of stream that lfm-space tells
  size_t Elements() const;  // in one buffer
  size_t Bytes() const;     // of one buffer
  bool operator==(const TensorCaps&) const = default;
};

// For pad templates: what our elements send, and what they read (NNStreamer's source pads prefer
// the older singular form, so sink pads accept both).
inline constexpr char kFloat32TensorCaps[] =
    "other/tensors, format=(string)static, num_tensors=(int)1, types=(string)float32, "
    "framerate=(fraction)[0/1, max]";
inline constexpr char kFloat64TensorCaps[] =
    "other/tensors, format=(string)static, num_tensors=(int)1, types=(string)float64, "
    "framerate=(fraction)[0/1, max]";
inline constexpr char kAnyTensorCaps[] =
    "other/tensors, format=(string)static, num_tensors=(int)1, "
    "types=(string){ float64, float32 }, framerate=(fraction)[0/1, max]; "
    "other/tensor, type=(string){ float64, float32 }, framerate=(fraction)[0/1, max]";

// Fixed caps in the plural form; the caller owns them.
GstCaps* ToGstCaps(const TensorCaps& tensor);

// Reads fixed caps of either form, or says what in them cannot be read.
Result<TensorCaps> ParseTensorCaps(const GstCaps* caps);

}  // namespace rill

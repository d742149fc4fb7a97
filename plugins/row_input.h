// Rows of values with their times, from the buffers of a sensor stream.
//
//   other/tensors, other/tensor   C:1:1:1 float64 or float32; a buffer is a row
//   audio/x-raw                   F32LE interleaved; every sample of the C channels is a row
//
// A row's time is the buffer's meta timestamp/x-unix, else its PTS; samples count on from there
// exactly (sample_clock.h). A buffer flagged GAP holds rows of missing values.
#pragma once

#include <gst/gst.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "modalities/row_options.h"
#include "operators/core/result.h"
#include "pipeline/sample_clock.h"

namespace rill {

inline constexpr char kRowCaps[] =
    "audio/x-raw, format=(string)F32LE, layout=(string)interleaved, rate=(int)[1, max], "
    "channels=(int)[1, max]";

// What became of the rows of a stream.
struct RowInputStats {
  guint64 rows = 0;  // taken
  guint64 bad_rows = 0;
  guint64 skipped_rows = 0;  // seen before the snapshot that the stream goes on from
  guint64 frames = 0;        // sent
};
GstStructure* ToStructure(const RowInputStats& stats);

class RowInput {
 public:
  struct Row {
    GstClockTime pts = 0;
    int64_t time_ns = 0;
    std::span<const double> values;  // one a channel; valid until the next Load
  };

  static Result<RowInput> Open(const GstCaps* caps);

  size_t channels() const { return channels_; }
  const std::vector<std::string>& columns() const { return columns_; }
  // Whether times are absolute: the last buffer had the meta.
  bool absolute() const { return unix_ahead_ns_.has_value(); }

  // Takes in a buffer's rows; then Next() until it returns false.
  Result<void> Load(GstBuffer* buffer);
  bool Next(Row& row);

 private:
  RowInput() = default;

  enum class Kind { kFloat64, kFloat32, kAudio };

  Kind kind_ = Kind::kFloat64;
  size_t channels_ = 0;
  std::vector<std::string> columns_;
  std::optional<SampleClock> clock_;      // of audio
  std::vector<double> values_;            // [rows, channels]
  size_t next_ = 0;                       // row of values_
  GstClockTime pts_ = 0;                  // of the buffer
  std::optional<int64_t> unix_ahead_ns_;  // absolute time minus PTS
};

// Rows of a stream that could not be taken.
class RefusedRows {
 public:
  // Fails the element or skips the row, as told; the first that is skipped is warned of.
  GstFlowReturn Refuse(GstElement* element, const Error& error, BadRow policy);
  // At the end of a stream of which no row was taken.
  void FailIfAny(GstElement* element) const;

 private:
  std::string last_error_;  // empty: none was skipped
};

}  // namespace rill

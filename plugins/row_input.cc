#include "plugins/row_input.h"

#include <cstdlib>
#include <cstring>
#include <limits>

#include "plugins/element.h"
#include "plugins/frame_meta.h"
#include "plugins/tensor_caps.h"

namespace rill {
namespace {

// Appends the values of type T that the bytes hold.
template <typename T>
void Append(std::span<const std::byte> bytes, std::vector<double>& to) {
  for (size_t at = 0; at + sizeof(T) <= bytes.size(); at += sizeof(T)) {
    T value = 0;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    to.push_back(static_cast<double>(value));
  }
}

}  // namespace

GstStructure* ToStructure(const RowInputStats& stats) {
  return gst_structure_new("stats", "rows", G_TYPE_UINT64, stats.rows, "bad-rows", G_TYPE_UINT64,
                           stats.bad_rows, "skipped-rows", G_TYPE_UINT64, stats.skipped_rows,
                           "frames", G_TYPE_UINT64, stats.frames, nullptr);
}

Result<RowInput> RowInput::Open(const GstCaps* caps) {
  RowInput input;
  const GstStructure* fields = gst_caps_get_structure(caps, 0);
  if (gst_structure_has_name(fields, "audio/x-raw")) {
    int channels = 0, rate_hz = 0;
    if (!gst_structure_get_int(fields, "channels", &channels) || channels < 1 ||
        !gst_structure_get_int(fields, "rate", &rate_hz) || rate_hz < 1)
      return Error{"audio caps have " + std::to_string(channels) + " channels at " +
                   std::to_string(rate_hz) + " Hz, at least 1 of both is needed"};
    input.kind_ = Kind::kAudio;
    input.channels_ = static_cast<size_t>(channels);
    input.clock_.emplace(rate_hz);
    return input;
  }
  const Result<TensorCaps> tensor = ParseTensorCaps(caps);
  if (!tensor) return tensor.error();
  if (!tensor->lfm_space.empty())
    return Error{"frames of \"" + tensor->lfm_space + "\" were offered, the encoder takes rows"};
  const std::array<uint32_t, 4>& n = tensor->dimensions;
  if (n[1] != 1 || n[2] != 1 || n[3] != 1)
    return Error{"a buffer of " + std::to_string(n[0]) + ":" + std::to_string(n[1]) + ":" +
                 std::to_string(n[2]) + ":" + std::to_string(n[3]) +
                 " values was offered, the encoder takes one row of C:1:1:1"};
  input.kind_ = tensor->type == TensorElement::kFloat64 ? Kind::kFloat64 : Kind::kFloat32;
  input.channels_ = n[0];
  input.columns_ = tensor->columns;
  return input;
}

Result<void> RowInput::Load(GstBuffer* buffer) {
  const size_t row_bytes = channels_ * (kind_ == Kind::kFloat64 ? sizeof(double) : sizeof(float));
  const MappedBuffer map(buffer, GST_MAP_READ);
  if (!map) return Error{"a buffer of rows cannot be mapped"};
  const size_t bytes = map.bytes().size();
  if (kind_ == Kind::kAudio ? bytes % row_bytes != 0 : bytes != row_bytes)
    return Error{"a buffer has " + std::to_string(bytes) + " bytes, a row of " +
                 std::to_string(channels_) + " channels has " + std::to_string(row_bytes)};
  pts_ = GST_BUFFER_PTS(buffer);
  const std::optional<int64_t> unix_ns = UnixTime(buffer);
  if (!GST_CLOCK_TIME_IS_VALID(pts_) && !(clock_ && clock_->started()))
    return Error{"a row has no time: its buffer has no PTS"};
  if (clock_ && GST_CLOCK_TIME_IS_VALID(pts_)) clock_->Align(static_cast<int64_t>(pts_));
  if (!clock_) unix_ahead_ns_.reset();
  if (unix_ns && GST_CLOCK_TIME_IS_VALID(pts_)) {
    constexpr int64_t kRoundingNs = 1;
    const int64_t ahead = *unix_ns - static_cast<int64_t>(pts_);
    if (!unix_ahead_ns_ || std::abs(ahead - *unix_ahead_ns_) > kRoundingNs) unix_ahead_ns_ = ahead;
  }

  next_ = 0;
  values_.clear();
  if (kind_ == Kind::kFloat64) Append<double>(map.bytes(), values_);
  if (kind_ != Kind::kFloat64) Append<float>(map.bytes(), values_);
  if (GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP))
    values_.assign(values_.size(), std::numeric_limits<double>::quiet_NaN());
  return {};
}

bool RowInput::Next(Row& row) {
  if ((next_ + 1) * channels_ > values_.size()) return false;
  row.pts = clock_ ? static_cast<GstClockTime>(clock_->Next()) : pts_;
  row.time_ns = static_cast<int64_t>(row.pts) + unix_ahead_ns_.value_or(0);
  row.values = std::span(values_).subspan(next_++ * channels_, channels_);
  return true;
}

GstFlowReturn RefusedRows::Refuse(GstElement* element, const Error& error, BadRow policy) {
  if (policy == BadRow::kError) return Fail(element, GST_STREAM_ERROR_DECODE, error);
  if (last_error_.empty())
    GST_ELEMENT_WARNING(element, STREAM, DECODE, ("a row was skipped: %s", error.message.c_str()),
                        ("further ones are counted in the property stats"));
  last_error_ = error.message;
  return GST_FLOW_OK;
}

void RefusedRows::FailIfAny(GstElement* element) const {
  if (last_error_.empty()) return;
  Fail(element, GST_STREAM_ERROR_DECODE,
       {"not one row could be taken, the last for this: " + last_error_});
}

}  // namespace rill

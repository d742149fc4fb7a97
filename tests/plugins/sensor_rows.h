// Rows for the sensor elements' tests, and what a Session makes of them.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/session.h"
#include "tests/plugins/harness.h"
#include "tests/support/random.h"

namespace rill::testing {

// P = 4, H = 6, D = 16; every kind of block.
inline const std::string kModelPath = RILL_SOURCE_DIR "/tests/goldens/sensor_model.gguf";
inline const std::string kModelProperty = " model-path=" + kModelPath + " ";
constexpr size_t kPatch = 4, kMostHorizon = 6, kWidth = 16;
constexpr int64_t kSecondNs = 1'000'000'000;

inline std::string EncoderElement(const std::string& properties = "") {
  return "lfmsensorenc" + kModelProperty + properties;
}
inline std::string BackboneElement(const std::string& properties = "") {
  return "lfmbackbone" + kModelProperty + properties;
}
inline std::string HeadElement(const std::string& properties = "") {
  return "lfmforecast" + kModelProperty + properties;
}
inline std::string ChainElements(const std::string& encoder, const std::string& head = "") {
  return EncoderElement(encoder) + " ! " + BackboneElement() + " ! " + HeadElement(head);
}

inline std::string RowCaps(size_t channels, const std::string& more = "") {
  return "other/tensors,format=static,num_tensors=1,types=float64,dimensions=(string)" +
         std::to_string(channels) + ":1:1:1,framerate=(fraction)0/1,modality=sensor" + more;
}

struct SensorRow {
  int64_t time_ns = 0;  // from the first row on
  std::vector<double> values;
};

// About one row a second: jitter, absent rows, a long silence, missing values, a level shift.
inline std::vector<SensorRow> MakeRows(size_t count, size_t channels, uint64_t seed) {
  Random random(seed);
  std::vector<SensorRow> rows;
  int64_t time_ns = 0;
  for (size_t i = 0; i < count; ++i) {
    SensorRow row{time_ns, {}};
    for (size_t c = 0; c < channels; ++c) {
      const double level = i > count / 2 ? 40.0 : 10.0;
      const double value =
          level + static_cast<double>(c) + 5 * std::sin(0.3 * i) + random.Uniform(-1, 1);
      row.values.push_back(random.Below(9) == 0 ? std::numeric_limits<double>::quiet_NaN() : value);
    }
    rows.push_back(std::move(row));
    time_ns += kSecondNs + static_cast<int64_t>(random.Below(50'000'000));
    if (random.Below(7) == 0) time_ns += 3 * kSecondNs;
    if (i == count / 3) time_ns += 100 * kSecondNs;
  }
  return rows;
}

inline GstFlowReturn PushRow(Harness& harness, const SensorRow& row,
                             std::optional<int64_t> start_ns = std::nullopt, guint flags = 0) {
  GstBuffer* buffer = gst_buffer_new_memdup(row.values.data(), row.values.size() * sizeof(double));
  GST_BUFFER_PTS(buffer) = static_cast<GstClockTime>(row.time_ns);
  GST_BUFFER_FLAG_SET(buffer, flags);
  if (start_ns) {
    GstCaps* caps = gst_caps_new_empty_simple("timestamp/x-unix");
    gst_buffer_add_reference_timestamp_meta(
        buffer, caps, static_cast<GstClockTime>(*start_ns + row.time_ns), GST_CLOCK_TIME_NONE);
    gst_caps_unref(caps);
  }
  return gst_harness_push(harness.get(), buffer);
}

inline void PushRows(Harness& harness, std::span<const SensorRow> rows,
                     std::optional<int64_t> start_ns = std::nullopt) {
  for (const SensorRow& row : rows) ASSERT_EQ(PushRow(harness, row, start_ns), GST_FLOW_OK);
}

inline Session OpenSession(size_t channels, size_t every, size_t horizon = 0) {
  return *Session::Open(*Model::Shared(kModelPath),
                        {.channels = channels, .every = every, .horizon = horizon});
}

// Forecasts as the rows come, without one at the end.
inline std::vector<Forecast> Expect(Session& session, std::span<const SensorRow> rows,
                                    int64_t start_ns = 0) {
  std::vector<Forecast> forecasts;
  for (const SensorRow& row : rows) {
    const Result<void> pushed = session.Push(start_ns + row.time_ns, row.values);
    EXPECT_TRUE(pushed) << pushed.error().message;
    if (std::optional<Forecast> due = session.Pull()) forecasts.push_back(std::move(*due));
  }
  return forecasts;
}

// Bit for bit, with the times.
inline void ExpectSame(const std::vector<Frame>& got, const std::vector<Forecast>& want,
                       int64_t start_ns = 0) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(got[i].As<float>(), want[i].values) << "forecast " << i;
    EXPECT_EQ(static_cast<int64_t>(got[i].pts), want[i].last_ns - start_ns);
    EXPECT_EQ(static_cast<int64_t>(got[i].duration),
              want[i].step_ns * static_cast<int64_t>(want[i].horizon));
  }
}

inline GstEvent* OwnEvent(const char* name, guint id) {
  return gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM,
                              gst_structure_new(name, "id", G_TYPE_UINT, id, nullptr));
}

}  // namespace rill::testing

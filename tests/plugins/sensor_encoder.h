// What the encoder's tests compare with.
#pragma once

#include "pipeline/stages.h"
#include "tests/plugins/sensor_rows.h"

namespace rill::testing {

// Embeddings of the complete frames of the rows, and of the unfinished one if `drained`.
inline std::vector<std::vector<float>> FramesOf(std::span<const SensorRow> rows,
                                                bool drained = false) {
  SensorStage stage = *SensorStage::Open(*Model::Shared(kModelPath), rows[0].values.size());
  FrameBlock block(rows[0].values.size(), kWidth);
  std::vector<std::vector<float>> frames;
  for (const SensorRow& row : rows) {
    EXPECT_TRUE(stage.Push(row.time_ns, row.values));
    while (stage.Next(block)) frames.push_back(block.values);
  }
  if (drained && stage.Peek(block)) frames.push_back(block.values);
  return frames;
}

inline std::vector<std::vector<float>> Values(const std::vector<Frame>& frames) {
  std::vector<std::vector<float>> values;
  values.reserve(frames.size());
  for (const Frame& frame : frames) values.push_back(frame.As<float>());
  return values;
}

inline std::vector<SensorRow> Regular(size_t count) {
  std::vector<SensorRow> rows;
  for (size_t i = 0; i < count; ++i)
    rows.push_back({static_cast<int64_t>(i) * kSecondNs, {std::sin(0.7 * static_cast<double>(i))}});
  return rows;
}

// A count of the element's `stats`.
inline guint64 Count(Harness& harness, const char* name) {
  GstStructure* stats = nullptr;
  g_object_get(harness.Find("lfmsensorenc"), "stats", &stats, nullptr);
  guint64 count = 0;
  gst_structure_get_uint64(stats, name, &count);
  gst_structure_free(stats);
  return count;
}

}  // namespace rill::testing

// Rows, models and sessions for the tests of sessions.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "pipeline/session.h"
#include "tests/support/mini_model.h"
#include "tests/support/random.h"

namespace rill::testing {

constexpr int64_t kHour = 3'600'000'000'000;
inline const double kMissing = std::numeric_limits<double>::quiet_NaN();
inline const std::string kGoldens = RILL_SOURCE_DIR "/tests/goldens/";

inline std::shared_ptr<const Model> TinyModel(CachePrecision cache = CachePrecision::kFloat16) {
  return *Model::Load(kGoldens + "sensor_model.gguf", {.cache = cache});
}

struct TimedRow {
  int64_t time_ns;
  std::vector<double> values;
};

// Rows with jitter, absent rows, a long silence, missing values, a level shift and spikes.
inline std::vector<TimedRow> Rows(size_t count, size_t channels, uint64_t seed) {
  Random random(seed);
  std::vector<TimedRow> rows;
  int64_t time = 1'500'000'000'000'000'000;
  for (size_t t = 0; t < count; ++t) {
    time += kHour + static_cast<int64_t>(random.Uniform(-0.2, 0.2) * kHour);
    if (random.Below(5) == 0) time += kHour * static_cast<int64_t>(random.Below(4));
    if (t == count / 2) time += 1000 * kHour;
    TimedRow row{time, {}};
    for (size_t c = 0; c < channels; ++c) {
      double value = std::sin(static_cast<double>(t) / (3.0 + static_cast<double>(c))) +
                     random.Uniform(-0.3, 0.3);
      if (t > count / 3) value += 50;
      if (random.Below(40) == 0) value *= 1e6;
      row.values.push_back(random.Below(6) == 0 ? kMissing : value);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

inline Session Open(size_t channels, size_t every = 0) {
  auto session = Session::Open(TinyModel(), {channels, every, 0});
  EXPECT_TRUE(session) << session.error().message;
  return *session;
}

inline void PushAll(Session& session, std::span<const TimedRow> rows,
                    std::vector<float>* forecasts = nullptr) {
  for (const TimedRow& row : rows) {
    const Result<void> pushed = session.Push(row.time_ns, row.values);
    ASSERT_TRUE(pushed) << pushed.error().message;
    if (auto forecast = session.Pull(); forecast && forecasts != nullptr)
      forecasts->insert(forecasts->end(), forecast->values.begin(), forecast->values.end());
  }
}

// Full attention over at most three frames, of one row each.
inline std::shared_ptr<const Model> FullAttentionModel() {
  GgufBuilder builder = MiniModel("attention");
  for (const auto& [key, value] :
       {std::pair("heads", 1u), {"kv_heads", 1u}, {"head_width", 2u}, {"capacity", 3u}})
    builder.Key("rill.attention." + std::string(key), value);
  builder.Key("rill.attention.rope_base", 100.0f);
  for (const char* name : {"q_proj", "k_proj", "v_proj"})
    builder.Tensor("blk.0.attention." + std::string(name) + ".weight", {2, 1}, {1, 1});
  for (const char* name : {"q_norm", "k_norm"})
    builder.Tensor("blk.0.attention." + std::string(name) + ".weight", {2}, {1, 1});
  builder.Tensor("blk.0.attention.out_proj.weight", {1, 2}, {1, 1});
  static const std::vector<std::byte> bytes = builder.Bytes();
  return *Model::Load(*Weights::Parse(bytes, "full.gguf"));
}

// A session after four of 40 rows, whose state is finite, but which nothing can be added to.
inline std::vector<std::byte> NearlyInfinite() {
  constexpr float kLarge = 3e38f;
  Session session = Open(1);
  const std::vector<TimedRow> rows = Rows(40, 1, 3);
  PushAll(session, std::span(rows).first(4));
  Snapshot snapshot = *Snapshot::Parse(session.Save());
  const std::shared_ptr<const Model> model = TinyModel();
  for (const auto& [name, slot] : model->backbone().layout().entries())
    if (name == "blk.0.short_conv.history")
      for (size_t i = 0; i < slot.count; ++i)
        std::memcpy(snapshot.parts[1].bytes.data() + slot.offset_bytes + i * sizeof kLarge, &kLarge,
                    sizeof kLarge);
  return snapshot.Serialize();
}

}  // namespace rill::testing

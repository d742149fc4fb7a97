// Sessions over the tiny model of tests/goldens: against PyTorch, and against themselves in every
// arrangement.
#include "pipeline/session.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/fuzz/snapshot_fuzz.h"
#include "tests/support/allocations.h"
#include "tests/support/mini_model.h"
#include "tests/support/random.h"

namespace rill::testing {
namespace {

constexpr int64_t kHour = 3'600'000'000'000;
const double kMissing = std::numeric_limits<double>::quiet_NaN();
const std::string kGoldens = RILL_SOURCE_DIR "/tests/goldens/";

std::shared_ptr<const Model> TinyModel(CachePrecision cache = CachePrecision::kFloat16) {
  return *Model::Load(kGoldens + "sensor_model.gguf", cache);
}

struct TimedRow {
  int64_t time_ns;
  std::vector<double> values;
};

// Rows with jitter, absent rows, a long silence, missing values, a level shift and spikes.
std::vector<TimedRow> Rows(size_t count, size_t channels, uint64_t seed) {
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

Session Open(size_t channels, size_t every = 0) {
  auto session = Session::Open(TinyModel(), {channels, every, 0});
  EXPECT_TRUE(session) << session.error().message;
  return *session;
}

void PushAll(Session& session, std::span<const TimedRow> rows,
             std::vector<float>* forecasts = nullptr) {
  for (const TimedRow& row : rows) {
    const Result<void> pushed = session.Push(row.time_ns, row.values);
    ASSERT_TRUE(pushed) << pushed.error().message;
    if (auto forecast = session.Pull(); forecast && forecasts != nullptr)
      forecasts->insert(forecasts->end(), forecast->values.begin(), forecast->values.end());
  }
}

TEST(Session, AgreesWithPyTorch) {
  const auto golden = *Weights::Open(kGoldens + "sensor_model_golden.gguf");
  const auto values = [&](const std::string& name) {
    const Tensor& tensor = golden->tensors().at(name);
    std::vector<float> out(tensor.elements());
    ToFloat(tensor.type, tensor.bytes, out);
    return out;
  };
  const std::vector<float> rows = values("rows"), want = values("quantiles");
  const size_t channels = static_cast<size_t>(golden->tensors().at("rows").extents[0]);
  const size_t count = rows.size() / channels;
  auto session = Session::Open(TinyModel(CachePrecision::kFloat32), {channels, 0, 0});
  ASSERT_TRUE(session) << session.error().message;
  std::vector<float> got;
  for (size_t t = 0; t < count; ++t) {
    const std::vector<double> row(rows.begin() + static_cast<ptrdiff_t>(t * channels),
                                  rows.begin() + static_cast<ptrdiff_t>((t + 1) * channels));
    ASSERT_TRUE(session->Push(static_cast<int64_t>(t) * kHour, row));
    if (t + 5 < count) continue;
    const auto forecast = session->Peek(session->options().horizon);
    ASSERT_TRUE(forecast) << forecast.error().message;
    got.insert(got.end(), forecast->values.begin(), forecast->values.end());
  }
  ASSERT_EQ(got.size(), want.size());
  float largest = 0;
  for (const float value : want) largest = std::max(largest, std::fabs(value));
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_NEAR(got[i], want[i], 5e-5f * std::max(1.0f, largest))
        << i;  // four blocks, then the channel's scale
}

TEST(Session, PeekChangesNothing) {
  const auto rows = Rows(300, 3, 1);
  Session plain = Open(3), peeked = Open(3);
  for (const TimedRow& row : rows) {
    ASSERT_TRUE(plain.Push(row.time_ns, row.values));
    ASSERT_TRUE(peeked.Push(row.time_ns, row.values));
    ASSERT_TRUE(peeked.Peek(3));
  }
  EXPECT_EQ(plain.Save(), peeked.Save());
}

TEST(Session, EveryForecastEqualsAPeekAtItsRow) {
  const auto rows = Rows(100, 2, 2);
  Session every = Open(2, 7), peeked = Open(2);
  size_t seen = 0;
  for (const TimedRow& row : rows) {
    ASSERT_TRUE(every.Push(row.time_ns, row.values));
    ASSERT_TRUE(peeked.Push(row.time_ns, row.values));
    const auto forecast = every.Pull();
    ASSERT_EQ(forecast.has_value(), ++seen % 7 == 0);
    if (!forecast) continue;
    EXPECT_EQ(forecast->values, peeked.Peek(every.options().horizon)->values);
    EXPECT_EQ(forecast->position, static_cast<int64_t>(seen));
    EXPECT_EQ(forecast->last_ns, row.time_ns);
  }
  ASSERT_TRUE(every.Finish());
  EXPECT_TRUE(every.Pull().has_value()) << "two rows came after the last forecast";
  ASSERT_TRUE(every.Finish());
  EXPECT_FALSE(every.Pull().has_value());
}

TEST(Session, QuantilesAscendAndAreFinite) {
  Session session = Open(2, 5);
  for (const TimedRow& row : Rows(400, 2, 3)) {
    ASSERT_TRUE(session.Push(row.time_ns, row.values));
    const auto forecast = session.Pull();
    if (!forecast) continue;
    for (size_t c = 0; c < 2; ++c)
      for (size_t h = 0; h < forecast->horizon; ++h) {
        const auto step = forecast->at(c, h);
        EXPECT_TRUE(std::is_sorted(step.begin(), step.end()));
        for (const float value : step) EXPECT_TRUE(std::isfinite(value));
      }
  }
}

TEST(Session, ChannelsAreIndependent) {
  const auto rows = Rows(200, 5, 4);
  Session together = Open(5);
  PushAll(together, rows);
  const auto all = *together.Peek(6);
  for (size_t c = 0; c < 5; ++c) {
    Session alone = Open(1);
    for (const TimedRow& row : rows)
      ASSERT_TRUE(alone.Push(row.time_ns, std::span(row.values).subspan(c, 1)));
    const auto one = *alone.Peek(6);
    for (size_t h = 0; h < 6; ++h)
      EXPECT_TRUE(std::equal(one.at(0, h).begin(), one.at(0, h).end(), all.at(c, h).begin()));
  }
}

TEST(Session, SnapshotsResumeBitForBitAnywhere) {
  const auto rows = Rows(120, 2, 5);
  Session whole = Open(2, 9);
  std::vector<float> want;
  PushAll(whole, rows, &want);
  for (size_t cut = 0; cut < rows.size(); cut += 7) {
    Session first = Open(2, 9);
    std::vector<float> got;
    PushAll(first, std::span(rows).first(cut), &got);
    Session second = Open(2, 9);
    const auto restored = second.Restore(first.Save());
    ASSERT_TRUE(restored) << restored.error().message;
    EXPECT_EQ(second.rows(), static_cast<int64_t>(cut));
    PushAll(second, std::span(rows).subspan(cut), &got);
    ASSERT_EQ(got, want) << "cut at row " << cut;
    ASSERT_EQ(second.Save(), whole.Save());
  }
}

TEST(Session, ForksGoTheirOwnWay) {
  const auto rows = Rows(80, 1, 6), other = Rows(120, 1, 7);
  Session original = Open(1);
  PushAll(original, rows);
  Session fork = original.Fork();
  const auto before = original.Save();
  for (size_t t = 0; t < 40; ++t)
    ASSERT_TRUE(
        fork.Push(rows.back().time_ns + static_cast<int64_t>(t + 1) * kHour, other[t].values));
  EXPECT_EQ(original.Save(), before);
  EXPECT_NE(fork.Save(), before);
}

TEST(Session, ResetEqualsFresh) {
  const auto rows = Rows(90, 2, 8);
  Session used = Open(2), fresh = Open(2);
  PushAll(used, rows);
  used.Reset();
  EXPECT_EQ(used.Save(), fresh.Save());
  PushAll(used, rows);
  PushAll(fresh, rows);
  EXPECT_EQ(used.Save(), fresh.Save());
}

TEST(Session, RefusesBadRowsAndStaysAsItWas) {
  Session session = Open(2);
  const std::vector<double> good = {1, 2}, one = {1},
                            infinite = {1, std::numeric_limits<double>::infinity()},
                            huge = {-1e37, 2};
  ASSERT_TRUE(session.Push(kHour, good));
  const auto before = session.Save();
  EXPECT_EQ(session.Push(2 * kHour, one).error().message,
            "a row has 1 values, the stream has 2 channels");
  EXPECT_EQ(session.Push(2 * kHour, infinite).error().message, "channel 1 is infinite");
  EXPECT_EQ(session.Push(2 * kHour, huge).error().message,
            "channel 0 is -1e+37, beyond the 1e+36 that a float32 forecast can follow");
  EXPECT_EQ(session.Push(kHour, good).error().message,
            "a row's time is 0 ns before or at that of the row before it");
  EXPECT_EQ(session.Save(), before);
}

TEST(Session, FollowsTheLargestAndTheSmallestValues) {
  for (const double size : {1e36, 1e-300}) {
    Session session = Open(1);
    for (int64_t t = 0; t < 50; ++t) {
      const double value = t % 3 == 0 ? size : -size;
      ASSERT_TRUE(session.Push(t * kHour, {&value, 1}));
    }
    const Forecast forecast = *session.Peek(6);
    for (const float value : forecast.values) EXPECT_TRUE(std::isfinite(value)) << size;
  }
}

TEST(Session, RefusesWhatTheModelCannotDo) {
  EXPECT_EQ(Session::Open(TinyModel(), {1, 0, 7}).error().message,
            "a horizon of 7 steps, the model forecasts 1 to 6");
  EXPECT_EQ(Session::Open(TinyModel(), {0, 0, 0}).error().message,
            "0 channels, a stream has 1 to 65536");
  Session session = Open(1);
  EXPECT_EQ(session.Peek(3).error().message,
            "no row has been seen, so there is nothing to forecast from");
}

TEST(Session, RefusesForeignAndDamagedSnapshots) {
  Session one = Open(1), two = Open(2);
  const auto bytes = one.Save();
  EXPECT_FALSE(two.Restore(bytes));
  for (size_t at = 0; at < bytes.size(); at += 13) {
    auto damaged = bytes;
    damaged[at] ^= std::byte{4};
    EXPECT_FALSE(one.Restore(damaged)) << at;
  }
  for (size_t count = 0; count < bytes.size(); count += 17)
    EXPECT_FALSE(one.Restore(std::span(bytes).first(count)));
  Session float32 = *Session::Open(TinyModel(CachePrecision::kFloat32), {1, 0, 0});
  EXPECT_EQ(float32.Restore(bytes).error().message,
            "snapshot's state of backbone has another layout: other options or channels");
}

// The checksum is right in each: what protects the stream is what the stages check.
TEST(Session, SurvivesSnapshotsWithAnyWordSetToExtremes) {
  constexpr uint64_t kNan = 0x7ff8000000000000, kNans = 0x7fc000007fc00000;
  size_t accepted = 0, refused = 0;
  for (uint8_t part = 0; part < 3; ++part)
    for (uint16_t offset = 0; offset < 3000; offset += 8)
      for (const uint64_t value :
           {uint64_t{0}, uint64_t{1}, uint64_t{5}, ~uint64_t{0}, uint64_t{1} << 63,
            uint64_t{1} << 32, (uint64_t{1} << 63) - 1, kNan, kNans}) {
        const SnapshotEdit edit{part, offset, value};
        ++(FuzzSnapshot(std::span(&edit, 1)) ? accepted : refused);
      }
  EXPECT_GT(accepted, 0u);
  EXPECT_GT(refused, 0u);
}

TEST(Session, RefusesTimesTooFarApart) {
  Session session = Open(1);
  const double value = 1;
  ASSERT_TRUE(session.Push(std::numeric_limits<int64_t>::min(), {&value, 1}));
  EXPECT_EQ(session.Push(std::numeric_limits<int64_t>::max(), {&value, 1}).error().message,
            "a row's time is more than 292 years after that of the row before it");
  EXPECT_TRUE(session.Push(-1, {&value, 1}));
  EXPECT_FALSE(session.Push(std::numeric_limits<int64_t>::min(), {&value, 1}));
}

TEST(Session, PushAllocatesNothing) {
  Session session = Open(3);
  const auto rows = Rows(200, 3, 9);
  const size_t before = Allocations();
  for (const TimedRow& row : rows) static_cast<void>(session.Push(row.time_ns, row.values));
  EXPECT_EQ(Allocations(), before);
}

TEST(Session, NamesTheLayerThatIsNoLongerFinite) {
  GgufBuilder builder = MiniModel("liquid_scan");
  builder.Key("rill.liquid_scan.width", 1u);
  builder.Tensor("blk.0.liquid_scan.in_proj.weight", {4, 1}, {3e38f, 1, 1, 1});
  builder.Tensor("blk.0.liquid_scan.in_proj.bias", {4}, {3e38f, 0, 0, 0});
  builder.Tensor("blk.0.liquid_scan.decay", {1}, {1});
  builder.Tensor("blk.0.liquid_scan.out_proj.weight", {1, 1}, {1});
  const auto bytes = builder.Bytes();
  const auto model = Model::Load(*Weights::Parse(bytes, "big.gguf"));
  ASSERT_TRUE(model) << model.error().message;
  auto session = Session::Open(*model, {1, 0, 0});
  ASSERT_TRUE(session) << session.error().message;
  const double value = 1;
  EXPECT_EQ(session->Push(1, {&value, 1}).error().message,
            "channel 0 of the stream is no longer finite, in the state blk.0.liquid_scan.h");
}

// Full attention over at most three frames, of one row each.
std::shared_ptr<const Model> FullAttentionModel() {
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

TEST(Session, RefusesRowsBeyondADeclaredContext) {
  Session session = *Session::Open(FullAttentionModel(), {.channels = 1});
  const double value = 1;
  for (int64_t t = 0; t < 3; ++t) ASSERT_TRUE(session.Push(t, {&value, 1}));
  const auto full = session.Save();
  EXPECT_EQ(session.Push(3, {&value, 1}).error().message,
            "full.gguf: the declared context of a full-attention layer is used up; reset the "
            "stream or use a model with window and sinks");
  EXPECT_EQ(session.Save(), full);
  session.Reset();
  EXPECT_TRUE(session.Push(3, {&value, 1}));
}

TEST(Session, RefusesSnapshotsOfChannelsThatAreNotTogether) {
  const auto model = FullAttentionModel();
  Session session = *Session::Open(model, {.channels = 2});
  const std::vector<double> row = {1, 2};
  ASSERT_TRUE(session.Push(0, row));
  Snapshot snapshot = *Snapshot::Parse(session.Save());
  const int64_t full = 3;  // no room, where channel 0 has some
  std::vector<std::byte>& bytes = snapshot.parts[1].bytes;
  const StateLayout& layout = model->backbone().layout();
  for (const auto& [name, slot] : layout.entries())
    if (name == "blk.0.attention.position")
      std::memcpy(bytes.data() + layout.bytes() + slot.offset_bytes, &full, sizeof full);
  EXPECT_EQ(session.Restore(snapshot.Serialize()).error().message,
            "snapshot: channel 1 is at another position than channel 0");
}

// Overwrites the word that ends so many bytes before the end of a part.
Result<void> RestoreEdited(size_t part, size_t from_end, int64_t word) {
  Session session = Open(1);
  PushAll(session, Rows(10, 1, 3));
  Snapshot snapshot = *Snapshot::Parse(session.Save());
  std::vector<std::byte>& bytes = snapshot.parts[part].bytes;
  std::memcpy(bytes.data() + bytes.size() - from_end, &word, sizeof word);
  return session.Restore(snapshot.Serialize());
}

TEST(Session, NamesWhatASnapshotCannotHold) {
  constexpr int64_t kNan = 0x7ff8000000000000;
  constexpr size_t kSensor = 0, kForecast = 2;
  // The sensor's state ends with: elapsed, missing, pending; times of the patch and of a slot.
  EXPECT_EQ(RestoreEdited(kSensor, 40, 9).error().message,
            "snapshot: the unfinished frame has 9 slots of 4");
  EXPECT_EQ(RestoreEdited(kSensor, 24, 1).error().message,
            "snapshot: it was taken in the middle of a row");
  EXPECT_EQ(RestoreEdited(kSensor, 8, kNan).error().message,
            "snapshot: the state sensor.times is not finite");
  EXPECT_EQ(
      RestoreEdited(kSensor, 8, std::numeric_limits<int64_t>::min() | (kNan >> 1)).error().message,
      "snapshot: a number of the sensor encoder is out of range");
  // The head's with: elapsed, last time, interval.
  EXPECT_EQ(RestoreEdited(kForecast, 24, 5).error().message,
            "snapshot: the frame kept has 5 slots, at most 4");
  EXPECT_EQ(RestoreEdited(kForecast, 8, -1).error().message,
            "snapshot: the frame kept has a negative interval");
}

TEST(SessionGroup, EqualsEachSessionAlone) {
  constexpr size_t kSessions = 64;
  SessionGroup group(TinyModel(), kSessions);
  Random random(10);
  std::vector<Session*> grouped;
  std::vector<Session> alone;
  std::vector<std::vector<TimedRow>> rows;
  std::vector<size_t> next(kSessions);
  for (size_t i = 0; i < kSessions; ++i) {
    const SessionOptions options{1 + i % 3, 5, 0};
    grouped.push_back(*group.Open(options));
    alone.push_back(*Session::Open(TinyModel(), options));
    rows.push_back(Rows(60, options.channels, 100 + i));
  }
  for (int round = 0; round < 200; ++round) {
    for (size_t i = 0; i < kSessions; ++i) {
      if (random.Below(3) == 0 || next[i] == rows[i].size()) continue;
      const TimedRow& row = rows[i][next[i]++];
      ASSERT_TRUE(group.Push(*grouped[i], row.time_ns, row.values));
      ASSERT_TRUE(alone[i].Push(row.time_ns, row.values));
    }
    ASSERT_TRUE(group.Run());
    for (size_t i = 0; i < kSessions; ++i) {
      const auto got = grouped[i]->Pull(), want = alone[i].Pull();
      ASSERT_EQ(got.has_value(), want.has_value());
      if (got) {
        ASSERT_EQ(got->values, want->values);
      }
    }
  }
  for (size_t i = 0; i < kSessions; ++i) EXPECT_EQ(grouped[i]->Save(), alone[i].Save());
}

// A session after four of 40 rows, whose state is finite, but which nothing can be added to.
std::vector<std::byte> NearlyInfinite() {
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

TEST(Session, StaysBrokenUntilItIsReset) {
  Session session = Open(1);
  ASSERT_TRUE(session.Restore(NearlyInfinite()));
  Result<void> pushed;
  const std::vector<TimedRow> rows = Rows(40, 1, 3);
  size_t at = 4;
  while (pushed && at < rows.size()) pushed = session.Push(rows[at].time_ns, rows[at].values), ++at;
  ASSERT_FALSE(pushed);
  for (; at < rows.size(); ++at)
    EXPECT_EQ(session.Push(rows[at].time_ns, rows[at].values).error().message,
              pushed.error().message);
  EXPECT_EQ(session.Peek(1).error().message, pushed.error().message);
  session.Reset();
  PushAll(session, rows);
}

TEST(SessionGroup, ABrokenSessionDoesNotTouchTheOthers) {
  SessionGroup group(TinyModel(), 3);
  std::vector<Session*> grouped;
  std::vector<Session> alone;
  const std::vector<TimedRow> rows = Rows(40, 1, 3);
  for (int i = 0; i < 3; ++i) {
    grouped.push_back(*group.Open({1, 5, 0}));
    alone.push_back(Open(1, 5));
  }
  ASSERT_TRUE(grouped[1]->Restore(NearlyInfinite()));
  size_t failures = 0;
  for (size_t t = 0; t < rows.size(); ++t) {
    for (const size_t i : {0, 1, 2}) {
      if (i == 1 && t < 4) continue;
      const Result<void> pushed = group.Push(*grouped[i], rows[t].time_ns, rows[t].values);
      EXPECT_TRUE(pushed || i == 1);
      if (i == 1) continue;
      ASSERT_TRUE(alone[i].Push(rows[t].time_ns, rows[t].values));
    }
    if (!group.Run()) ++failures;
    for (const size_t i : {0, 2}) {
      const auto got = grouped[i]->Pull(), want = alone[i].Pull();
      ASSERT_EQ(got.has_value(), want.has_value());
      EXPECT_EQ(got ? got->values : std::vector<float>(),
                want ? want->values : std::vector<float>());
    }
  }
  EXPECT_GT(failures, 0u);
  EXPECT_FALSE(grouped[1]->Peek(1));
  for (const size_t i : {0, 2}) EXPECT_EQ(grouped[i]->Save(), alone[i].Save());
}

TEST(SessionGroup, StaysWithinADeclaredContext) {
  SessionGroup group(FullAttentionModel(), 1);
  Session& session = **group.Open({1, 0, 0});
  const double value = 1;
  for (const int64_t t : {0, 1}) {
    ASSERT_TRUE(group.Push(session, t, {&value, 1}));
    ASSERT_TRUE(group.Run());
  }
  ASSERT_TRUE(
      group.Push(session, 9, {&value, 1}));  // seven absent rows: eight frames for one place
  EXPECT_EQ(group.Run().error().message,
            "full.gguf: the declared context of a full-attention layer is used up; reset the "
            "stream or use a model with window and sinks");
}

TEST(SessionGroup, AdmitsNoMoreThanAgreed) {
  SessionGroup group(TinyModel(), 2);
  Session* first = *group.Open({1, 0, 0});
  ASSERT_TRUE(group.Open({1, 0, 0}));
  EXPECT_EQ(group.Open({1, 0, 0}).error().message, "all 2 sessions of the group are in use");
  group.Close(first);
  EXPECT_TRUE(group.Open({1, 0, 0}));
}

TEST(Model, SharesWeightsWithinAProcess) {
  const auto a = Model::Shared(kGoldens + "sensor_model.gguf");
  const auto b = Model::Shared(kGoldens + "./sensor_model.gguf");
  ASSERT_TRUE(a && b);
  EXPECT_EQ(*a, *b);
}

TEST(Model, SaysWhereItLooked) {
  const auto found = FindModel("no-such-model");
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().message.find("no model file \"no-such-model\""), std::string::npos);
}

}  // namespace
}  // namespace rill::testing

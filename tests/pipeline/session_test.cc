// Sessions over the tiny model of tests/goldens: against PyTorch, and against themselves in every
// arrangement.
#include "tests/pipeline/sessions.h"
#include "tests/support/allocations.h"

namespace rill::testing {
namespace {

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

TEST(Session, RefusesRowsBeyondADeclaredContext) {
  Session session = *Session::Open(FullAttentionModel(), {.channels = 1});
  const double value = 1;
  for (int64_t t = 0; t < 3; ++t) ASSERT_TRUE(session.Push(t, {&value, 1}));
  const auto full = session.Save();
  EXPECT_EQ(session.Push(3, {&value, 1}).error().message,
            "full.gguf: the declared context has room for 0 more frames, 1 came: reset the "
            "stream, declare a longer one, or a window and sinks");
  EXPECT_EQ(session.Save(), full);
  session.Reset();
  EXPECT_TRUE(session.Push(3, {&value, 1}));
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

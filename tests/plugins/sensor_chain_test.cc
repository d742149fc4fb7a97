// Forecasts of the element chain against a Session over the same rows: always the same bits.
#include <malloc.h>

#include <thread>

#include "pipeline/forecast_json.h"
#include "tests/plugins/sensor_rows.h"

namespace rill {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

class SensorChain : public ::testing::TestWithParam<size_t> {};

TEST_P(SensorChain, EqualsASession) {
  const size_t every = GetParam();
  const std::vector<SensorRow> rows = MakeRows(150, 3, 1);
  Harness harness(ChainElements("every=" + std::to_string(every)));
  harness.Start("a", RowCaps(3), GST_FORMAT_TIME);
  PushRows(harness, rows);
  harness.Eos();
  Session session = OpenSession(3, every);
  std::vector<Forecast> want = Expect(session, rows);
  ASSERT_TRUE(session.Finish());
  if (std::optional<Forecast> last = session.Pull()) want.push_back(std::move(*last));
  ExpectSame(harness.PullAll(), want);
}

INSTANTIATE_TEST_SUITE_P(Every, SensorChain, ::testing::Values(1, 3, 4, 7, 149, 150, 1000));

TEST(SensorChainJson, IsTheSessionsForecastOnALine) {
  constexpr int64_t kStart = 1'467'331'200 * kSecondNs;
  const std::vector<SensorRow> rows = MakeRows(30, 2, 2);
  Harness harness(ChainElements("every=10", "format=json horizon=2"));
  harness.Start("a", RowCaps(2, ",lfm-columns=(string)<\"OT\",\"load\">"), GST_FORMAT_TIME);
  PushRows(harness, rows, kStart);
  EXPECT_EQ(harness.SourceCaps(), "application/x-json");
  Session session = OpenSession(2, 10, 2);
  const std::vector<Forecast> want = Expect(session, rows, kStart);
  const std::vector<Frame> got = harness.PullAll();
  ASSERT_EQ(got.size(), 3u);
  const std::string columns[] = {"OT", "load"};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(got[i].bytes, ToJson(want[i], columns) + "\n");
    EXPECT_EQ(static_cast<int64_t>(got[i].unix_ns), want[i].last_ns);
  }
}

TEST(SensorChainThreads, QueuesTeesAndIdentitiesChangeNothing) {
  const std::vector<SensorRow> rows = MakeRows(60, 2, 3);
  Harness harness(EncoderElement("every=5") +
                  " ! identity ! queue ! tee name=t allow-not-linked=true t. ! queue ! " +
                  BackboneElement() + " ! queue ! identity ! " + HeadElement() +
                  " t. ! queue ! fakesink async=false sync=false");
  harness.Start("a", RowCaps(2), GST_FORMAT_TIME);
  PushRows(harness, rows);
  Session session = OpenSession(2, 5);
  const std::vector<Forecast> want = Expect(session, rows);
  ASSERT_EQ(want.size(), 12u);
  for (const Forecast& forecast : want) {
    GstBuffer* buffer = gst_harness_pull(harness.get());
    ASSERT_NE(buffer, nullptr);
    std::vector<float> values(forecast.values.size());
    gst_buffer_extract(buffer, 0, values.data(), values.size() * sizeof(float));
    EXPECT_EQ(values, forecast.values);
    gst_buffer_unref(buffer);
  }
}

TEST(SensorChainThreads, SixtyFourStreamsKeepApart) {
  constexpr size_t kStreams = 64;
  std::vector<std::unique_ptr<Harness>> harnesses;
  for (size_t i = 0; i < kStreams; ++i) {
    harnesses.push_back(std::make_unique<Harness>(ChainElements("every=6", "messages=false")));
    harnesses[i]->Start("a", RowCaps(2), GST_FORMAT_TIME);
  }
  std::vector<std::thread> threads;
  for (size_t part = 0; part < 8; ++part)
    threads.emplace_back([&harnesses, part] {
      for (size_t i = part; i < kStreams; i += 8) PushRows(*harnesses[i], MakeRows(40, 2, i));
    });
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < kStreams; ++i) {
    Session session = OpenSession(2, 6);
    ExpectSame(harnesses[i]->PullAll(), Expect(session, MakeRows(40, 2, i)));
  }
}

TEST(SensorChainSnapshot, GoesOnInASessionAndBack) {
  const std::vector<SensorRow> rows = MakeRows(90, 2, 4);
  const std::span<const SensorRow> before = std::span(rows).first(43);
  const std::span<const SensorRow> after = std::span(rows).subspan(43);
  Session session = OpenSession(2, 5);
  Expect(session, before);
  const std::vector<std::byte> saved = session.Save();

  // The chain's snapshot is the session's, byte for byte.
  Harness first(ChainElements("every=5"));
  first.Start("a", RowCaps(2), GST_FORMAT_TIME);
  PushRows(first, before);
  first.PushEvent(OwnEvent("lfm/snapshot", 7));
  GstMessage* message = first.PopMessage("lfm-snapshot");
  ASSERT_NE(message, nullptr);
  const GstStructure* fields = gst_message_get_structure(message);
  guint id = 0;
  gint64 position = 0;
  EXPECT_TRUE(gst_structure_get_uint(fields, "id", &id));
  EXPECT_TRUE(gst_structure_get_int64(fields, "position", &position));
  EXPECT_EQ(id, 7u);
  EXPECT_EQ(position, 43);
  auto* state = static_cast<GBytes*>(g_value_get_boxed(gst_structure_get_value(fields, "state")));
  gsize bytes = 0;
  const auto* data = static_cast<const std::byte*>(g_bytes_get_data(state, &bytes));
  EXPECT_EQ(std::vector<std::byte>(data, data + bytes), saved);

  // And a chain goes on from the session's, whatever marks its beginning.
  Harness second(EncoderElement("name=e every=5 reset-on=stream-start+flush+discont") + " ! " +
                 BackboneElement("name=b reset-on=stream-start+flush+discont") + " ! " +
                 HeadElement("name=h reset-on=stream-start+flush+discont"));
  for (const char* name : {"e", "b", "h"}) {
    GstElement* stage = gst_bin_get_by_name(GST_BIN(second.element()), name);
    g_object_set(stage, "state", state, nullptr);
    gst_object_unref(stage);
  }
  gst_message_unref(message);
  second.Start("b", RowCaps(2), GST_FORMAT_TIME);
  ASSERT_EQ(PushRow(second, after[0], std::nullopt, GST_BUFFER_FLAG_DISCONT), GST_FLOW_OK);
  PushRows(second, after.subspan(1));
  const std::vector<Forecast> want = Expect(session, after);
  ExpectSame(second.PullAll(), want);
  first.PullAll();
  PushRows(first, after);  // a snapshot changes nothing
  ExpectSame(first.PullAll(), want);
}

TEST(SensorChainSnapshot, IsRefusedBeforeTheFirstRow) {
  Harness harness(ChainElements(""));
  harness.PushEvent(gst_event_new_stream_start("a"));
  harness.PushEvent(OwnEvent("lfm/snapshot", 1));
  EXPECT_EQ(harness.BusWarning(), "a snapshot was asked for before the first row");
}

TEST(SensorChainMemory, DoesNotGrow) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer's allocator does not count";
#endif
  Harness harness(ChainElements("every=7", "messages=false"));
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  const auto push = [&harness](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) {
      PushRow(harness, {i * kSecondNs, {std::sin(0.01 * static_cast<double>(i))}});
      harness.Pull();
    }
  };
  push(0, 5'000);
  const size_t before = mallinfo2().uordblks;
  push(5'000, 105'000);
  EXPECT_LE(mallinfo2().uordblks, before + 16'384);
}

}  // namespace
}  // namespace rill

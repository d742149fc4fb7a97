// Manners of lfmforecast: every row of the event table that applies.
#include "tests/plugins/sensor_rows.h"

namespace rill {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

std::vector<SensorRow> Rows(size_t count) { return MakeRows(count, 1, 21); }

TEST(LfmForecast, PostsTheForecastAsAMessage) {
  const std::vector<SensorRow> rows = Rows(5);
  Harness harness(ChainElements("every=5", "horizon=2 step=1000"));
  harness.Start("a", RowCaps(1, ",lfm-columns=(string)<\"OT\">"), GST_FORMAT_TIME);
  PushRows(harness, rows, 3600 * kSecondNs);
  Session session = OpenSession(1, 5, 2);
  const Forecast want = Expect(session, rows, 3600 * kSecondNs)[0];
  GstMessage* message = harness.PopMessage("lfm-forecast");
  ASSERT_NE(message, nullptr);
  const GstStructure* fields = gst_message_get_structure(message);
  guint horizon = 0;
  gint64 step_ns = 0, position = 0;
  guint64 running_time = 0;
  EXPECT_TRUE(gst_structure_get_uint(fields, "horizon", &horizon));
  EXPECT_TRUE(gst_structure_get_int64(fields, "step-ns", &step_ns));
  EXPECT_TRUE(gst_structure_get_int64(fields, "position", &position));
  EXPECT_TRUE(gst_structure_get_uint64(fields, "running-time", &running_time));
  EXPECT_EQ(horizon, 2u);
  EXPECT_EQ(step_ns, 1000);
  EXPECT_EQ(position, 5);
  EXPECT_EQ(static_cast<int64_t>(running_time), rows[4].time_ns);
  EXPECT_EQ(std::string(gst_structure_get_string(fields, "time")).substr(0, 14), "1970-01-01T01:");
  const GValue* values = gst_structure_get_value(fields, "values");
  ASSERT_EQ(gst_value_array_get_size(values), want.values.size());
  for (guint i = 0; i < want.values.size(); ++i)
    EXPECT_EQ(g_value_get_float(gst_value_array_get_value(values, i)), want.values[i]);
  EXPECT_EQ(gst_value_array_get_size(gst_structure_get_value(fields, "quantile-levels")),
            want.levels.size());
  EXPECT_STREQ(
      g_value_get_string(gst_value_array_get_value(gst_structure_get_value(fields, "columns"), 0)),
      "OT");
  gst_message_unref(message);
  EXPECT_EQ(harness.Pull()->duration, 2000u);

  Harness silent(ChainElements("every=5", "messages=false"));
  silent.Start("a", RowCaps(1), GST_FORMAT_TIME);
  PushRows(silent, rows);
  EXPECT_EQ(silent.PopMessage("lfm-forecast"), nullptr);
  EXPECT_NE(silent.SourceCaps().find("/forecast"), std::string::npos);
}

TEST(LfmForecast, PostsNoMoreMessagesThanTold) {
  Harness harness(ChainElements("every=1", "message-interval=3600000000000"));
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  PushRows(harness, Rows(5));
  EXPECT_NE(harness.BusMessage("lfm-forecast"), "");
  EXPECT_EQ(harness.BusMessage("lfm-forecast"), "");
  EXPECT_EQ(harness.PullAll().size(), 5u);
}

TEST(LfmForecast, SkipsWhatComesTooLateOnlyIfToldTo) {
  const std::vector<SensorRow> rows = Rows(9);
  Session session = OpenSession(1, 1);
  const std::vector<Forecast> want = Expect(session, rows);
  for (const bool skips : {true, false}) {
    Harness harness(ChainElements("every=1", skips ? "qos=true" : ""));
    harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
    PushRows(harness, std::span(rows).first(3));
    // The third row was late by half of what the sixth comes after it.
    const GstClockTimeDiff late = (rows[5].time_ns - rows[2].time_ns) / 2;
    gst_harness_push_upstream_event(harness.get(),
                                    gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 1.5, late,
                                                      static_cast<GstClockTime>(rows[2].time_ns)));
    PushRows(harness, std::span(rows).subspan(3));
    std::vector<Forecast> kept = want;
    if (skips) kept.erase(kept.begin() + 3, kept.begin() + 5);
    const std::vector<Frame> frames = harness.PullAll();
    ExpectSame(frames, kept);
    EXPECT_EQ(frames[3].discont(), skips);
    guint64 sent = 0, skipped = 0;
    std::vector<guint64> counts;
    while (GstMessage* message = harness.PopMessage(GST_MESSAGE_QOS)) {
      gst_message_parse_qos_stats(message, nullptr, &sent, &skipped);
      counts.push_back(skipped);
      gst_message_unref(message);
    }
    EXPECT_EQ(counts, skips ? std::vector<guint64>({1, 2}) : std::vector<guint64>());
    EXPECT_EQ(sent, skips ? 3u : 0u);
  }
}

TEST(LfmForecast, TheEndIsNeverTooLate) {
  const std::vector<SensorRow> rows = Rows(3);
  Harness harness(ChainElements("every=0", "qos=true"));
  GstElement* head = harness.Find("lfmforecast");
  gst_harness_use_testclock(harness.get());
  gst_element_set_base_time(head, 0);
  gst_harness_set_time(harness.get(), 3600 * GST_SECOND);
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  PushRows(harness, rows);
  gst_harness_push_upstream_event(
      harness.get(), gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 1.5, 0, 1800 * GST_SECOND));
  harness.Eos();
  EXPECT_EQ(harness.PullAll().size(), 1u);
  EXPECT_EQ(harness.BusWarning(), "");
  guint64 greatest = 1;
  g_object_get(head, "max-observed-delay", &greatest, nullptr);
  EXPECT_EQ(greatest, 0u);
}

TEST(LfmForecast, WarnsWhenALiveForecastComesTooLate) {
  const std::vector<SensorRow> rows = Rows(6);
  Harness harness(ChainElements("every=1"));
  GstElement* head = harness.Find("lfmforecast");
  gst_harness_use_testclock(harness.get());
  gst_element_set_base_time(head, 0);
  const auto push_after = [&](size_t row, GstClockTime delay) {
    gst_harness_set_time(harness.get(), static_cast<GstClockTime>(rows[row].time_ns) + delay);
    EXPECT_EQ(PushRow(harness, rows[row]), GST_FLOW_OK);
    guint64 greatest = 0;
    g_object_get(head, "max-observed-delay", &greatest, nullptr);
    return greatest;
  };
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  gst_harness_push_upstream_event(harness.get(), gst_event_new_latency(20 * GST_MSECOND));
  EXPECT_EQ(push_after(0, 0), 0u);
  EXPECT_EQ(push_after(1, 15 * GST_MSECOND), 15 * GST_MSECOND);
  EXPECT_EQ(harness.BusWarning(), "");
  EXPECT_EQ(push_after(2, 30 * GST_MSECOND), 30 * GST_MSECOND);
  EXPECT_EQ(push_after(3, 25 * GST_MSECOND), 30 * GST_MSECOND);
  GstMessage* warning = harness.PopMessage(GST_MESSAGE_WARNING);
  ASSERT_NE(warning, nullptr);
  GError* error = nullptr;
  const GstStructure* details = nullptr;
  gst_message_parse_warning(warning, &error, nullptr);
  gst_message_parse_warning_details(warning, &details);
  EXPECT_STREQ(error->message,
               "a result comes 30 ms after its time, the pipeline's latency is 20 ms");
  EXPECT_TRUE(gst_structure_has_name(details, "lfm/excessive-delay"));
  guint64 delay = 0, latency = 0;
  EXPECT_TRUE(gst_structure_get_uint64(details, "delay", &delay));
  EXPECT_TRUE(gst_structure_get_uint64(details, "latency", &latency));
  EXPECT_EQ(delay, 30 * GST_MSECOND);
  EXPECT_EQ(latency, 20 * GST_MSECOND);
  g_error_free(error);
  gst_message_unref(warning);
  EXPECT_EQ(harness.BusWarning(), "");  // no second one within ten seconds

  gst_harness_set_live(harness.get(), FALSE);
  gst_harness_push_upstream_event(harness.get(), gst_event_new_latency(20 * GST_MSECOND));
  EXPECT_EQ(push_after(4, GST_SECOND), 30 * GST_MSECOND);
}

TEST(LfmForecast, TheLastForecastComesBeforeTheEnd) {
  Harness harness(ChainElements("every=0"));
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  for (const size_t count : {size_t{3}, kPatch}) {  // unfinished; finished: the frame is repeated
    const std::vector<SensorRow> rows = Rows(count);
    PushRows(harness, rows);
    EXPECT_FALSE(harness.Pull());
    harness.EventNames();
    harness.Eos();
    Session session = OpenSession(1, 0);
    Expect(session, rows);
    ExpectSame(harness.PullAll(), {*session.Peek(kMostHorizon)});
    EXPECT_EQ(harness.EventNames(), "eos");
    harness.Flush();
    harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  }
}

TEST(LfmForecast, MarksWhatFollowsADiscontinuity) {
  const std::vector<SensorRow> rows = Rows(6);
  Harness harness(ChainElements("every=2"));
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  PushRows(harness, std::span(rows).first(4));
  PushRow(harness, rows[4], std::nullopt, GST_BUFFER_FLAG_DISCONT);
  PushRow(harness, rows[5]);
  const std::vector<Frame> frames = harness.PullAll();
  ASSERT_EQ(frames.size(), 3u);
  EXPECT_TRUE(frames[0].discont());
  EXPECT_FALSE(frames[1].discont());
  EXPECT_TRUE(frames[2].discont());
}

TEST(LfmForecast, ResetsTheWholeChainOnFlushStreamStartAndRequest) {
  const std::vector<SensorRow> rows = Rows(9);
  Session session = OpenSession(1, 9);
  const std::vector<Forecast> want = Expect(session, rows);
  Harness harness(ChainElements("every=9"));
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  PushRows(harness, std::span(rows).first(6));
  harness.Flush();
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  PushRows(harness, rows);
  ExpectSame(harness.PullAll(), want);
  harness.Start("b", RowCaps(1), GST_FORMAT_TIME);
  PushRows(harness, rows);
  ExpectSame(harness.PullAll(), want);
  harness.PushEvent(OwnEvent("lfm/reset", 1));
  PushRows(harness, rows);
  ExpectSame(harness.PullAll(), want);
  gst_element_set_state(harness.element(), GST_STATE_READY);
  gst_element_set_state(harness.element(), GST_STATE_PLAYING);
  harness.Start("b", RowCaps(1), GST_FORMAT_TIME);
  PushRows(harness, rows);
  ExpectSame(harness.PullAll(), want);
}

TEST(LfmForecast, PassesGapsAndSegmentsOn) {
  Harness harness(ChainElements("every=1"));
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  EXPECT_EQ(harness.EventNames(), "stream-start caps segment");
  harness.PushEvent(gst_event_new_gap(0, kSecondNs));
  EXPECT_EQ(harness.EventNames(), "gap");
  gst_harness_set_upstream_latency(harness.get(), 5);
  EXPECT_EQ(gst_harness_query_latency(harness.get()), 5u);
}

TEST(LfmForecast, NewCapsKeepTheColumnsApart) {
  const std::vector<SensorRow> wide = MakeRows(5, 2, 3);
  Harness harness(ChainElements("every=5"));
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  PushRows(harness, Rows(3));
  harness.Start("a", RowCaps(2), GST_FORMAT_TIME);
  EXPECT_EQ(harness.PullAll().size(), 1u);  // of the rows before
  PushRows(harness, wide);
  Session session = OpenSession(2, 5);
  ExpectSame(harness.PullAll(), Expect(session, wide));
}

TEST(LfmForecast, AMarkerSaysThatEverythingBeforeIsDone) {
  const std::vector<SensorRow> rows = Rows(2);
  Harness harness(ChainElements("every=2"));
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  PushRows(harness, rows);
  harness.PushEvent(OwnEvent("lfm/marker", 42));
  EXPECT_EQ(harness.BusMessage("lfm-marker"), "lfm-marker, id=(uint)42;");
  EXPECT_EQ(harness.PullAll().size(), 1u);
}

TEST(LfmForecast, RefusesEmbeddings) {
  Harness harness(HeadElement());
  const std::shared_ptr<const Model> model = *Model::Shared(kModelPath);
  harness.Start("a",
                "other/tensors,format=static,num_tensors=1,types=float32,dimensions=(string)"
                "16:1:1:1,framerate=(fraction)0/1,lfm-space=(string)" +
                    model->space() + "/embedding",
                GST_FORMAT_TIME);
  EXPECT_EQ(harness.BusError(), "frames of \"" + model->space() + "/embedding\" were offered, " +
                                    model->name() + " takes those of \"" + model->space() +
                                    "/hidden\"");
}

}  // namespace
}  // namespace rill

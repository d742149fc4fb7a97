#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "tests/plugins/harness.h"

namespace rill {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kTwoRows[] = "time,a,b\n10,1,2\n11.5,3,NA\n";

uint64_t Stat(Harness& harness, const char* name) {
  GstStructure* stats = nullptr;
  g_object_get(harness.element(), "stats", &stats, nullptr);
  guint64 value = 0;
  gst_structure_get_uint64(stats, name, &value);
  gst_structure_free(stats);
  return value;
}

// One buffer after another of `piece` bytes, then EOS; every row as one byte string.
std::vector<std::string> RowsOf(const std::string& text, size_t piece) {
  Harness harness("lfmsensorparse");
  harness.Start("s", "", GST_FORMAT_BYTES);
  for (size_t at = 0; at < text.size(); at += piece) harness.Push(text.substr(at, piece));
  harness.Eos();
  std::vector<std::string> rows;
  for (const Frame& frame : harness.PullAll())
    rows.push_back(std::to_string(frame.pts) + " " + frame.bytes);
  return rows;
}

TEST(LfmSensorParse, TurnsABytesStreamIntoRowsWithTime) {
  Harness harness("lfmsensorparse");
  harness.Start("s", "", GST_FORMAT_BYTES);
  EXPECT_EQ(harness.Push(kTwoRows), GST_FLOW_OK);
  const std::vector<Frame> rows = harness.PullAll();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].pts, 0u);
  EXPECT_EQ(rows[0].unix_ns, 10 * GST_SECOND);
  EXPECT_TRUE(rows[0].discont());
  EXPECT_THAT(rows[0].As<double>(), ElementsAre(1.0, 2.0));
  EXPECT_EQ(rows[1].pts, GST_SECOND + GST_SECOND / 2);
  EXPECT_FALSE(rows[1].discont());
  EXPECT_TRUE(std::isnan(rows[1].As<double>()[1]));
  EXPECT_EQ(harness.SourceCaps(),
            "other/tensors, format=(string)static, num_tensors=(int)1, types=(string)float64, "
            "dimensions=(string)2:1:1:1, framerate=(fraction)0/1, modality=(string)sensor, "
            "lfm-columns=(string)< a, b >");
  EXPECT_EQ(harness.EventNames(), "stream-start caps segment");
}

TEST(LfmSensorParse, GivesTheSameRowsForAnyBufferSize) {
  std::string text = "time,a\n";
  for (int i = 0; i < 50; ++i) text += std::to_string(i) + "," + std::to_string(i * 0.37) + "\n";
  const std::vector<std::string> want = RowsOf(text, text.size());
  EXPECT_EQ(want.size(), 50u);
  for (const size_t piece : {1, 2, 7, 64}) EXPECT_EQ(RowsOf(text, piece), want);
}

TEST(LfmSensorParse, EosDrainsTheLastLine) {
  Harness harness("lfmsensorparse");
  harness.Start("s", "", GST_FORMAT_BYTES);
  harness.Push("time,a\n1,1\n2,2");
  EXPECT_EQ(harness.PullAll().size(), 1u);
  harness.Eos();
  EXPECT_EQ(harness.PullAll().size(), 1u);
  EXPECT_EQ(harness.EventNames(), "stream-start caps segment eos");
  EXPECT_EQ(harness.BusError(), "");
}

TEST(LfmSensorParse, SaysSoWhenTheInputIsEmptyOrNotRows) {
  Harness harness("lfmsensorparse");
  harness.Start("s", "", GST_FORMAT_BYTES);
  EXPECT_TRUE(harness.Eos());
  EXPECT_EQ(harness.BusError(), "the input is empty");
  Harness prose("lfmsensorparse");
  prose.Start("s", "", GST_FORMAT_BYTES);
  EXPECT_EQ(prose.Push("a,b\n1,2\n"), GST_FLOW_ERROR);
  EXPECT_EQ(prose.BusError(),
            "line 2: no time column among a, b: name one with time-column (rill: --time) or give "
            "an interval");
  EXPECT_EQ(prose.BusError(), "");
}

TEST(LfmSensorParse, SaysWhatIsWrongOnce) {
  Harness harness("lfmsensorparse columns=c");
  harness.Start("stream-1", "text/csv", GST_FORMAT_BYTES);
  EXPECT_EQ(harness.Push("time,a\n2020-01-01,1\n2020-01-02,1\n"), GST_FLOW_ERROR);
  EXPECT_NE(harness.BusError(), "");
  harness.Eos();
  EXPECT_EQ(harness.BusError(), "");
}

TEST(LfmSensorParse, SkipsABadRowWithAWarningAndACount) {
  Harness harness("lfmsensorparse");
  harness.Start("s", "", GST_FORMAT_BYTES);
  EXPECT_EQ(harness.Push("time,a\n1,1\n2,x\n3,y\n4,4\n"), GST_FLOW_OK);
  EXPECT_EQ(harness.PullAll().size(), 2u);
  EXPECT_EQ(Stat(harness, "rows"), 2u);
  EXPECT_EQ(Stat(harness, "bad-rows"), 2u);
  EXPECT_EQ(Stat(harness, "bytes"), 23u);
  EXPECT_THAT(harness.BusWarning(), HasSubstr("line 4: column \"a\": \"y\" is not a number"));
  EXPECT_EQ(harness.BusWarning(), "");
}

TEST(LfmSensorParse, StopsAtABadRowWhereTold) {
  Harness harness("lfmsensorparse on-bad-row=error");
  harness.Start("s", "", GST_FORMAT_BYTES);
  EXPECT_EQ(harness.Push("time,a\n1,1\n2,x\n3,3\n"), GST_FLOW_ERROR);
  EXPECT_EQ(harness.BusError(), "line 3: column \"a\": \"x\" is not a number");
  EXPECT_EQ(harness.BusError(), "");
}

TEST(LfmSensorParse, DiscontDropsTheLineBegunAndMarksTheNextRow) {
  Harness harness("lfmsensorparse");
  harness.Start("s", "", GST_FORMAT_BYTES);
  harness.Push("time,a\n1,1\n2,2", GST_CLOCK_TIME_NONE, true);
  harness.Push("3,3\n4,4\n", GST_CLOCK_TIME_NONE, true);
  const std::vector<Frame> rows = harness.PullAll();
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[1].pts, 2 * GST_SECOND);
  EXPECT_TRUE(rows[1].discont());
  EXPECT_FALSE(rows[2].discont());
}

TEST(LfmSensorParse, FlushForgetsTheLineBegunAndStartsTimeAnew) {
  Harness harness("lfmsensorparse");
  harness.Start("s", "", GST_FORMAT_BYTES);
  harness.Push("time,a\n10,1\n20,");
  harness.PullAll();
  harness.EventNames();
  harness.Flush();
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_BYTES);
  harness.PushEvent(gst_event_new_segment(&segment));
  EXPECT_EQ(harness.Push("5,7\n"), GST_FLOW_OK);
  const std::vector<Frame> rows = harness.PullAll();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].pts, 0u);
  EXPECT_EQ(rows[0].unix_ns, 5 * GST_SECOND);
  EXPECT_TRUE(rows[0].discont());
  EXPECT_EQ(harness.EventNames(), "flush-start flush-stop segment");
}

TEST(LfmSensorParse, AnotherStreamBringsItsOwnHeader) {
  Harness harness("lfmsensorparse");
  harness.Start("s", "", GST_FORMAT_BYTES);
  harness.Push("time,a\n10,1\n11,");
  harness.PullAll();
  harness.Start("t", "", GST_FORMAT_BYTES);
  harness.Push("ts,x,y\n3,1,2\n");
  const std::vector<Frame> rows = harness.PullAll();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].pts, 0u);
  EXPECT_THAT(harness.SourceCaps(), HasSubstr("lfm-columns=(string)< x, y >"));
}

TEST(LfmSensorParse, OtherCapsDrainAndRenegotiate) {
  Harness harness("lfmsensorparse");
  harness.Start("s", "text/csv", GST_FORMAT_BYTES);
  harness.Push("time,a\n10,1\n11,2");
  EXPECT_EQ(harness.PullAll().size(), 1u);
  GstCaps* caps = gst_caps_from_string("application/x-ndjson");
  harness.PushEvent(gst_event_new_caps(caps));
  gst_caps_unref(caps);
  EXPECT_EQ(harness.PullAll().size(), 1u);
  EXPECT_EQ(harness.Push("{\"time\":1,\"p\":4}\n"), GST_FLOW_OK);
  EXPECT_EQ(harness.PullAll().size(), 1u);
  EXPECT_THAT(harness.SourceCaps(), HasSubstr("lfm-columns=(string)< p >"));
}

TEST(LfmSensorParse, RefusesCapsOfOtherMedia) {
  Harness harness("lfmsensorparse");
  harness.PushEvent(gst_event_new_stream_start("s"));
  GstCaps* caps = gst_caps_from_string("audio/x-raw");
  harness.PushEvent(gst_event_new_caps(caps));
  gst_caps_unref(caps);
  EXPECT_EQ(harness.BusError(),
            "caps audio/x-raw are none of text/csv, application/x-ndjson, application/json, "
            "text/plain, text/x-raw, application/octet-stream");
}

TEST(LfmSensorParse, ASegmentEndsTheLineBegun) {
  Harness harness("lfmsensorparse");
  harness.Start("s", "", GST_FORMAT_BYTES);
  harness.Push("time,a\n1,1\n2,2");
  EXPECT_EQ(harness.PullAll().size(), 1u);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_BYTES);
  harness.PushEvent(gst_event_new_segment(&segment));
  EXPECT_EQ(harness.PullAll().size(), 1u);
  EXPECT_EQ(harness.EventNames(), "stream-start caps segment");
}

TEST(LfmSensorParse, ALiveSourceStampsRowsByArrival) {
  Harness harness("lfmsensorparse");
  harness.Start("s", "", GST_FORMAT_TIME);
  harness.Push("a,b\n1,2\n", 5 * GST_SECOND);
  harness.Push("3,4\n", 7 * GST_SECOND);
  const std::vector<Frame> rows = harness.PullAll();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].pts, 0u);
  EXPECT_EQ(rows[1].pts, 2 * GST_SECOND);
  EXPECT_EQ(rows[1].unix_ns - rows[0].unix_ns, 2 * GST_SECOND);
  EXPECT_LT(rows[0].unix_ns, static_cast<GstClockTime>(g_get_real_time()) * 1000 + 1);
  GstEvent* event = harness.PullEvent(GST_EVENT_SEGMENT);
  ASSERT_NE(event, nullptr);
  const GstSegment* segment = nullptr;
  gst_event_parse_segment(event, &segment);
  EXPECT_EQ(gst_segment_to_running_time(segment, GST_FORMAT_TIME, rows[1].pts), 7 * GST_SECOND);
  gst_event_unref(event);
}

TEST(LfmSensorParse, ForwardsGapsOnTheTimeLineOfTheRows) {
  Harness harness("lfmsensorparse");
  harness.Start("s", "", GST_FORMAT_TIME);
  harness.PushEvent(gst_event_new_gap(4 * GST_SECOND, GST_SECOND));  // before any row: nothing
  harness.Push("a\n1\n", 5 * GST_SECOND);
  harness.PushEvent(gst_event_new_gap(6 * GST_SECOND, GST_SECOND));
  EXPECT_EQ(harness.PullAll().size(), 1u);
  GstEvent* event = harness.PullEvent(GST_EVENT_GAP);
  ASSERT_NE(event, nullptr);
  GstClockTime pts = 0;
  GstClockTime duration = 0;
  gst_event_parse_gap(event, &pts, &duration);
  EXPECT_EQ(pts, GST_SECOND);
  EXPECT_EQ(duration, GST_SECOND);
  gst_event_unref(event);
}

TEST(LfmSensorParse, EachTextBufferIsALine) {
  Harness harness("lfmsensorparse");
  harness.Start("s", "text/x-raw,format=utf8", GST_FORMAT_TIME);
  harness.Push("time,a", 0);
  harness.Push("1,1", 0);
  harness.Push("2,2", 0);
  EXPECT_EQ(harness.PullAll().size(), 2u);
}

TEST(LfmSensorParse, KeepsOtherEventsInOrderBehindTheOpening) {
  Harness harness("lfmsensorparse");
  harness.Start("s", "", GST_FORMAT_BYTES);
  harness.PushEvent(gst_event_new_tag(gst_tag_list_new(GST_TAG_TITLE, "x", nullptr)));
  harness.Push("time,a\n1,1\n");
  harness.PushEvent(
      gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty("lfm/marker")));
  EXPECT_EQ(harness.EventNames(), "stream-start caps segment tag custom-downstream");
}

TEST(LfmSensorParse, AnswersLatencyOfUpstreamAndNoToSeeking) {
  Harness harness("lfmsensorparse");
  harness.Start("s", "", GST_FORMAT_TIME);
  gst_harness_set_upstream_latency(harness.get(), 30 * GST_MSECOND);
  EXPECT_EQ(gst_harness_query_latency(harness.get()), 30 * GST_MSECOND);
  GstPad* pad = gst_element_get_static_pad(harness.element(), "src");
  GstQuery* query = gst_query_new_seeking(GST_FORMAT_TIME);
  EXPECT_TRUE(gst_pad_query(pad, query));
  gboolean seekable = TRUE;
  gst_query_parse_seeking(query, nullptr, &seekable, nullptr, nullptr);
  EXPECT_FALSE(seekable);
  gst_query_unref(query);
  EXPECT_FALSE(
      gst_pad_send_event(pad, gst_event_new_seek(1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
                                                 GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, 0)));
  gst_object_unref(pad);
}

TEST(LfmSensorParse, GoingToReadyForgetsTheStream) {
  Harness harness("lfmsensorparse");
  harness.Start("s", "", GST_FORMAT_BYTES);
  harness.Push("time,a\n1,1\n2,");
  EXPECT_EQ(harness.PullAll().size(), 1u);
  gst_element_set_state(harness.element(), GST_STATE_READY);
  gst_element_set_state(harness.element(), GST_STATE_PLAYING);
  harness.Start("s", "", GST_FORMAT_BYTES);
  harness.Push("ts,b,c\n9,1,2\n");
  EXPECT_EQ(harness.PullAll().size(), 1u);
  EXPECT_EQ(Stat(harness, "rows"), 1u);
}

TEST(LfmSensorParse, RefusesToStartWithSettingsThatMakeNoSense) {
  GstElement* element = gst_element_factory_make("lfmsensorparse", nullptr);
  GstBus* bus = gst_bus_new();
  gst_element_set_bus(element, bus);
  g_object_set(element, "delimiter", ";;", nullptr);
  EXPECT_EQ(gst_element_set_state(element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  GstMessage* message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
  ASSERT_NE(message, nullptr);
  GError* error = nullptr;
  gst_message_parse_error(message, &error, nullptr);
  EXPECT_STREQ(error->message, "delimiter: \";;\" is not one character, tab or space");
  g_clear_error(&error);
  gst_message_unref(message);
  gst_element_set_bus(element, nullptr);
  gst_object_unref(bus);
  gst_element_set_state(element, GST_STATE_NULL);
  gst_object_unref(element);
}

TEST(LfmSensorParse, TakesEveryPropertyItShows) {
  Harness harness(
      "lfmsensorparse input-format=csv header=absent columns=\"2,1\" time-column=0 "
      "time-format=unix-ms timezone=+01:00 delimiter=; decimal=, missing=-1 interval=1/10");
  harness.Start("s", "", GST_FORMAT_BYTES);
  harness.Push("1000;1,5;-1\n2000;2;3\n");
  const std::vector<Frame> rows = harness.PullAll();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].unix_ns, GST_SECOND);
  EXPECT_THAT(rows[1].As<double>(), ElementsAre(3.0, 2.0));
  EXPECT_TRUE(std::isnan(rows[0].As<double>()[0]));
  gint numerator = 0;
  gint denominator = 0;
  GValue interval = G_VALUE_INIT;
  g_value_init(&interval, GST_TYPE_FRACTION);
  g_object_get_property(G_OBJECT(harness.element()), "interval", &interval);
  numerator = gst_value_get_fraction_numerator(&interval);
  denominator = gst_value_get_fraction_denominator(&interval);
  EXPECT_EQ(numerator, 1);
  EXPECT_EQ(denominator, 10);
  g_value_unset(&interval);
}

}  // namespace
}  // namespace rill

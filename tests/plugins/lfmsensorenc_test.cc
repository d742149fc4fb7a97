// Manners of lfmsensorenc: every row of the event table that applies.
#include "tests/plugins/sensor_encoder.h"

namespace rill {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

TEST(LfmSensorEnc, SendsAFrameAPatchAndDrainsAtTheEnd) {
  const std::vector<SensorRow> rows = Regular(10);
  Harness harness(EncoderElement("every=0"));
  harness.Start("a", RowCaps(1, ",lfm-columns=(string)<\"OT\">"), GST_FORMAT_TIME);
  PushRows(harness, rows, 1'000 * kSecondNs);
  std::vector<Frame> frames = harness.PullAll();
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[0].pts, 3u * kSecondNs);
  EXPECT_EQ(frames[1].unix_ns, 1'007u * kSecondNs);
  EXPECT_TRUE(frames[0].discont());
  EXPECT_FALSE(frames[1].discont());
  harness.EventNames();
  harness.Eos();
  for (const Frame& frame : harness.PullAll()) frames.push_back(frame);
  EXPECT_EQ(Values(frames), FramesOf(rows, true));
  EXPECT_EQ(harness.EventNames(), "eos");
  const std::string space = (*Model::Shared(kModelPath))->space();
  const std::string caps = harness.SourceCaps();
  EXPECT_NE(caps.find("dimensions=(string)16:1:1:1"), std::string::npos) << caps;
  EXPECT_NE(caps.find("lfm-space=(string)" + space + "/embedding"), std::string::npos) << caps;
  EXPECT_NE(caps.find("lfm-columns=(string)< OT >"), std::string::npos) << caps;
  EXPECT_EQ(Count(harness, "rows"), 10u);
  EXPECT_EQ(Count(harness, "frames"), 3u);
}

TEST(LfmSensorEnc, EmptyAndFinishedStreamsDrainToNothing) {
  Harness empty(EncoderElement());
  empty.Start("a", RowCaps(1), GST_FORMAT_TIME);
  empty.Eos();
  EXPECT_FALSE(empty.Pull());
  Harness finished(EncoderElement("every=3"));
  finished.Start("a", RowCaps(1), GST_FORMAT_TIME);
  PushRows(finished, Regular(3));
  EXPECT_EQ(finished.PullAll().size(), 1u);
  finished.Eos();
  EXPECT_FALSE(finished.Pull());
}

TEST(LfmSensorEnc, AnotherStreamStartsAfresh) {
  Harness harness(EncoderElement("every=0"));
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  PushRows(harness, Regular(3));
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);  // the same again: nothing happens
  harness.Start("b", RowCaps(1), GST_FORMAT_TIME);  // the remainder is dropped
  EXPECT_FALSE(harness.Pull());
  PushRows(harness, Regular(4));
  EXPECT_EQ(Values(harness.PullAll()), FramesOf(Regular(4)));
}

TEST(LfmSensorEnc, AStreamCanGoOnInAnother) {
  const std::vector<SensorRow> rows = Regular(8);
  Harness harness(EncoderElement("every=0 reset-on=flush"));
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  PushRows(harness, std::span(rows).first(3));
  harness.Start("b", RowCaps(1), GST_FORMAT_TIME);
  PushRows(harness, std::span(rows).subspan(3));
  EXPECT_EQ(Values(harness.PullAll()), FramesOf(rows));
}

TEST(LfmSensorEnc, NewCapsDrainWhatTheOldOnesLeft) {
  const std::vector<SensorRow> rows = Regular(6);
  Harness harness(EncoderElement("every=0"));
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  PushRows(harness, rows);
  harness.Start("a", RowCaps(2), GST_FORMAT_TIME);
  EXPECT_EQ(Values(harness.PullAll()), FramesOf(rows, true));
  const std::vector<SensorRow> wide = MakeRows(4, 2, 5);
  PushRows(harness, wide);
  EXPECT_EQ(Values(harness.PullAll()).back(), FramesOf(wide).back());
  EXPECT_NE(harness.SourceCaps().find("16:2:1:1"), std::string::npos);
}

TEST(LfmSensorEnc, ASegmentDrainsAndKeepsTheState) {
  const std::vector<SensorRow> rows = Regular(8);
  Harness harness(EncoderElement("every=0"));
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  PushRows(harness, std::span(rows).first(6));
  EXPECT_EQ(harness.PullAll().size(), 1u);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.base = 5;
  harness.PushEvent(gst_event_new_segment(&segment));
  EXPECT_EQ(Values(harness.PullAll()).back(), FramesOf(std::span(rows).first(6), true).back());
  PushRows(harness, std::span(rows).subspan(6));
  EXPECT_EQ(Values(harness.PullAll()).back(), FramesOf(rows).back());
  harness.PushEvent(gst_event_new_segment_done(GST_FORMAT_TIME, 0));
  EXPECT_EQ(harness.PullAll().size(), 1u);  // nothing elapsed, but no forecast was made yet
}

TEST(LfmSensorEnc, SegmentDoneDrains) {
  Harness harness(EncoderElement("every=0"));
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  PushRows(harness, Regular(2));
  harness.PushEvent(gst_event_new_segment_done(GST_FORMAT_TIME, 0));
  EXPECT_EQ(Values(harness.PullAll()), FramesOf(Regular(2), true));
}

TEST(LfmSensorEnc, DiscontIsMarkedAndNeverSpliced) {
  std::vector<SensorRow> rows = Regular(6);
  rows[5].time_ns += 2 * kSecondNs;  // two slots are missing before it
  Harness harness(EncoderElement("every=0"));
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  PushRows(harness, std::span(rows).first(5));
  ASSERT_EQ(PushRow(harness, rows[5], std::nullopt, GST_BUFFER_FLAG_DISCONT), GST_FLOW_OK);
  const std::vector<Frame> frames = harness.PullAll();
  EXPECT_EQ(Values(frames), FramesOf(rows));
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_TRUE(frames[1].discont());
}

TEST(LfmSensorEnc, DiscontCanReset) {
  const std::vector<SensorRow> rows = Regular(4);
  Harness harness(EncoderElement("every=0 reset-on=discont"));
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  PushRows(harness, std::span(rows).first(2));
  ASSERT_EQ(PushRow(harness, rows[0], std::nullopt, GST_BUFFER_FLAG_DISCONT), GST_FLOW_OK);
  PushRows(harness, std::span(rows).subspan(1));
  const std::vector<Frame> frames = harness.PullAll();
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[0].As<float>(), FramesOf(std::span(rows).first(2), true)[0]);
  EXPECT_EQ(frames[1].As<float>(), FramesOf(rows)[0]);
  EXPECT_TRUE(frames[1].discont());
}

TEST(LfmSensorEnc, GapsArePassedOnAndTimeGoesOn) {
  std::vector<SensorRow> rows = Regular(4);
  rows[3].time_ns += 10 * kSecondNs;
  Harness harness(EncoderElement("every=0"));
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  PushRows(harness, std::span(rows).first(3));
  harness.PushEvent(gst_event_new_gap(3 * kSecondNs, 10 * kSecondNs));
  GstEvent* gap = harness.PullEvent(GST_EVENT_GAP);
  ASSERT_NE(gap, nullptr);
  GstClockTime at = 0, duration = 0;
  gst_event_parse_gap(gap, &at, &duration);
  EXPECT_EQ(at, 3u * kSecondNs);
  EXPECT_EQ(duration, 10u * kSecondNs);
  gst_event_unref(gap);
  PushRows(harness, std::span(rows).subspan(3));
  EXPECT_EQ(Values(harness.PullAll()), FramesOf(rows));
}

TEST(LfmSensorEnc, AGapBufferIsARowOfMissingValues) {
  std::vector<SensorRow> rows = Regular(4);
  Harness harness(EncoderElement("every=0"));
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  for (size_t i = 0; i < 4; ++i)
    PushRow(harness, rows[i], std::nullopt, i == 2 ? GST_BUFFER_FLAG_GAP : 0);
  rows[2].values[0] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(Values(harness.PullAll()), FramesOf(rows));
}

TEST(LfmSensorEnc, FlushForgetsUnlessToldOtherwise) {
  Harness harness(EncoderElement("every=0"));
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  PushRows(harness, Regular(3));
  harness.Flush();
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  PushRows(harness, Regular(4));
  EXPECT_EQ(Values(harness.PullAll()), FramesOf(Regular(4)));

  const std::vector<SensorRow> rows = Regular(8);
  Harness keeps(EncoderElement("every=0 reset-on=stream-start"));
  keeps.Start("a", RowCaps(1), GST_FORMAT_TIME);
  PushRows(keeps, std::span(rows).first(6));
  keeps.PullAll();
  keeps.Flush();
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  keeps.PushEvent(gst_event_new_segment(&segment));
  EXPECT_FALSE(keeps.Pull());
  PushRows(keeps, std::span(rows).subspan(6));
  const std::vector<Frame> frames = keeps.PullAll();
  ASSERT_FALSE(frames.empty());
  EXPECT_EQ(frames.back().As<float>(), FramesOf(rows).back());
}

TEST(LfmSensorEnc, LatencyIsThatOfItsFraming) {
  Harness harness(EncoderElement("every=0"));
  gst_harness_set_upstream_latency(harness.get(), 5);
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  EXPECT_EQ(gst_harness_query_latency(harness.get()), 5u);  // no interval is known yet
  PushRows(harness, Regular(4));
  EXPECT_EQ(gst_harness_query_latency(harness.get()), 5u + (kPatch - 1) * kSecondNs);
  g_object_set(harness.Find("lfmsensorenc"), "every", 1, nullptr);
  EXPECT_EQ(gst_harness_query_latency(harness.get()), 5u);
}

TEST(LfmSensorEnc, QosDropsNothing) {
  Harness harness(EncoderElement("every=0"));
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  const std::vector<SensorRow> rows = Regular(8);
  PushRows(harness, std::span(rows).first(3));
  gst_harness_push_upstream_event(
      harness.get(), gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 0.1, 1000 * kSecondNs, 0));
  PushRows(harness, std::span(rows).subspan(3));
  EXPECT_EQ(Values(harness.PullAll()), FramesOf(rows));
}

TEST(LfmSensorEnc, AsksForAlignedBuffers) {
  Harness harness(EncoderElement());
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  GstQuery* query = gst_query_new_allocation(nullptr, FALSE);
  EXPECT_TRUE(gst_pad_peer_query(harness.get()->srcpad, query));
  ASSERT_EQ(gst_query_get_n_allocation_params(query), 1u);
  GstAllocationParams params;
  gst_query_parse_nth_allocation_param(query, 0, nullptr, &params);
  EXPECT_EQ(params.align, 63u);
  gst_query_unref(query);
}

TEST(LfmSensorEnc, MarkersKeepTheirPlace) {
  Harness harness(EncoderElement());
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  harness.EventNames();
  harness.PushEvent(OwnEvent("lfm/marker", 3));
  EXPECT_EQ(harness.EventNames(), "custom-downstream");
}

TEST(LfmSensorEnc, ForgetsTheStreamInReady) {
  Harness harness(EncoderElement("every=0"));
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  PushRows(harness, Regular(3));
  gst_element_set_state(harness.element(), GST_STATE_READY);
  EXPECT_EQ(Count(harness, "rows"), 3u);
  gst_element_set_state(harness.element(), GST_STATE_PLAYING);
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  PushRows(harness, Regular(4));
  EXPECT_EQ(Values(harness.PullAll()), FramesOf(Regular(4)));
  EXPECT_EQ(Count(harness, "rows"), 4u);
}

}  // namespace
}  // namespace rill

// Manners of lfmbackbone: every row of the event table that applies.
#include "tests/plugins/sensor_rows.h"

namespace rill {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

// Frames of regular rows come in through an encoder, hidden frames go out.
std::string WithEncoder(const std::string& encoder, const std::string& backbone) {
  return EncoderElement("every=0 reset-on=0 " + encoder) + " ! " + BackboneElement(backbone);
}

std::vector<SensorRow> Rows(size_t count) { return MakeRows(count, 2, 11); }

std::vector<std::vector<float>> Values(Harness& harness) {
  std::vector<std::vector<float>> values;
  for (const Frame& frame : harness.PullAll()) values.push_back(frame.As<float>());
  return values;
}

// Hidden frames of the rows; the backbone is reset before the frames that rows from `reset` on end.
std::vector<std::vector<float>> Hidden(std::span<const SensorRow> rows, size_t reset = SIZE_MAX) {
  const std::shared_ptr<const Model> model = *Model::Shared(kModelPath);
  SensorStage sensor = *SensorStage::Open(model, 2);
  BackboneStage backbone(model, 2);
  FrameBlock block(2, kWidth);
  std::vector<std::vector<float>> hidden;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (i == reset) backbone.Reset();
    EXPECT_TRUE(sensor.Push(rows[i].time_ns, rows[i].values));
    while (sensor.Next(block)) {
      EXPECT_TRUE(backbone.Run(block));
      hidden.push_back(block.values);
    }
  }
  return hidden;
}

TEST(LfmBackbone, RunsEveryFrameAndKeepsTheRest) {
  const std::vector<SensorRow> rows = Rows(40);
  Harness harness(WithEncoder("", ""));
  harness.Start("a", RowCaps(2, ",lfm-columns=(string)<\"x\",\"y\">"), GST_FORMAT_TIME);
  PushRows(harness, rows, 100 * kSecondNs);
  gst_harness_push_upstream_event(
      harness.get(), gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 0.1, 1000 * kSecondNs, 0));
  const std::vector<Frame> frames = harness.PullAll();
  const std::vector<std::vector<float>> want = Hidden(rows);
  ASSERT_EQ(frames.size(), want.size());
  for (size_t i = 0; i < frames.size(); ++i) {
    EXPECT_EQ(frames[i].As<float>(), want[i]);
    EXPECT_EQ(frames[i].unix_ns, frames[i].pts + 100 * kSecondNs);
  }
  const std::string caps = harness.SourceCaps();
  EXPECT_NE(caps.find((*Model::Shared(kModelPath))->space() + "/hidden"), std::string::npos);
  EXPECT_NE(caps.find("lfm-columns=(string)< x, y >"), std::string::npos) << caps;
}

TEST(LfmBackbone, GoesOnThroughSegmentsGapsAndQos) {
  const std::vector<SensorRow> rows = Rows(24);
  Harness harness(WithEncoder("", ""));
  harness.Start("a", RowCaps(2), GST_FORMAT_TIME);
  PushRows(harness, std::span(rows).first(12));
  harness.EventNames();
  harness.PushEvent(gst_event_new_gap(static_cast<GstClockTime>(rows[11].time_ns), kSecondNs));
  EXPECT_EQ(harness.EventNames(), "gap");
  gst_harness_push_upstream_event(
      harness.get(), gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 0.1, 1000 * kSecondNs, 0));
  PushRows(harness, std::span(rows).subspan(12));
  EXPECT_EQ(Values(harness), Hidden(rows));
}

TEST(LfmBackbone, AnotherStreamStartsAfresh) {
  const std::vector<SensorRow> rows = Rows(24);
  const size_t from = 12;
  for (const bool resets : {true, false}) {
    Harness harness(WithEncoder("", resets ? "" : "reset-on=flush"));
    harness.Start("a", RowCaps(2), GST_FORMAT_TIME);
    PushRows(harness, std::span(rows).first(from));
    harness.PushEvent(gst_event_new_stream_start("a"));  // the same again
    harness.PushEvent(gst_event_new_stream_start("b"));
    PushRows(harness, std::span(rows).subspan(from));
    EXPECT_EQ(Values(harness), Hidden(rows, resets ? from : SIZE_MAX));
  }
}

TEST(LfmBackbone, FlushForgetsUnlessToldOtherwise) {
  const std::vector<SensorRow> rows = Rows(24);
  for (const bool resets : {true, false}) {
    Harness harness(WithEncoder("", resets ? "" : "reset-on=stream-start"));
    harness.Start("a", RowCaps(2), GST_FORMAT_TIME);
    PushRows(harness, std::span(rows).first(12));
    std::vector<std::vector<float>> got = Values(harness);
    harness.Flush();
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    harness.PushEvent(gst_event_new_segment(&segment));
    PushRows(harness, std::span(rows).subspan(12));
    for (const auto& values : Values(harness)) got.push_back(values);
    EXPECT_EQ(got, Hidden(rows, resets ? 12 : SIZE_MAX));
  }
}

TEST(LfmBackbone, DiscontCanReset) {
  const std::vector<SensorRow> rows = Rows(24);
  for (const bool resets : {true, false}) {
    Harness harness(WithEncoder("", resets ? "reset-on=discont" : ""));
    harness.Start("a", RowCaps(2), GST_FORMAT_TIME);
    PushRows(harness, std::span(rows).first(12));
    PushRow(harness, rows[12], std::nullopt, GST_BUFFER_FLAG_DISCONT);
    PushRows(harness, std::span(rows).subspan(13));
    EXPECT_EQ(Values(harness), Hidden(rows, resets ? 12 : SIZE_MAX));
  }
}

TEST(LfmBackbone, ForgetsTheStreamInReady) {
  const std::vector<SensorRow> rows = Rows(12);
  Harness harness(WithEncoder("", ""));
  for (int i = 0; i < 2; ++i) {
    harness.Start("a", RowCaps(2), GST_FORMAT_TIME);
    PushRows(harness, rows);
    EXPECT_EQ(Values(harness), Hidden(rows));
    gst_element_set_state(harness.element(), GST_STATE_READY);
    gst_element_set_state(harness.element(), GST_STATE_PLAYING);
  }
}

TEST(LfmBackbone, PassesMarkersAndLatencyOn) {
  Harness harness(WithEncoder("", ""));
  gst_harness_set_upstream_latency(harness.get(), 5);
  harness.Start("a", RowCaps(2), GST_FORMAT_TIME);
  harness.EventNames();
  harness.PushEvent(OwnEvent("lfm/marker", 3));
  EXPECT_EQ(harness.EventNames(), "custom-downstream");
  EXPECT_EQ(gst_harness_query_latency(harness.get()), 5u);
  harness.Eos();
  EXPECT_EQ(harness.EventNames(), "eos");
}

TEST(LfmBackbone, RefusesFramesOfAnotherModelNamingBoth) {
  Harness harness(BackboneElement());
  harness.PushEvent(gst_event_new_stream_start("a"));
  GstCaps* caps = gst_caps_from_string(
      "other/tensors,format=static,num_tensors=1,types=float32,dimensions=(string)16:1:1:1,"
      "framerate=(fraction)0/1,lfm-space=(string)0123456789abcdef/embedding");
  harness.PushEvent(gst_event_new_caps(caps));
  gst_caps_unref(caps);
  const std::shared_ptr<const Model> model = *Model::Shared(kModelPath);
  EXPECT_EQ(harness.BusError(), "frames of \"0123456789abcdef/embedding\" were offered, " +
                                    model->name() + " takes those of \"" + model->space() +
                                    "/embedding\"");
  EXPECT_EQ(harness.BusError(), "");
}

TEST(LfmBackbone, RefusesFramesThatLostTheirNotes) {
  Harness harness(BackboneElement());
  harness.Start("a",
                "other/tensors,format=static,num_tensors=1,types=float32,dimensions=(string)"
                "16:1:1:1,framerate=(fraction)0/1,lfm-space=(string)" +
                    (*Model::Shared(kModelPath))->space() + "/embedding",
                GST_FORMAT_TIME);
  EXPECT_EQ(harness.Push(std::string(64, '\0'), 0), GST_FLOW_ERROR);
  EXPECT_EQ(harness.BusError(), "a frame has lost its LfmFrameMeta on the way from the encoder");
  GstQuery* query = gst_query_new_allocation(nullptr, FALSE);
  EXPECT_TRUE(gst_pad_peer_query(harness.get()->srcpad, query));
  EXPECT_EQ(gst_query_get_n_allocation_params(query), 1u);
  gst_query_unref(query);
}

}  // namespace
}  // namespace rill

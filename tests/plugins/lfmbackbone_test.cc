// Manners of lfmbackbone: every row of the event table that applies.
#include <gmock/gmock.h>

#include "pipeline/model_instance.h"
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
std::vector<std::vector<float>> Hidden(
    std::span<const SensorRow> rows, size_t reset = SIZE_MAX,
    const std::shared_ptr<const Model>& model = *Model::Shared(kModelPath)) {
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

// A snapshot after the rows, with numbers in the first short convolution that are finite, but that
// nothing can be added to.
GBytes* NearlyInfinite(std::span<const SensorRow> rows) {
  constexpr float kLarge = 3e38f;
  Session session = OpenSession(2, 0);
  Expect(session, rows);
  Snapshot snapshot = *Snapshot::Parse(session.Save());
  for (const auto& [name, slot] : (*Model::Shared(kModelPath))->backbone().layout().entries())
    if (name == "blk.0.short_conv.history")
      for (size_t i = 0; i < slot.count; ++i)
        std::memcpy(snapshot.parts[1].bytes.data() + slot.offset_bytes + i * sizeof kLarge, &kLarge,
                    sizeof kLarge);
  const std::vector<std::byte> bytes = snapshot.Serialize();
  return g_bytes_new(bytes.data(), bytes.size());
}

TEST(LfmBackbone, AStateThatIsNotFiniteIsAnErrorOrStartsAfresh) {
  const std::vector<SensorRow> rows = Rows(24);
  for (const bool resets : {true, false}) {
    Harness harness(WithEncoder("", resets ? "reset-on=stream-start+non-finite" : ""));
    harness.Start("a", RowCaps(2), GST_FORMAT_TIME);
    PushRows(harness, std::span(rows).first(12));
    GBytes* state = NearlyInfinite(std::span(rows).first(12));
    g_object_set(harness.Find("lfmbackbone"), "state", state, nullptr);
    g_bytes_unref(state);
    if (resets) {
      const size_t before = Values(harness).size();
      PushRows(harness, std::span(rows).subspan(12));
      std::vector<std::vector<float>> want = Hidden(rows, 12), got;
      want.erase(want.begin(), want.begin() + static_cast<ptrdiff_t>(before));
      const std::vector<Frame> frames = harness.PullAll();
      for (const Frame& frame : frames) got.push_back(frame.As<float>());
      EXPECT_EQ(got, want);
      EXPECT_TRUE(frames[0].discont());
      EXPECT_FALSE(frames[1].discont());
      EXPECT_THAT(harness.BusWarning(), ::testing::HasSubstr("no longer finite"));
      EXPECT_EQ(harness.BusWarning(), "");
    } else {
      GstFlowReturn flow = GST_FLOW_OK;
      for (size_t i = 12; i < rows.size() && flow == GST_FLOW_OK; ++i)
        flow = PushRow(harness, rows[i]);
      EXPECT_EQ(flow, GST_FLOW_ERROR);
      EXPECT_THAT(harness.BusError(), ::testing::HasSubstr("no longer finite, in the state blk."));
    }
  }
}

TEST(LfmBackbone, KeepsKeysAndValuesAsPreciseAsTold) {
  const std::vector<SensorRow> rows = Rows(40);
  const std::string precise = "kv-precision=f32";
  Harness harness(WithEncoder(precise, precise));
  harness.Start("a", RowCaps(2), GST_FORMAT_TIME);
  PushRows(harness, rows);
  EXPECT_EQ(
      Values(harness),
      Hidden(rows, SIZE_MAX, *Model::Shared(kModelPath, {.cache = CachePrecision::kFloat32})));
  EXPECT_NE(Hidden(rows), Hidden(rows, SIZE_MAX,
                                 *Model::Shared(kModelPath, {.cache = CachePrecision::kFloat32})));

  const auto half = OpenModel(kModelPath, "precise-or-not");
  EXPECT_EQ(
      OpenModel(kModelPath, "precise-or-not", {.cache = CachePrecision::kFloat32}).error().message,
      "model-instance-id \"precise-or-not\" stands for " + (*half)->weights().name() +
          " with another precision of keys and values, context, window or sinks");
}

TEST(LfmBackbone, TellsThatItLoads) {
  GstElement* element = gst_element_factory_make("lfmbackbone", nullptr);
  GstBus* bus = gst_bus_new();
  gst_element_set_bus(element, bus);
  const auto progress = [&] {
    GstProgressType type = GST_PROGRESS_TYPE_CANCELED;
    gchar* code = nullptr;
    gchar* text = nullptr;
    GstMessage* message = gst_bus_pop_filtered(bus, GST_MESSAGE_PROGRESS);
    if (message == nullptr) return std::string();
    gst_message_parse_progress(message, &type, &code, &text);
    std::string line = std::to_string(type) + " " + code + ": " + text;
    g_free(code);
    g_free(text);
    gst_message_unref(message);
    return line;
  };
  const std::string model = (*Model::Shared(kModelPath))->name();
  g_object_set(element, "model-path", kModelPath.c_str(), nullptr);
  EXPECT_EQ(gst_element_set_state(element, GST_STATE_PAUSED), GST_STATE_CHANGE_SUCCESS);
  EXPECT_EQ(progress(), std::to_string(GST_PROGRESS_TYPE_START) + " loading: loading the model");
  EXPECT_EQ(progress(),
            std::to_string(GST_PROGRESS_TYPE_COMPLETE) + " loading: " + model + " is loaded");
  gst_element_set_state(element, GST_STATE_NULL);
  g_object_set(element, "model-path", "/no/such.gguf", nullptr);
  EXPECT_EQ(gst_element_set_state(element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  progress();
  EXPECT_THAT(progress(), ::testing::StartsWith(std::to_string(GST_PROGRESS_TYPE_ERROR)));
  gst_element_set_state(element, GST_STATE_NULL);
  gst_element_set_bus(element, nullptr);
  gst_object_unref(bus);
  gst_object_unref(element);
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
}

TEST(LfmBackbone, OffersAlignedBuffersAndAPool) {
  Harness harness(BackboneElement());
  GstCaps* caps = gst_caps_from_string(RowCaps(5).c_str());
  GstQuery* query = gst_query_new_allocation(caps, TRUE);
  EXPECT_TRUE(gst_pad_peer_query(harness.get()->srcpad, query));
  ASSERT_EQ(gst_query_get_n_allocation_params(query), 1u);
  ASSERT_EQ(gst_query_get_n_allocation_pools(query), 1u);
  GstBufferPool* pool = nullptr;
  guint bytes = 0;
  gst_query_parse_nth_allocation_pool(query, 0, &pool, &bytes, nullptr, nullptr);
  EXPECT_EQ(bytes, 5 * sizeof(double));
  ASSERT_TRUE(gst_buffer_pool_set_active(pool, TRUE));
  GstBuffer* buffer = nullptr;
  ASSERT_EQ(gst_buffer_pool_acquire_buffer(pool, &buffer, nullptr), GST_FLOW_OK);
  EXPECT_EQ(gst_buffer_get_size(buffer), bytes);
  GstMapInfo map;
  ASSERT_TRUE(gst_buffer_map(buffer, &map, GST_MAP_READ));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(map.data) % 64, 0u);
  gst_buffer_unmap(buffer, &map);
  gst_buffer_unref(buffer);
  gst_buffer_pool_set_active(pool, FALSE);
  gst_object_unref(pool);
  gst_query_unref(query);

  GstQuery* bare = gst_query_new_allocation(nullptr, FALSE);
  EXPECT_TRUE(gst_pad_peer_query(harness.get()->srcpad, bare));
  EXPECT_EQ(gst_query_get_n_allocation_params(bare), 1u);
  EXPECT_EQ(gst_query_get_n_allocation_pools(bare), 0u);
  gst_query_unref(bare);
  gst_caps_unref(caps);
}

}  // namespace
}  // namespace rill

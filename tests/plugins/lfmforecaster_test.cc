// lfmforecaster: one element for the chain, and a stream that survives its process.
#include <glib/gstdio.h>

#include <filesystem>
#include <fstream>

#include "pipeline/files.h"
#include "pipeline/forecast_json.h"
#include "tests/plugins/sensor_rows.h"

namespace rill {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

class LfmForecaster : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = (std::filesystem::temp_directory_path() / "rill-forecaster-XXXXXX").string();
    ASSERT_NE(g_mkdtemp(folder_.data()), nullptr);
    state_ = folder_ + "/stream.state";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Element(const std::string& properties) const {
    return "lfmforecaster" + kModelProperty + properties;
  }

  std::string folder_, state_;
};

TEST_F(LfmForecaster, PrintsJsonLines) {
  const std::vector<SensorRow> rows = MakeRows(12, 2, 31);
  Harness harness(Element("every=4 horizon=3"));
  harness.Start("a", RowCaps(2), GST_FORMAT_TIME);
  PushRows(harness, rows);
  Session session = OpenSession(2, 4, 3);
  const std::vector<Forecast> want = Expect(session, rows);
  const std::vector<Frame> got = harness.PullAll();
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i].bytes, ToJson(want[i], {}) + "\n");
  guint every = 0;
  gchar* path = nullptr;
  g_object_get(harness.Find("lfmforecaster"), "every", &every, "model-path", &path, nullptr);
  EXPECT_EQ(every, 4u);
  EXPECT_EQ(path, kModelPath);
  g_free(path);
}

TEST_F(LfmForecaster, GoesOnFromTheFileItKept) {
  const std::vector<SensorRow> rows = MakeRows(60, 2, 32);
  Session session = OpenSession(2, 7);
  const std::vector<Forecast> want = Expect(session, rows);
  {
    // Stopped in the middle: the last write was after row 30.
    Harness first(Element("format=tensors every=7 state-interval=10 state-location=" + state_));
    first.Start("a", RowCaps(2), GST_FORMAT_TIME);
    PushRows(first, std::span(rows).first(34));
  }
  Session at_30 = OpenSession(2, 7);
  Expect(at_30, std::span(rows).first(30));
  EXPECT_EQ(*ReadFile(state_, 1 << 20), at_30.Save());
  {
    // The rows come again from the first on.
    Harness second(Element("format=tensors every=7 state-location=" + state_));
    second.Start("a", RowCaps(2), GST_FORMAT_TIME);
    PushRows(second, rows);
    ExpectSame(second.PullAll(), Expect(at_30, std::span(rows).subspan(30)));
    GstStructure* stats = nullptr;
    g_object_get(second.Find("lfmforecaster"), "stats", &stats, nullptr);
    guint64 skipped = 0;
    gst_structure_get_uint64(stats, "skipped-rows", &skipped);
    EXPECT_EQ(skipped, 30u);
    gst_structure_free(stats);
    second.Eos();
  }
  EXPECT_EQ(*ReadFile(state_, 1 << 20), session.Save());
}

TEST_F(LfmForecaster, SaysWhereItGoesOn) {
  Session session = OpenSession(1, 0);
  ASSERT_TRUE(session.Push(1'467'331'200 * kSecondNs, std::vector{1.0}));
  ASSERT_TRUE(WriteAtomically(state_, session.Save()));
  GstElement* pipeline = gst_parse_launch(
      ("fakesrc ! " + Element("state-location=" + state_) + " ! fakesink").c_str(), nullptr);
  GstBus* bus = gst_element_get_bus(pipeline);
  gst_element_set_state(pipeline, GST_STATE_PAUSED);
  GstMessage* message = gst_bus_timed_pop_filtered(bus, 5 * GST_SECOND, GST_MESSAGE_ELEMENT);
  ASSERT_NE(message, nullptr);
  gchar* text = gst_structure_to_string(gst_message_get_structure(message));
  EXPECT_STREQ(text, "lfm-restored, position=(gint64)1, time=(string)2016-07-01T00:00:00Z;");
  g_free(text);
  gst_message_unref(message);
  gst_object_unref(bus);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}

TEST_F(LfmForecaster, SignalsAskForASnapshotAndAReset) {
  const std::vector<SensorRow> rows = MakeRows(10, 1, 33);
  Harness harness(Element("format=tensors every=10"));
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  PushRows(harness, std::span(rows).first(5));
  g_signal_emit_by_name(harness.Find("lfmforecaster"), "snapshot");
  GstMessage* message = harness.PopMessage("lfm-snapshot");
  ASSERT_NE(message, nullptr);
  gst_message_unref(message);
  g_signal_emit_by_name(harness.Find("lfmforecaster"), "reset-state");
  PushRows(harness, rows);
  Session session = OpenSession(1, 10);
  ExpectSame(harness.PullAll(), Expect(session, rows));
}

TEST_F(LfmForecaster, TakesTheStateOfASession) {
  const std::vector<SensorRow> rows = MakeRows(20, 1, 35);
  Session session = OpenSession(1, 3);
  Expect(session, std::span(rows).first(11));
  const std::vector<std::byte> saved = session.Save();
  Harness harness(Element("format=tensors every=3"));
  GBytes* state = g_bytes_new(saved.data(), saved.size());
  g_object_set(harness.Find("lfmforecaster"), "state", state, nullptr);
  g_bytes_unref(state);
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  PushRows(harness, std::span(rows).subspan(11));
  ExpectSame(harness.PullAll(), Expect(session, std::span(rows).subspan(11)));
}

// The encoder has taken the row already when the state is set; the others have not.
TEST_F(LfmForecaster, TakesAStateInBetweenTwoRows) {
  const std::vector<SensorRow> rows = MakeRows(20, 1, 36);
  Session before = OpenSession(1, 1), after = OpenSession(1, 1);
  Expect(after, std::span(rows).first(11));
  const std::vector<std::byte> saved = after.Save();
  std::vector<Forecast> want = Expect(before, std::span(rows).first(5));
  for (Forecast& forecast : Expect(after, std::span(rows).subspan(11)))
    want.push_back(std::move(forecast));

  Harness harness(Element("format=tensors every=1"));
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  PushRows(harness, std::span(rows).first(4));
  struct Late {
    GstElement* bin;
    GBytes* state;
  } late = {harness.Find("lfmforecaster"), g_bytes_new(saved.data(), saved.size())};
  GstPad* inside = gst_element_get_static_pad(harness.Find("lfmbackbone"), "sink");
  gst_pad_add_probe(
      inside, GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad*, GstPadProbeInfo*, gpointer data) {
        g_object_set(static_cast<Late*>(data)->bin, "state", static_cast<Late*>(data)->state,
                     nullptr);
        return GST_PAD_PROBE_REMOVE;
      },
      &late, nullptr);
  gst_object_unref(inside);
  PushRows(harness, std::span(rows).subspan(4, 1));
  g_bytes_unref(late.state);
  PushRows(harness, std::span(rows).subspan(11));
  ExpectSame(harness.PullAll(), want);
}

TEST_F(LfmForecaster, RefusesAStateOfOtherChannels) {
  const std::vector<std::byte> saved = OpenSession(2, 3).Save();
  Harness harness(Element(""));
  GBytes* state = g_bytes_new(saved.data(), saved.size());
  g_object_set(harness.Find("lfmforecaster"), "state", state, nullptr);
  g_bytes_unref(state);
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  EXPECT_EQ(PushRow(harness, {0, {1.0}}), GST_FLOW_ERROR);
  EXPECT_EQ(harness.BusError(),
            "snapshot's state of sensor has another layout: other options or channels");
}

// A stream that fails ends, and its end asks for a snapshot.
TEST_F(LfmForecaster, AFailedStreamLeavesItsFileAlone) {
  constexpr float kLarge = 3e38f;
  const std::vector<SensorRow> rows = MakeRows(12, 1, 35);
  Session session = OpenSession(1, 3);
  Expect(session, std::span(rows).first(4));
  Snapshot snapshot = *Snapshot::Parse(session.Save());
  for (const auto& [name, slot] : (*Model::Shared(kModelPath))->backbone().layout().entries())
    if (name == "blk.0.short_conv.history")  // finite, but nothing can be added to it
      for (size_t i = 0; i < slot.count; ++i)
        std::memcpy(snapshot.parts[1].bytes.data() + slot.offset_bytes + i * sizeof kLarge, &kLarge,
                    sizeof kLarge);
  const std::vector<std::byte> bytes = snapshot.Serialize();
  ASSERT_TRUE(WriteAtomically(state_, bytes));

  Harness harness(Element("every=0 state-location=" + state_));
  harness.Start("a", RowCaps(1), GST_FORMAT_TIME);
  GstFlowReturn flow = GST_FLOW_OK;
  for (size_t i = 0; i < rows.size() && flow == GST_FLOW_OK; ++i) flow = PushRow(harness, rows[i]);
  EXPECT_EQ(flow, GST_FLOW_ERROR);
  harness.Eos();
  EXPECT_EQ(harness.BusWarning().find(state_ + " is not written: snapshot: "), 0u);
  EXPECT_EQ(*ReadFile(state_, 1 << 20), bytes);
}

TEST_F(LfmForecaster, SaysWhyItDoesNotStart) {
  EXPECT_NE(StartError("lfmforecaster model-path=/no/such.gguf").find("\"/no/such.gguf\""),
            std::string::npos);
  EXPECT_EQ(StartError(Element("horizon=7")), "a horizon of 7 steps, the model forecasts 1 to 6");
  std::ofstream(state_) << "RILLSNAP and nothing that makes sense";
  EXPECT_EQ(StartError(Element("state-location=" + state_)).find(state_ + ": "), 0u);
}

TEST_F(LfmForecaster, ModelsGoByTheNameOfTheirInstance) {
  Harness first(Element("model-instance-id=shared"));
  Harness second("lfmforecaster model-instance-id=shared every=4 format=tensors");
  const std::vector<SensorRow> rows = MakeRows(8, 1, 34);
  second.Start("a", RowCaps(1), GST_FORMAT_TIME);
  PushRows(second, rows);
  Session session = OpenSession(1, 4);
  ExpectSame(second.PullAll(), Expect(session, rows));
  const std::string copy = folder_ + "/copy.gguf";
  std::filesystem::copy_file(kModelPath, copy);
  EXPECT_EQ(StartError("lfmforecaster model-instance-id=shared model-path=" + copy),
            "model-instance-id \"shared\" stands for " + kModelPath + ", not for " + copy);
}

}  // namespace
}  // namespace rill

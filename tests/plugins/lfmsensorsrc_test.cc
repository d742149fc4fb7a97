// lfmsensorsrc in pipelines, with sockets on loopback.
#include <gst/app/gstappsink.h>
#include <gst/check/gstharness.h>
#include <gst/gst.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "tests/pipeline/net_peers.h"

namespace rill {
namespace {

constexpr GstClockTime kHangGuardNs = 20 * GST_SECOND;

// A playing pipeline of the source `src` and the sink `sink`.
class Pipeline {
 public:
  explicit Pipeline(const std::string& source, GstState state = GST_STATE_PLAYING) {
    GError* error = nullptr;
    pipeline_ = gst_parse_launch((source + " ! appsink name=sink sync=false").c_str(), &error);
    EXPECT_EQ(error, nullptr) << error->message;
    sink_ = gst_bin_get_by_name(GST_BIN(pipeline_), "sink");
    GValue item = G_VALUE_INIT;
    GstIterator* sources = gst_bin_iterate_sources(GST_BIN(pipeline_));
    EXPECT_EQ(gst_iterator_next(sources, &item), GST_ITERATOR_OK);
    source_ = GST_ELEMENT(g_value_dup_object(&item));
    g_value_unset(&item);
    gst_iterator_free(sources);
    EXPECT_NE(Set(state), GST_STATE_CHANGE_FAILURE);
  }
  ~Pipeline() {
    Set(GST_STATE_NULL);
    gst_object_unref(source_);
    gst_object_unref(sink_);
    gst_object_unref(pipeline_);
  }
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  GstStateChangeReturn Set(GstState state) { return gst_element_set_state(pipeline_, state); }
  GstElement* source() const { return source_; }

  uint32_t port() const {
    guint port = 0;
    g_object_get(source_, "current-port", &port, nullptr);
    return port;
  }

  // The next sample, to be unreferenced; null at EOS.
  GstSample* Pull() { return gst_app_sink_try_pull_sample(GST_APP_SINK(sink_), kHangGuardNs); }

  std::string PullText(size_t bytes) {
    std::string text;
    while (text.size() < bytes) {
      GstSample* sample = Pull();
      EXPECT_NE(sample, nullptr);
      if (sample == nullptr) break;
      GstMapInfo map;
      gst_buffer_map(gst_sample_get_buffer(sample), &map, GST_MAP_READ);
      text.append(reinterpret_cast<const char*>(map.data), map.size);
      gst_buffer_unmap(gst_sample_get_buffer(sample), &map);
      gst_sample_unref(sample);
    }
    return text;
  }

  // The text of the next message of a kind.
  std::string Message(GstMessageType type) {
    GstBus* bus = gst_element_get_bus(pipeline_);
    GstMessage* message = gst_bus_timed_pop_filtered(bus, kHangGuardNs, type);
    gst_object_unref(bus);
    EXPECT_NE(message, nullptr);
    if (message == nullptr) return "";
    GError* error = nullptr;
    if (type == GST_MESSAGE_ERROR) gst_message_parse_error(message, &error, nullptr);
    if (type == GST_MESSAGE_WARNING) gst_message_parse_warning(message, &error, nullptr);
    const std::string text = error == nullptr ? "" : error->message;
    g_clear_error(&error);
    gst_message_unref(message);
    return text;
  }

  guint64 Stat(const char* name) {
    GstStructure* stats = nullptr;
    g_object_get(source_, "stats", &stats, nullptr);
    guint64 value = 0;
    EXPECT_TRUE(gst_structure_get_uint64(stats, name, &value)) << name;
    gst_structure_free(stats);
    return value;
  }

  void WaitForStat(const char* name, guint64 value) {
    for (int i = 0; i < 20'000 && Stat(name) < value; ++i) g_usleep(1000);
    EXPECT_GE(Stat(name), value) << name;
  }

 private:
  GstElement* pipeline_ = nullptr;
  GstElement* source_ = nullptr;
  GstElement* sink_ = nullptr;
};

TEST(LfmSensorSrc, DeliversOverEveryProtocolAsServer) {
  for (const std::string protocol : {"tcp", "udp", "websocket"}) {
    Pipeline pipeline("lfmsensorsrc protocol=" + protocol);
    TestSocket client;
    if (protocol == "tcp") client = TestSocket::Connect(pipeline.port());
    if (protocol == "udp") client = TestSocket::Udp(pipeline.port());
    if (protocol == "websocket") client = ConnectWebSocket(pipeline.port());
    client.Send(protocol == "websocket" ? Frame(1, "1,2,3") : "1,2,3\n");
    EXPECT_EQ(pipeline.PullText(6), "1,2,3\n") << protocol;
  }
}

TEST(LfmSensorSrc, DeliversOverEveryProtocolAsClient) {
  for (const std::string scheme : {"lfmtcp", "lfmudp", "lfmws"}) {
    const bool udp = scheme == "lfmudp";
    TestSocket listener = udp ? TestSocket::Udp() : TestSocket::Listen();
    Pipeline pipeline(scheme + "://127.0.0.1:" + std::to_string(listener.port()));
    TestSocket server = udp ? std::move(listener) : listener.Accept();
    if (udp) server.Answer();
    if (scheme == "lfmws") AcceptWebSocket(server);
    server.Send(scheme == "lfmws" ? Frame(2, "1,2,3", Masking::kOff) : "1,2,3\n");
    EXPECT_EQ(pipeline.PullText(6), "1,2,3\n") << scheme;
  }
}

TEST(LfmSensorSrc, StampsBuffersWithTheirArrival) {
  Pipeline pipeline("lfmsensorsrc caps=text/csv");
  TestSocket client = TestSocket::Connect(pipeline.port());
  GstClockTime last = 0;
  for (int i = 0; i < 3; ++i) {
    client.Send("1,2\n");
    GstSample* sample = pipeline.Pull();
    ASSERT_NE(sample, nullptr);
    GstBuffer* buffer = gst_sample_get_buffer(sample);
    EXPECT_TRUE(GST_BUFFER_PTS_IS_VALID(buffer));
    EXPECT_GE(GST_BUFFER_PTS(buffer), last);
    last = GST_BUFFER_PTS(buffer);
    EXPECT_EQ(GST_BUFFER_IS_DISCONT(buffer), i == 0);
    const auto* meta = gst_buffer_get_reference_timestamp_meta(buffer, nullptr);
    ASSERT_NE(meta, nullptr);
    EXPECT_TRUE(
        gst_structure_has_name(gst_caps_get_structure(meta->reference, 0), "timestamp/x-unix"));
    const GstClockTime now = static_cast<GstClockTime>(g_get_real_time()) * GST_USECOND;
    EXPECT_LE(meta->timestamp, now + GST_SECOND);
    EXPECT_GE(meta->timestamp + 60 * GST_SECOND, now);
    EXPECT_TRUE(
        gst_structure_has_name(gst_caps_get_structure(gst_sample_get_caps(sample), 0), "text/csv"));
    EXPECT_EQ(gst_sample_get_segment(sample)->format, GST_FORMAT_TIME);
    gst_sample_unref(sample);
  }
}

TEST(LfmSensorSrc, LeavesCapsOpenWhenNotTold) {
  Pipeline pipeline("lfmsensorsrc");
  TestSocket client = TestSocket::Connect(pipeline.port());
  client.Send("x\n");
  GstSample* sample = pipeline.Pull();
  ASSERT_NE(sample, nullptr);
  EXPECT_EQ(gst_sample_get_caps(sample), nullptr);
  gst_sample_unref(sample);
}

TEST(LfmSensorSrc, IsLiveWithoutLatency) {
  GstHarness* harness = gst_harness_new("lfmsensorsrc");
  gst_harness_play(harness);
  GstQuery* query = gst_query_new_latency();
  ASSERT_TRUE(gst_element_query(harness->element, query));
  gboolean live = FALSE;
  GstClockTime least = GST_CLOCK_TIME_NONE, most = 0;
  gst_query_parse_latency(query, &live, &least, &most);
  EXPECT_TRUE(live);
  EXPECT_EQ(least, 0u);
  EXPECT_EQ(most, GST_CLOCK_TIME_NONE);
  gst_query_unref(query);
  gst_harness_teardown(harness);
}

TEST(LfmSensorSrc, MarksAndTellsWhatWasLost) {
  Pipeline pipeline("lfmsensorsrc queue-messages=5 max-message-bytes=100 queue-bytes=1000",
                    GST_STATE_PAUSED);
  TestSocket client = TestSocket::Connect(pipeline.port());
  std::string text;
  for (int i = 0; i < 1000; ++i) text += std::to_string(i) + "\n";
  client.Send(text);
  client.Close();
  pipeline.WaitForStat("dropped", 1);
  while (pipeline.Stat("clients") > 0) g_usleep(1000);
  pipeline.Set(GST_STATE_PLAYING);
  GstSample* sample = pipeline.Pull();
  ASSERT_NE(sample, nullptr);
  EXPECT_TRUE(GST_BUFFER_IS_DISCONT(gst_sample_get_buffer(sample)));
  gst_sample_unref(sample);
  EXPECT_NE(pipeline.Message(GST_MESSAGE_WARNING).find("messages dropped so far"),
            std::string::npos);
}

TEST(LfmSensorSrc, EndsWithItsServerWhenItShallNotComeBack) {
  TestSocket listener = TestSocket::Listen();
  Pipeline pipeline("lfmsensorsrc mode=client reconnect-interval=0 port=" +
                    std::to_string(listener.port()));
  listener.Accept().Send("the end");
  EXPECT_EQ(pipeline.PullText(8), "the end\n");
  pipeline.Message(GST_MESSAGE_EOS);
}

TEST(LfmSensorSrc, EndsWhenToldTo) {
  Pipeline pipeline("lfmsensorsrc");
  gst_element_send_event(pipeline.source(), gst_event_new_eos());
  pipeline.Message(GST_MESSAGE_EOS);
}

TEST(LfmSensorSrc, ReportsWhatFails) {
  TestSocket taken = TestSocket::Listen();
  const std::string port = std::to_string(taken.port());
  Pipeline server("lfmsensorsrc port=" + port, GST_STATE_NULL);
  EXPECT_EQ(server.Set(GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
  EXPECT_EQ(server.Message(GST_MESSAGE_ERROR),
            "cannot listen on 127.0.0.1 port " + port + ": Address already in use");
  taken.Close();
  Pipeline client("lfmsensorsrc mode=client reconnect-interval=0 port=" + port);
  EXPECT_EQ(client.Message(GST_MESSAGE_ERROR),
            "cannot connect to 127.0.0.1 port " + port + ": Connection refused");
}

TEST(LfmSensorSrc, ChangesStateWithoutRemains) {
  const auto threads = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
  };
  const auto descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  const uint32_t nobody = TestSocket::Listen().port();
  for (const std::string& settings :
       {std::string("protocol=tcp"), std::string("protocol=udp"), std::string("protocol=websocket"),
        "mode=client port=" + std::to_string(nobody)}) {
    Pipeline pipeline("lfmsensorsrc " + settings, GST_STATE_NULL);
    const auto cycle = [&] {
      for (const GstState state : {GST_STATE_PLAYING, GST_STATE_PAUSED, GST_STATE_PLAYING,
                                   GST_STATE_READY, GST_STATE_PAUSED, GST_STATE_NULL})
        EXPECT_NE(pipeline.Set(state), GST_STATE_CHANGE_FAILURE);
    };
    cycle();  // GStreamer keeps a few of its own after the first
    const auto descriptors_before = descriptors();
    const auto threads_before = threads();
    for (int i = 0; i < 10; ++i) cycle();
    EXPECT_EQ(descriptors(), descriptors_before) << settings;
    for (int i = 0; i < 1000 && threads() > threads_before; ++i) g_usleep(5000);
    EXPECT_LE(threads(), threads_before) << settings;
    EXPECT_EQ(pipeline.port(), 0u);
  }
}

TEST(LfmSensorSrc, GoesOnAfterAPause) {
  Pipeline pipeline("lfmsensorsrc");
  TestSocket client = TestSocket::Connect(pipeline.port());
  client.Send("one\n");
  EXPECT_EQ(pipeline.PullText(4), "one\n");
  pipeline.Set(GST_STATE_PAUSED);
  client.Send("two\n");
  pipeline.WaitForStat("messages", 2);
  pipeline.Set(GST_STATE_PLAYING);
  EXPECT_EQ(pipeline.PullText(4), "two\n");
}

TEST(LfmSensorSrc, HandlesAddresses) {
  GError* error = nullptr;
  GstElement* source = gst_element_make_from_uri(
      GST_URI_SRC, "lfmws://[::1]:9000/sensors?mode=server", nullptr, &error);
  ASSERT_NE(source, nullptr) << error->message;
  gst_object_ref_sink(source);
  guint port = 0;
  gint protocol = 0, mode = -1;
  g_object_get(source, "port", &port, "protocol", &protocol, "mode", &mode, nullptr);
  EXPECT_EQ(port, 9000u);
  EXPECT_EQ(protocol, 2);
  EXPECT_EQ(mode, 0);
  gchar* uri = gst_uri_handler_get_uri(GST_URI_HANDLER(source));
  EXPECT_STREQ(uri, "lfmws://[::1]:9000/sensors?mode=server");
  g_free(uri);
  EXPECT_FALSE(gst_uri_handler_set_uri(GST_URI_HANDLER(source), "lfmtcp://nowhere", &error));
  ASSERT_NE(error, nullptr);
  EXPECT_EQ(error->code, GST_URI_ERROR_BAD_URI);
  g_clear_error(&error);
  gst_object_unref(source);
}

}  // namespace
}  // namespace rill

// GstHarness in C++: one element with one sink and one source pad, its bus, and short verbs.
//
//   Harness harness("lfmsensorparse input-format=csv");
//   harness.Start("stream-1", "text/csv", GST_FORMAT_BYTES);
//   EXPECT_EQ(harness.Push("time,a\n2020-01-01,1\n"), GST_FLOW_OK);
//   std::optional<Frame> row = harness.Pull();
#pragma once

#include <gst/check/gstharness.h>
#include <gst/gst.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rill {

// One buffer taken from the element, copied out.
struct Frame {
  GstClockTime pts = GST_CLOCK_TIME_NONE;
  GstClockTime duration = GST_CLOCK_TIME_NONE;
  GstClockTime unix_ns = GST_CLOCK_TIME_NONE;  // of its timestamp/x-unix meta
  GstBufferFlags flags{};
  std::string bytes;

  bool discont() const { return (flags & GST_BUFFER_FLAG_DISCONT) != 0; }
  // The bytes as values of T.
  template <typename T>
  std::vector<T> As() const {
    std::vector<T> values(bytes.size() / sizeof(T));
    if (!values.empty()) std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
    return values;
  }
};

class Harness {
 public:
  // `description` is one element with its properties, or a chain, as gst-launch-1.0 takes it.
  explicit Harness(const std::string& description)
      : harness_(Make(description)), bus_(gst_bus_new()) {
    gst_element_set_bus(element(), bus_);
    gst_harness_play(harness_);
  }
  ~Harness() {
    gst_element_set_bus(element(), nullptr);
    gst_object_unref(bus_);
    gst_harness_teardown(harness_);
  }
  Harness(const Harness&) = delete;
  Harness& operator=(const Harness&) = delete;

  GstHarness* get() { return harness_; }
  // The element; a bin where the description is a chain.
  GstElement* element() { return harness_->element; }
  // The element made by that factory; lives as long as the harness.
  GstElement* Find(const char* factory) {
    if (g_str_equal(GST_OBJECT_NAME(gst_element_get_factory(element())), factory)) return element();
    GstElement* found = gst_harness_find_element(harness_, factory);
    gst_object_unref(found);
    return found;
  }

  // Sends the events that open a stream: STREAM_START, CAPS if any are given, SEGMENT.
  void Start(const std::string& stream_id, const std::string& caps, GstFormat segment_format) {
    PushEvent(gst_event_new_stream_start(stream_id.c_str()));
    if (!caps.empty()) {
      GstCaps* parsed = gst_caps_from_string(caps.c_str());
      PushEvent(gst_event_new_caps(parsed));
      gst_caps_unref(parsed);
    }
    GstSegment segment;
    gst_segment_init(&segment, segment_format);
    PushEvent(gst_event_new_segment(&segment));
  }

  GstFlowReturn Push(std::string_view bytes, GstClockTime pts = GST_CLOCK_TIME_NONE,
                     bool discont = false) {
    GstBuffer* buffer =
        bytes.empty() ? gst_buffer_new() : gst_buffer_new_memdup(bytes.data(), bytes.size());
    GST_BUFFER_PTS(buffer) = pts;
    if (discont) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
    return gst_harness_push(harness_, buffer);
  }
  template <typename T>
  GstFlowReturn Push(std::span<const T> values, GstClockTime pts) {
    return Push({reinterpret_cast<const char*>(values.data()), values.size_bytes()}, pts);
  }
  bool PushEvent(GstEvent* event) { return gst_harness_push_event(harness_, event) == TRUE; }
  bool Eos() { return PushEvent(gst_event_new_eos()); }
  void Flush() {
    PushEvent(gst_event_new_flush_start());
    PushEvent(gst_event_new_flush_stop(TRUE));
  }

  // The next buffer, if one is there.
  std::optional<Frame> Pull() {
    GstBuffer* buffer = gst_harness_try_pull(harness_);
    if (buffer == nullptr) return std::nullopt;
    Frame frame{GST_BUFFER_PTS(buffer), GST_BUFFER_DURATION(buffer), GST_CLOCK_TIME_NONE,
                static_cast<GstBufferFlags>(GST_BUFFER_FLAGS(buffer)),
                std::string(gst_buffer_get_size(buffer), '\0')};
    gst_buffer_extract(buffer, 0, frame.bytes.data(), frame.bytes.size());
    GstCaps* unix_time = gst_caps_new_empty_simple("timestamp/x-unix");
    const auto* meta = gst_buffer_get_reference_timestamp_meta(buffer, unix_time);
    if (meta != nullptr) frame.unix_ns = meta->timestamp;
    gst_caps_unref(unix_time);
    gst_buffer_unref(buffer);
    return frame;
  }
  std::vector<Frame> PullAll() {
    std::vector<Frame> frames;
    while (std::optional<Frame> frame = Pull()) frames.push_back(std::move(*frame));
    return frames;
  }

  // The next serialised or other downstream event; null when none is left. The caller owns it.
  GstEvent* PullEvent() { return gst_harness_try_pull_event(harness_); }
  // Drops events until one of this type comes; null when none does. The caller owns it.
  GstEvent* PullEvent(GstEventType type) {
    while (GstEvent* event = PullEvent()) {
      if (GST_EVENT_TYPE(event) == type) return event;
      gst_event_unref(event);
    }
    return nullptr;
  }
  // The names of all events since the last call, in order: "stream-start caps segment".
  std::string EventNames() {
    std::string names;
    while (GstEvent* event = PullEvent()) {
      names += (names.empty() ? "" : " ") + std::string(GST_EVENT_TYPE_NAME(event));
      gst_event_unref(event);
    }
    return names;
  }

  // The caps in force on the element's source pad, as text; empty before any.
  std::string SourceCaps() {
    GstCaps* caps = gst_pad_get_current_caps(harness_->sinkpad);
    if (caps == nullptr) return "";
    gchar* text = gst_caps_to_string(caps);
    std::string copy = text;
    g_free(text);
    gst_caps_unref(caps);
    return copy;
  }

  // The text of the next ERROR on the bus; empty when there is none.
  std::string BusError() { return BusText(GST_MESSAGE_ERROR); }
  std::string BusWarning() { return BusText(GST_MESSAGE_WARNING); }
  // The next message of this type; null when there is none. The caller owns it.
  GstMessage* PopMessage(GstMessageType type) { return gst_bus_pop_filtered(bus_, type); }
  // The next element message of this name; null when there is none. The caller owns it.
  GstMessage* PopMessage(const std::string& name) {
    while (GstMessage* message = gst_bus_pop_filtered(bus_, GST_MESSAGE_ELEMENT)) {
      if (gst_message_has_name(message, name.c_str())) return message;
      gst_message_unref(message);
    }
    return nullptr;
  }
  // The next element message of this name, as text; empty when there is none.
  std::string BusMessage(const std::string& name) {
    while (GstMessage* message = gst_bus_pop_filtered(bus_, GST_MESSAGE_ELEMENT)) {
      const GstStructure* fields = gst_message_get_structure(message);
      std::string copy;
      if (fields != nullptr && gst_structure_has_name(fields, name.c_str())) {
        gchar* text = gst_structure_to_string(fields);
        copy = text;
        g_free(text);
      }
      gst_message_unref(message);
      if (!copy.empty()) return copy;
    }
    return "";
  }

 private:
  static GstHarness* Make(const std::string& description) {
    GError* error = nullptr;
    // One element keeps its own pads; if it is a bin, those of what is in it are its business.
    const bool is_chain = description.find(" ! ") != std::string::npos;
    GstElement* element = gst_parse_bin_from_description_full(
        description.c_str(), is_chain, nullptr, GST_PARSE_FLAG_NO_SINGLE_ELEMENT_BINS, &error);
    if (element == nullptr) g_error("%s: %s", description.c_str(), error->message);
    g_clear_error(&error);
    gst_object_ref_sink(element);
    const auto pad = [&](const char* name) -> const char* {
      GstPad* found = gst_element_get_static_pad(element, name);
      if (found == nullptr) return nullptr;
      gst_object_unref(found);
      return name;
    };
    GstHarness* harness = gst_harness_new_with_element(element, pad("sink"), pad("src"));
    gst_object_unref(element);
    return harness;
  }
  std::string BusText(GstMessageType type) {
    GstMessage* message = gst_bus_pop_filtered(bus_, type);
    if (message == nullptr) return "";
    GError* error = nullptr;
    if (type == GST_MESSAGE_ERROR) gst_message_parse_error(message, &error, nullptr);
    if (type == GST_MESSAGE_WARNING) gst_message_parse_warning(message, &error, nullptr);
    std::string text = error == nullptr ? "" : error->message;
    g_clear_error(&error);
    gst_message_unref(message);
    return text;
  }

  GstHarness* harness_;
  GstBus* bus_;
};

// Brings a pipeline to that state and returns the first ERROR of its bus.
inline std::string LaunchError(const std::string& description, GstState state) {
  GstElement* pipeline = gst_parse_launch(description.c_str(), nullptr);
  gst_element_set_state(pipeline, state);
  GstBus* bus = gst_element_get_bus(pipeline);
  GstMessage* message = gst_bus_timed_pop_filtered(bus, 5 * GST_SECOND, GST_MESSAGE_ERROR);
  std::string text;
  if (message != nullptr) {
    GError* error = nullptr;
    gst_message_parse_error(message, &error, nullptr);
    text = error->message;
    g_error_free(error);
    gst_message_unref(message);
  }
  gst_object_unref(bus);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
  return text;
}

// That of elements that cannot start.
inline std::string StartError(const std::string& description) {
  return LaunchError("fakesrc ! " + description + " ! fakesink", GST_STATE_PAUSED);
}

}  // namespace rill

// A camera or a sensor and a microphone of a test's, fused by the tiny shared model.
#pragma once

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>

#include "tests/plugins/picture_stream.h"
#include "tests/support/sound.h"

namespace rill::testing {

inline constexpr char kOmniPath[] = RILL_SOURCE_DIR "/tests/goldens/omni_model.gguf";
inline const std::string kOmni = " model-path=" + std::string(kOmniPath) + " ";
inline constexpr char kSoundCaps[] =
    "audio/x-raw,format=F32LE,rate=16000,channels=1,layout=interleaved";
inline constexpr size_t kHop = 640;

struct FusedOptions {
  std::string properties = {};  // of lfmfusion
  std::string clock = {};       // of the sources
  std::string head = {};        // the fused frames go to
  std::string encoder = "lfmimageenc" + kOmni;
  std::string caps = kPictureCaps;
};

// A camera, or another source, and a microphone of a test's, fused.
class Fused {
 public:
  explicit Fused(const FusedOptions& options = {}) {
    const std::string source = " format=time " + options.clock + " caps=\"";
    pipeline_ = gst_parse_launch(
        ("lfmfusion name=fusion" + kOmni + options.properties + options.head +
         " ! appsink name=out sync=false wait-on-eos=false appsrc name=pictures" + source +
         options.caps + "\" ! " + options.encoder + " ! fusion.sink_0 appsrc name=sound" + source +
         kSoundCaps + "\" ! lfmaudioenc" + kOmni + " ! fusion.sink_1")
            .c_str(),
        nullptr);
    pictures_ = GST_APP_SRC(Find("pictures"));
    sound_ = GST_APP_SRC(Find("sound"));
    out_ = GST_APP_SINK(Find("out"));
    gst_element_set_state(pipeline_, GST_STATE_PLAYING);
  }
  ~Fused() {
    gst_element_set_state(pipeline_, GST_STATE_NULL);
    for (gpointer element : {static_cast<gpointer>(pictures_), static_cast<gpointer>(sound_),
                             static_cast<gpointer>(out_), static_cast<gpointer>(pipeline_)})
      gst_object_unref(element);
  }
  Fused(const Fused&) = delete;

  void See(const std::string& picture, GstClockTime pts) { Push(pictures_, picture, pts); }
  void Read(double value, GstClockTime pts) {
    Push(pictures_, {reinterpret_cast<const char*>(&value), sizeof value}, pts);
  }
  void Hear(std::span<const float> samples, GstClockTime pts) {
    Push(sound_, {reinterpret_cast<const char*>(samples.data()), samples.size_bytes()}, pts);
  }
  void Gap(const char* source, GstClockTime begin, GstClockTime duration) {
    GstElement* element = Find(source);
    gst_element_send_event(element, gst_event_new_gap(begin, duration));
    gst_object_unref(element);
  }
  // Behind what was pushed to that source.
  void Ask(const char* source, const char* event) {
    GstElement* element = Find(source);
    gst_element_send_event(
        element, gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty(event)));
    gst_object_unref(element);
  }
  // The next message of that name, or of that type; null after a second.
  GstMessage* Message(const char* name, GstMessageType type = GST_MESSAGE_ELEMENT) {
    GstBus* bus = gst_element_get_bus(pipeline_);
    GstMessage* message = nullptr;
    while ((message = gst_bus_timed_pop_filtered(bus, GST_SECOND, type)) != nullptr) {
      if (type != GST_MESSAGE_ELEMENT || gst_message_has_name(message, name)) break;
      gst_message_unref(message);
    }
    gst_object_unref(bus);
    return message;
  }
  // Every element goes on from the snapshot.
  void GoOnFrom(GBytes* state) {
    GstIterator* elements = gst_bin_iterate_elements(GST_BIN(pipeline_));
    gst_iterator_foreach(
        elements,
        [](const GValue* item, gpointer bytes) {
          auto* element = static_cast<GObject*>(g_value_get_object(item));
          if (g_object_class_find_property(G_OBJECT_GET_CLASS(element), "state") != nullptr)
            g_object_set(element, "state", bytes, nullptr);
        },
        state);
    gst_iterator_free(elements);
  }
  void EndPictures() { gst_app_src_end_of_stream(pictures_); }
  void EndSound() { gst_app_src_end_of_stream(sound_); }

  // The next hidden frame; none when none comes for so long.
  std::optional<Frame> Pull(GstClockTime patience = 5 * GST_SECOND) {
    GstSample* sample = gst_app_sink_try_pull_sample(out_, patience);
    if (sample == nullptr) return std::nullopt;
    GstBuffer* buffer = gst_sample_get_buffer(sample);
    Frame frame{GST_BUFFER_PTS(buffer), GST_BUFFER_DURATION(buffer), GST_CLOCK_TIME_NONE,
                static_cast<GstBufferFlags>(GST_BUFFER_FLAGS(buffer)),
                std::string(gst_buffer_get_size(buffer), '\0')};
    gst_buffer_extract(buffer, 0, frame.bytes.data(), frame.bytes.size());
    gst_sample_unref(sample);
    return frame;
  }
  std::string Caps() {
    GstPad* pad = gst_element_get_static_pad(GST_ELEMENT(out_), "sink");
    GstCaps* caps = gst_pad_get_current_caps(pad);
    gchar* text = gst_caps_to_string(caps);
    std::string copy = text;
    g_free(text);
    gst_caps_unref(caps);
    gst_object_unref(pad);
    return copy;
  }
  guint64 Stat(const char* name) {
    GstElement* fusion = Find("fusion");
    GstStructure* stats = nullptr;
    g_object_get(fusion, "stats", &stats, nullptr);
    guint64 value = 0;
    gst_structure_get_uint64(stats, name, &value);
    gst_structure_free(stats);
    gst_object_unref(fusion);
    return value;
  }

 private:
  GstElement* Find(const char* name) { return gst_bin_get_by_name(GST_BIN(pipeline_), name); }
  static void Push(GstAppSrc* source, std::string_view bytes, GstClockTime pts) {
    GstBuffer* buffer = gst_buffer_new_memdup(bytes.data(), bytes.size());
    GST_BUFFER_PTS(buffer) = pts;
    gst_app_src_push_buffer(source, buffer);
  }

  GstElement* pipeline_;
  GstAppSrc *pictures_, *sound_;
  GstAppSink* out_;
};

// Lines of classified frames until none comes.
inline std::vector<std::string> PullLines(Fused& fused) {
  std::vector<std::string> lines;
  while (const auto line = fused.Pull()) lines.push_back(line->bytes);
  return lines;
}

}  // namespace rill::testing

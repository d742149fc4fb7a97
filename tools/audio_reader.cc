#include "tools/audio_reader.h"

#include <gst/app/gstappsink.h>
#include <gst/gst.h>

#include <filesystem>

#include "tools/bus_error.h"
#include "tools/console.h"

namespace rill {

struct AudioReader::Pipeline {
  ~Pipeline() {
    Unmap();
    if (element == nullptr) return;
    gst_element_set_state(element, GST_STATE_NULL);
    gst_object_unref(sink);
    gst_object_unref(element);
  }
  void Unmap() {
    if (sample == nullptr) return;
    gst_buffer_unmap(gst_sample_get_buffer(sample), &map);
    gst_sample_unref(sample);
    sample = nullptr;
  }

  std::string name;
  GstElement* element = nullptr;
  GstAppSink* sink = nullptr;
  GstSample* sample = nullptr;  // mapped
  bool live = false, has_begun = false;
  GstClockTime first_pts = 0;
  GstMapInfo map{};
};

AudioReader::AudioReader(std::unique_ptr<Pipeline> pipeline) : pipeline_(std::move(pipeline)) {}
AudioReader::AudioReader(AudioReader&&) noexcept = default;
AudioReader& AudioReader::operator=(AudioReader&&) noexcept = default;
AudioReader::~AudioReader() = default;

Result<AudioReader> AudioReader::OpenFile(const std::string& path, size_t rate_hz) {
  if (path == "-") return Open("fdsrc name=source ! decodebin", "standard input", rate_hz, false);
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return Error{path + ": there is no such file"};
  if (std::filesystem::is_directory(path, ignored)) return Error{path + ": is a directory"};
  return Open("filesrc name=source ! decodebin", path, rate_hz, false);
}

Result<AudioReader> AudioReader::OpenLive(const std::string& source, size_t rate_hz) {
  return Open(source.empty() ? "autoaudiosrc" : source, source.empty() ? "microphone" : source,
              rate_hz, true);
}

Result<AudioReader> AudioReader::Open(const std::string& source, const std::string& name,
                                      size_t rate_hz, bool live) {
  gst_init(nullptr, nullptr);
  auto pipeline = std::make_unique<Pipeline>();
  pipeline->name = name;
  pipeline->live = live;
  const std::string description =
      source + " ! audioconvert ! audioresample ! audio/x-raw,format=" +
      (G_BYTE_ORDER == G_LITTLE_ENDIAN ? "F32LE" : "F32BE") +
      ",channels=1,rate=" + std::to_string(rate_hz) + " ! appsink name=sink sync=false" +
      // Who does not keep up with a microphone loses the oldest minutes, not the machine's memory.
      (live ? " max-buffers=6000 drop=true" : " max-buffers=16");
  GError* error = nullptr;
  pipeline->element = gst_parse_launch(description.c_str(), &error);
  if (error != nullptr) {
    const Error found{name + ": " + error->message};
    g_error_free(error);
    if (pipeline->element != nullptr) gst_object_unref(pipeline->element);
    pipeline->element = nullptr;
    return found;
  }
  GstBin* bin = GST_BIN(pipeline->element);
  pipeline->sink = GST_APP_SINK(gst_bin_get_by_name(bin, "sink"));
  if (GstElement* file = live ? nullptr : gst_bin_get_by_name(bin, "source"); file != nullptr) {
    if (name != "standard input") g_object_set(file, "location", name.c_str(), nullptr);
    gst_object_unref(file);
  }
  if (gst_element_set_state(pipeline->element, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) {
    const auto complaint = BusError(pipeline->element, name);
    return complaint ? *complaint : Error{name + ": cannot be opened"};
  }
  return AudioReader(std::move(pipeline));
}

Result<std::optional<std::span<const float>>> AudioReader::Next() {
  pipeline_->Unmap();
  constexpr GstClockTime kPatience = 100 * GST_MSECOND;
  // A live source gives samples when there are some; errors come over the bus only.
  while (pipeline_->sample == nullptr) {
    if (Interrupted()) return std::optional<std::span<const float>>();
    if (auto complaint = BusError(pipeline_->element, pipeline_->name)) return *complaint;
    pipeline_->sample = gst_app_sink_try_pull_sample(pipeline_->sink, kPatience);
    if (pipeline_->sample != nullptr || gst_app_sink_is_eos(pipeline_->sink) == FALSE) continue;
    if (auto complaint = BusError(pipeline_->element, pipeline_->name)) return *complaint;
    return std::optional<std::span<const float>>();
  }
  if (gst_buffer_map(gst_sample_get_buffer(pipeline_->sample), &pipeline_->map, GST_MAP_READ) ==
      FALSE) {
    gst_sample_unref(pipeline_->sample);
    pipeline_->sample = nullptr;
    return Error{pipeline_->name + ": a buffer cannot be read"};
  }
  const GstClockTime pts = GST_BUFFER_PTS(gst_sample_get_buffer(pipeline_->sample));
  if (!std::exchange(pipeline_->has_begun, true) && GST_CLOCK_TIME_IS_VALID(pts))
    pipeline_->first_pts = pipeline_->live ? 0 : pts;
  return std::optional(std::span(reinterpret_cast<const float*>(pipeline_->map.data),
                                 pipeline_->map.size / sizeof(float)));
}

double AudioReader::offset_seconds() const {
  return static_cast<double>(pipeline_->first_pts) / static_cast<double>(GST_SECOND);
}

double AudioReader::seconds() const {
  gint64 duration = 0;
  if (gst_element_query_duration(pipeline_->element, GST_FORMAT_TIME, &duration) == FALSE) return 0;
  return static_cast<double>(duration) / static_cast<double>(GST_SECOND);
}

}  // namespace rill

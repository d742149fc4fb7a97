#include "tools/media_pipeline.h"

#include <gst/app/gstappsink.h>

#include <atomic>
#include <filesystem>

#include "tools/bus_error.h"
#include "tools/console.h"

namespace rill {
namespace {

// A stream of the file: into the converters, if it suits them and none is there. The parser's own
// link would not do: it takes the first one for all time, and a chained file has one after another.
void LinkPad(GstElement*, GstPad* pad, gpointer converters) {
  GstPad* sink = gst_element_get_static_pad(static_cast<GstElement*>(converters), "sink");
  if (gst_pad_is_linked(sink) == FALSE && gst_pad_can_link(pad, sink) == TRUE)
    gst_pad_link(pad, sink);
  gst_object_unref(sink);
}

// What is looked for in a file.
struct Search {
  std::string wanted;
  std::atomic<bool> vain = false;  // the file has been searched, and holds none
};

// When all streams of a file are known: an error if none goes into the converters. Without it the
// end could come and nothing would say so.
void LookForLinks(GstElement* decoder, gpointer data) {
  Search& search = *static_cast<Search*>(data);
  bool linked = false;
  const auto look = [](GstElement*, GstPad* pad, gpointer found) -> gboolean {
    *static_cast<bool*>(found) |= gst_pad_is_linked(pad) == TRUE;
    return TRUE;
  };
  gst_element_foreach_src_pad(decoder, look, &linked);
  if (linked) return;
  search.vain = true;
  GST_ELEMENT_ERROR(decoder, STREAM, WRONG_TYPE, ("holds no %s", search.wanted.c_str()), (nullptr));
}

// What autoaudiosrc and autovideosrc put in place of a device where there is none: silence, a
// picture of a test. They only warn of it.
bool IsMadeUp(GstBin* bin) {
  for (const char* name : {"fake-auto-audio-src", "fake-auto-video-src"})
    if (GstElement* found = gst_bin_get_by_name(bin, name)) {
      gst_object_unref(found);
      return true;
    }
  return false;
}

}  // namespace

struct MediaPipeline::Pipeline {
  ~Pipeline() {
    if (sample != nullptr) gst_sample_unref(sample);
    if (element == nullptr) return;
    gst_element_set_state(element, GST_STATE_NULL);
    if (sink != nullptr) gst_object_unref(sink);
    gst_object_unref(element);
  }

  std::string name;
  Search search;
  GstElement* element = nullptr;
  GstAppSink* sink = nullptr;
  GstSample* sample = nullptr;
};

MediaPipeline::MediaPipeline(std::unique_ptr<Pipeline> pipeline) : pipeline_(std::move(pipeline)) {}
MediaPipeline::MediaPipeline(MediaPipeline&&) noexcept = default;
MediaPipeline& MediaPipeline::operator=(MediaPipeline&&) noexcept = default;
MediaPipeline::~MediaPipeline() = default;

Result<MediaPipeline> MediaPipeline::OpenFile(const std::string& path,
                                              const std::string& converters,
                                              const std::string& wanted) {
  const std::string rest = " ! decodebin name=decoder  identity name=converters ! " + converters +
                           " ! appsink name=sink sync=false max-buffers=16";
  if (path == "-") return Open("fdsrc" + rest, "standard input", "", wanted);
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return Error{path + ": there is no such file"};
  if (std::filesystem::is_directory(path, ignored)) return Error{path + ": is a directory"};
  return Open("filesrc name=source" + rest, path, path, wanted);
}

Result<MediaPipeline> MediaPipeline::OpenLive(const std::string& source, const std::string& name,
                                              const std::string& converters, size_t kept) {
  return Open(source + " ! " + converters +
                  " ! appsink name=sink sync=false drop=true max-buffers=" + std::to_string(kept),
              name);
}

Result<MediaPipeline> MediaPipeline::Open(const std::string& description, const std::string& name,
                                          const std::string& location, const std::string& wanted) {
  gst_init(nullptr, nullptr);
  auto pipeline = std::make_unique<Pipeline>();
  pipeline->name = name;
  GError* error = nullptr;
  pipeline->element = gst_parse_launch(description.c_str(), &error);
  if (error != nullptr) {
    const Error found{name + ": " + error->message};
    g_error_free(error);
    return found;
  }
  GstBin* bin = GST_BIN(pipeline->element);
  pipeline->sink = GST_APP_SINK(gst_bin_get_by_name(bin, "sink"));
  if (!location.empty()) {
    GstElement* file = gst_bin_get_by_name(bin, "source");
    g_object_set(file, "location", location.c_str(), nullptr);
    gst_object_unref(file);
  }
  if (!wanted.empty()) {
    pipeline->search.wanted = wanted;
    GstElement* decoder = gst_bin_get_by_name(bin, "decoder");
    GstElement* converters = gst_bin_get_by_name(bin, "converters");
    g_signal_connect(decoder, "pad-added", G_CALLBACK(LinkPad), converters);
    g_signal_connect(decoder, "no-more-pads", G_CALLBACK(LookForLinks), &pipeline->search);
    gst_object_unref(converters);  // the pipeline has it as long as the decoder
    gst_object_unref(decoder);
  }
  if (gst_element_set_state(pipeline->element, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) {
    const auto complaint = BusError(pipeline->element, name);
    return complaint ? *complaint : Error{name + ": cannot be opened"};
  }
  if (IsMadeUp(bin))
    return Error{name + ": there is none that answers; --source names another source"};
  return MediaPipeline(std::move(pipeline));
}

Result<GstSample*> MediaPipeline::Next() {
  Pipeline& pipeline = *pipeline_;
  if (GstSample* last = std::exchange(pipeline.sample, nullptr)) gst_sample_unref(last);
  constexpr GstClockTime kPatience = 100 * GST_MSECOND;
  // A live source gives buffers when there are some; errors come over the bus only.
  while (pipeline.sample == nullptr) {
    if (Interrupted()) return nullptr;
    if (auto complaint = BusError(pipeline.element, pipeline.name)) return *complaint;
    pipeline.sample = gst_app_sink_try_pull_sample(pipeline.sink, kPatience);
    if (pipeline.sample != nullptr || gst_app_sink_is_eos(pipeline.sink) == FALSE) continue;
    if (auto complaint = BusError(pipeline.element, pipeline.name)) return *complaint;
    return nullptr;
  }
  return pipeline.sample;
}

bool MediaPipeline::HoldsNone() const { return pipeline_->search.vain; }

const std::string& MediaPipeline::name() const { return pipeline_->name; }

double MediaPipeline::seconds() const {
  gint64 duration = 0;
  if (gst_element_query_duration(pipeline_->element, GST_FORMAT_TIME, &duration) == FALSE) return 0;
  return static_cast<double>(duration) / static_cast<double>(GST_SECOND);
}

}  // namespace rill

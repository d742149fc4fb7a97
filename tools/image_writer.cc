#include "tools/image_writer.h"

#include <gst/app/gstappsrc.h>
#include <gst/gst.h>

#include <algorithm>
#include <filesystem>

#include "tools/bus_error.h"

namespace rill {
namespace {

constexpr size_t kRowAlignment = 4;  // GStreamer's, of packed pixels

std::string Encoder(const std::string& path) {
  std::string ending = std::filesystem::path(path).extension();
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return std::tolower(c); });
  if (ending == ".png") return "pngenc snapshot=false";
  if (ending == ".jpg" || ending == ".jpeg") return "jpegenc quality=95";
  return "";
}

GstBuffer* Rows(std::span<const uint8_t> bgr, size_t width, size_t height) {
  const size_t row = 3 * width, stride = (row + kRowAlignment - 1) / kRowAlignment * kRowAlignment;
  GstBuffer* buffer = gst_buffer_new_allocate(nullptr, stride * height, nullptr);
  for (size_t y = 0; y < height; ++y)
    gst_buffer_fill(buffer, y * stride, bgr.data() + y * row, row);
  return buffer;
}

}  // namespace

Result<void> WriteImage(const std::string& path, std::span<const uint8_t> bgr, size_t width,
                        size_t height) {
  const std::string encoder = Encoder(path);
  if (encoder.empty()) return Error{path + ": a picture's name ends in .png, .jpg or .jpeg"};
  gst_init(nullptr, nullptr);
  const std::string description =
      "appsrc name=source format=time caps=video/x-raw,format=BGR,framerate=1/1,width=" +
      std::to_string(width) + ",height=" + std::to_string(height) + " ! videoconvert ! " + encoder +
      " ! filesink name=sink";
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch(description.c_str(), &error);
  if (error != nullptr) {
    Error found{path + ": " + error->message};
    g_error_free(error);
    if (pipeline != nullptr) gst_object_unref(pipeline);
    return found;
  }
  GstElement* source = gst_bin_get_by_name(GST_BIN(pipeline), "source");
  GstElement* sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
  g_object_set(sink, "location", path.c_str(), nullptr);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBuffer* buffer = Rows(bgr, width, height);
  GST_BUFFER_PTS(buffer) = 0;
  gst_app_src_push_buffer(GST_APP_SRC(source), buffer);
  gst_app_src_end_of_stream(GST_APP_SRC(source));
  const std::optional<Error> complaint = WaitForEnd(pipeline, path);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(source);
  gst_object_unref(sink);
  gst_object_unref(pipeline);
  if (complaint) return *complaint;
  return {};
}

}  // namespace rill

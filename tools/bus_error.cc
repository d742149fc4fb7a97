#include "tools/bus_error.h"

namespace rill {
namespace {

std::optional<Error> Next(GstElement* pipeline, const std::string& name, GstClockTime patience,
                          GstMessageType wanted) {
  GstBus* bus = gst_element_get_bus(pipeline);
  GstMessage* message = gst_bus_timed_pop_filtered(bus, patience, wanted);
  gst_object_unref(bus);
  if (message == nullptr) return std::nullopt;
  std::optional<Error> found;
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
    GError* error = nullptr;
    gst_message_parse_error(message, &error, nullptr);
    found = Error{name + ": " + error->message};
    g_error_free(error);
  }
  gst_message_unref(message);
  return found;
}

}  // namespace

std::optional<Error> BusError(GstElement* pipeline, const std::string& name) {
  return Next(pipeline, name, 0, GST_MESSAGE_ERROR);
}

std::optional<Error> WaitForEnd(GstElement* pipeline, const std::string& name) {
  constexpr auto kWanted = static_cast<GstMessageType>(GST_MESSAGE_ERROR | GST_MESSAGE_EOS);
  return Next(pipeline, name, GST_CLOCK_TIME_NONE, kWanted);
}

}  // namespace rill

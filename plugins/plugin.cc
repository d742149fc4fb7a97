// The GStreamer plugin `rill`: one line an element.
#include <gst/gst.h>

namespace {

gboolean Init(GstPlugin* plugin) {
  static_cast<void>(plugin);
  return TRUE;
}

}  // namespace

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, rill,
                  "Liquid-Foundation-Model networks on endless streams", Init, VERSION,
                  "Apache 2.0", GST_PACKAGE_NAME, "rill")

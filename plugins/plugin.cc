// The GStreamer plugin `rill`: one line an element.
#include <gst/gst.h>

GST_ELEMENT_REGISTER_DECLARE(lfmsensorparse)

namespace {

gboolean Init(GstPlugin* plugin) {
  gboolean ok = FALSE;
  ok |= GST_ELEMENT_REGISTER(lfmsensorparse, plugin);
  return ok;
}

}  // namespace

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, rill,
                  "Liquid-Foundation-Model networks on endless streams", Init, VERSION,
                  "Apache 2.0", GST_PACKAGE_NAME, "rill")

// The GStreamer plugin `rill`: one line an element.
#include <gst/gst.h>

GST_ELEMENT_REGISTER_DECLARE(lfmaudioenc)
GST_ELEMENT_REGISTER_DECLARE(lfmbackbone)
GST_ELEMENT_REGISTER_DECLARE(lfmclassifier)
GST_ELEMENT_REGISTER_DECLARE(lfmclassify)
GST_ELEMENT_REGISTER_DECLARE(lfmforecast)
GST_ELEMENT_REGISTER_DECLARE(lfmforecaster)
GST_ELEMENT_REGISTER_DECLARE(lfmfusion)
GST_ELEMENT_REGISTER_DECLARE(lfmgenerate)
GST_ELEMENT_REGISTER_DECLARE(lfmgenerator)
GST_ELEMENT_REGISTER_DECLARE(lfmimageenc)
GST_ELEMENT_REGISTER_DECLARE(lfmsensorenc)
GST_ELEMENT_REGISTER_DECLARE(lfmsensorparse)
GST_ELEMENT_REGISTER_DECLARE(lfmsensorsrc)
GST_ELEMENT_REGISTER_DECLARE(lfmtextenc)
GST_ELEMENT_REGISTER_DECLARE(lfmtranscribe)
GST_ELEMENT_REGISTER_DECLARE(lfmtranscriber)

namespace {

gboolean Init(GstPlugin* plugin) {
  bool ok = true;
  ok &= GST_ELEMENT_REGISTER(lfmaudioenc, plugin) == TRUE;
  ok &= GST_ELEMENT_REGISTER(lfmbackbone, plugin) == TRUE;
  ok &= GST_ELEMENT_REGISTER(lfmclassifier, plugin) == TRUE;
  ok &= GST_ELEMENT_REGISTER(lfmclassify, plugin) == TRUE;
  ok &= GST_ELEMENT_REGISTER(lfmforecast, plugin) == TRUE;
  ok &= GST_ELEMENT_REGISTER(lfmforecaster, plugin) == TRUE;
  ok &= GST_ELEMENT_REGISTER(lfmfusion, plugin) == TRUE;
  ok &= GST_ELEMENT_REGISTER(lfmgenerate, plugin) == TRUE;
  ok &= GST_ELEMENT_REGISTER(lfmgenerator, plugin) == TRUE;
  ok &= GST_ELEMENT_REGISTER(lfmimageenc, plugin) == TRUE;
  ok &= GST_ELEMENT_REGISTER(lfmsensorenc, plugin) == TRUE;
  ok &= GST_ELEMENT_REGISTER(lfmsensorparse, plugin) == TRUE;
  ok &= GST_ELEMENT_REGISTER(lfmsensorsrc, plugin) == TRUE;
  ok &= GST_ELEMENT_REGISTER(lfmtextenc, plugin) == TRUE;
  ok &= GST_ELEMENT_REGISTER(lfmtranscribe, plugin) == TRUE;
  ok &= GST_ELEMENT_REGISTER(lfmtranscriber, plugin) == TRUE;
  return ok;
}

}  // namespace

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, rill,
                  "Liquid-Foundation-Model networks on endless streams", Init, VERSION,
                  "Apache 2.0", GST_PACKAGE_NAME, "rill")

// What a buffer shows or sounds like, as metadata that travels with it: the GstCustomMeta
// LfmClassMeta with the fields of the message lfm-class. Overlays and applications read it with
// gst_buffer_get_custom_meta(buffer, "LfmClassMeta").
#pragma once

#include <gst/gst.h>

#include <memory>

namespace rill {

inline constexpr char kClassMeta[] = "LfmClassMeta";

// Registers the meta, once; needed before the other functions.
void RegisterClassMeta();
// Gives a writable buffer a copy of the fields, in place of those that it has.
void SetClass(GstBuffer* buffer, const GstStructure* fields);
// Those of a buffer; null when it has none.
const GstStructure* ClassOf(GstBuffer* buffer);

}  // namespace rill

#include "plugins/class_meta.h"

#include <mutex>

namespace rill {

void RegisterClassMeta() {
  static std::once_flag once;
  std::call_once(once, [] {
    const gchar* tags[] = {nullptr};  // depends on nothing: kept whatever is changed
    gst_meta_register_custom(kClassMeta, tags, nullptr, nullptr, nullptr);
  });
}

void SetClass(GstBuffer* buffer, const GstStructure* fields) {
  GstCustomMeta* meta = gst_buffer_get_custom_meta(buffer, kClassMeta);
  if (meta == nullptr) meta = gst_buffer_add_custom_meta(buffer, kClassMeta);
  GstStructure* to = gst_custom_meta_get_structure(meta);
  gst_structure_remove_all_fields(to);
  gst_structure_foreach(
      fields,
      [](GQuark name, const GValue* value, gpointer target) -> gboolean {
        gst_structure_id_set_value(static_cast<GstStructure*>(target), name, value);
        return TRUE;
      },
      to);
}

const GstStructure* ClassOf(GstBuffer* buffer) {
  GstCustomMeta* meta = gst_buffer_get_custom_meta(buffer, kClassMeta);
  return meta == nullptr ? nullptr : gst_custom_meta_get_structure(meta);
}

}  // namespace rill

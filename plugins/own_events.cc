#include "plugins/own_events.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>

namespace rill {
namespace {

constexpr const char* kEncoders[] = {"sensor", "audio", "image", "text"};

Result<Snapshot> ReadParts(const GstStructure* fields) {
  Snapshot snapshot;
  guint64 model = 0;
  gint64 position = 0;
  if (!gst_structure_get_uint64(fields, "model", &model) ||
      !gst_structure_get_int64(fields, "position", &position))
    return Error{"a snapshot was asked for before the first row"};
  snapshot.model = model;
  snapshot.position = position;
  // In stream order; the head adds its own.
  const auto has = [fields](const char* name) {
    return gst_structure_has_field(fields, name) == TRUE;
  };
  std::vector<const char*> names;
  std::ranges::copy_if(kEncoders, std::back_inserter(names), has);
  if (names.empty()) return Error{"a snapshot event came without the state of an encoder"};
  names.push_back("backbone");
  if (has(kFusionPart)) names.push_back(kFusionPart);
  for (const char* name : names) {
    guint64 layout = 0;
    const GValue* bytes = gst_structure_get_value(fields, name);
    if (bytes == nullptr || !G_VALUE_HOLDS(bytes, G_TYPE_BYTES) ||
        !gst_structure_get_uint64(fields, (std::string(name) + "-layout").c_str(), &layout))
      return Error{"a snapshot event came without the state of " + std::string(name)};
    snapshot.parts.push_back(
        {name, layout, CopyBytes(static_cast<GBytes*>(g_value_get_boxed(bytes)))});
  }
  return snapshot;
}

using Parts = std::vector<Snapshot::Part>;

// A head's parts from a cut until the rest of the snapshot comes.
constexpr char kCutParts[] = "lfm-cut-parts";

void KeepParts(GstElement* head, Parts parts) {
  g_object_set_data_full(G_OBJECT(head), kCutParts, new Parts(std::move(parts)),
                         [](gpointer kept) { delete static_cast<Parts*>(kept); });
}

Parts TakeParts(GstElement* head) {
  const std::unique_ptr<Parts> kept(
      static_cast<Parts*>(g_object_steal_data(G_OBJECT(head), kCutParts)));
  return kept ? std::move(*kept) : Parts();
}

}  // namespace

std::vector<std::byte> CopyBytes(GBytes* bytes) {
  gsize count = 0;
  const auto* data = static_cast<const std::byte*>(g_bytes_get_data(bytes, &count));
  return data == nullptr ? std::vector<std::byte>() : std::vector(data, data + count);
}

bool IsEvent(GstEvent* event, const char* name) {
  return GST_EVENT_TYPE(event) == GST_EVENT_CUSTOM_DOWNSTREAM &&
         gst_event_has_name(event, name) == TRUE;
}

GstEvent* AddPart(GstEvent* event, const Snapshot::Part& part) {
  GstEvent* writable = gst_event_make_writable(event);
  GstStructure* fields = gst_event_writable_structure(writable);
  GBytes* bytes = g_bytes_new(part.bytes.data(), part.bytes.size());
  gst_structure_set(fields, part.name.c_str(), G_TYPE_BYTES, bytes, (part.name + "-layout").c_str(),
                    G_TYPE_UINT64, guint64{part.layout}, nullptr);
  g_bytes_unref(bytes);
  return writable;
}

void SetOrigin(GstEvent* event, uint64_t model, int64_t position) {
  gst_structure_set(gst_event_writable_structure(event), "model", G_TYPE_UINT64, guint64{model},
                    "position", G_TYPE_INT64, gint64{position}, nullptr);
}

void PostSnapshot(GstElement* head, const GstStructure* fields, std::vector<Snapshot::Part> own) {
  gboolean cut = FALSE;
  if (gst_structure_get_boolean(fields, kCutField, &cut) == TRUE) {
    if (cut == TRUE) return KeepParts(head, std::move(own));
    own = TakeParts(head);
  }
  Result<Snapshot> snapshot = ReadParts(fields);
  if (snapshot && own.empty()) snapshot = Error{"a snapshot was asked for before the first frame"};
  if (!snapshot) {
    GST_ELEMENT_WARNING(head, STREAM, FAILED, ("%s", snapshot.error().message.c_str()), (nullptr));
    return;
  }
  snapshot->parts.insert(snapshot->parts.end(), own.begin(), own.end());
  const std::vector<std::byte> bytes = snapshot->Serialize();
  GBytes* blob = g_bytes_new(bytes.data(), bytes.size());
  GstStructure* message =
      gst_structure_new("lfm-snapshot", "position", G_TYPE_INT64, gint64{snapshot->position},
                        "state", G_TYPE_BYTES, blob, nullptr);
  g_bytes_unref(blob);
  if (const GValue* id = gst_structure_get_value(fields, "id"))
    gst_structure_set_value(message, "id", id);
  gst_element_post_message(head, gst_message_new_element(GST_OBJECT(head), message));
}

void PostMarker(GstElement* head, const GstStructure* fields) {
  GstStructure* message = gst_structure_copy(fields);
  gst_structure_set_name(message, "lfm-marker");
  gst_element_post_message(head, gst_message_new_element(GST_OBJECT(head), message));
}

}  // namespace rill

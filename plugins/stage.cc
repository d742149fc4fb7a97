#include "plugins/stage.h"

#include <cstring>

#include "plugins/element.h"

namespace rill {
namespace {

constexpr const char* kParts[] = {"sensor", "backbone"};  // in stream order; the head adds its own

GType ResetOnType() {
  static const GType type = [] {
    static const GFlagsValue values[] = {
        {kResetOnStreamStart, "another stream begins", "stream-start"},
        {kResetOnFlush, "the stream was flushed, as by a seek", "flush"},
        {kResetOnDiscont, "a buffer is marked as discontinuous", "discont"},
        {0, nullptr, nullptr}};
    return g_flags_register_static("LfmResetOn", values);
  }();
  return type;
}

std::vector<std::byte> ToBytes(GBytes* bytes) {
  gsize count = 0;
  const auto* data = static_cast<const std::byte*>(g_bytes_get_data(bytes, &count));
  return data == nullptr ? std::vector<std::byte>() : std::vector(data, data + count);
}

}  // namespace

bool Stage::IsNewStream(GstEvent* event) {
  const gchar* id = nullptr;
  gst_event_parse_stream_start(event, &id);
  if (stream_id == id) return false;
  stream_id = id;
  return true;
}

void InstallStageProperties(GObjectClass* object_class) {
  g_object_class_install_property(
      object_class, kModelPath,
      g_param_spec_string("model-path", "Model path",
                          "Model file, or the name of one in RILL_MODEL_PATH or shipped",
                          kDefaultModel, kInReady));
  g_object_class_install_property(
      object_class, kModelInstanceId,
      g_param_spec_string("model-instance-id", "Model instance id",
                          "Elements with the same id share a model; one of them says which",
                          nullptr, kInReady));
  g_object_class_install_property(
      object_class, kResetOn,
      g_param_spec_flags("reset-on", "Reset on", "What makes the element forget the stream",
                         ResetOnType(), kResetOnStreamStart | kResetOnFlush, kAlways));
  g_object_class_install_property(
      object_class, kState,
      g_param_spec_boxed("state", "State",
                         "A snapshot (of lfm-snapshot or a session) to go on from, taken in before "
                         "the next buffer",
                         G_TYPE_BYTES,
                         static_cast<GParamFlags>(G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS |
                                                  GST_PARAM_MUTABLE_PLAYING)));
}

bool SetStageProperty(Stage& stage, guint id, const GValue* value) {
  const auto text = [value] {
    const gchar* string = g_value_get_string(value);
    return std::string(string == nullptr ? "" : string);
  };
  switch (id) {
    case kModelPath: stage.model_path = text(); return true;
    case kModelInstanceId: stage.instance = text(); return true;
    case kResetOn: stage.reset_on = g_value_get_flags(value); return true;
    case kState: {
      auto* bytes = static_cast<GBytes*>(g_value_get_boxed(value));
      stage.restore.reset();
      if (bytes != nullptr) stage.restore = ToBytes(bytes);
      return true;
    }
    default: return false;
  }
}

bool GetStageProperty(const Stage& stage, guint id, GValue* value) {
  switch (id) {
    case kModelPath: g_value_set_string(value, stage.model_path.c_str()); return true;
    case kModelInstanceId: g_value_set_string(value, stage.instance.c_str()); return true;
    case kResetOn: g_value_set_flags(value, stage.reset_on); return true;
    default: return false;
  }
}

bool OpenStage(GstElement* element, Stage& stage) {
  GST_OBJECT_LOCK(element);
  const std::string path = stage.model_path, instance = stage.instance;
  GST_OBJECT_UNLOCK(element);
  Result<std::shared_ptr<const Model>> model = OpenModel(path, instance);
  if (!model) {
    Fail(element, GST_RESOURCE_ERROR_OPEN_READ, model.error());
    return false;
  }
  stage.model = std::move(*model);
  stage.stream_id.clear();
  stage.fresh = true;
  return true;
}

bool WantsReset(GstElement* element, const Stage& stage, ResetOn reason) {
  GST_OBJECT_LOCK(element);
  const bool wanted = (stage.reset_on & reason) != 0;
  GST_OBJECT_UNLOCK(element);
  return wanted;
}

std::optional<Result<Snapshot>> TakeRestore(GstElement* element, Stage& stage) {
  GST_OBJECT_LOCK(element);
  std::optional<std::vector<std::byte>> bytes;
  bytes.swap(stage.restore);
  GST_OBJECT_UNLOCK(element);
  if (!bytes) return std::nullopt;
  return Snapshot::Parse(*bytes);
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

Result<Snapshot> ReadParts(const GstStructure* fields) {
  Snapshot snapshot;
  guint64 model = 0;
  gint64 position = 0;
  if (!gst_structure_get_uint64(fields, "model", &model) ||
      !gst_structure_get_int64(fields, "position", &position))
    return Error{"a snapshot was asked for before the first row"};
  snapshot.model = model;
  snapshot.position = position;
  for (const char* name : kParts) {
    guint64 layout = 0;
    const GValue* bytes = gst_structure_get_value(fields, name);
    if (bytes == nullptr || !G_VALUE_HOLDS(bytes, G_TYPE_BYTES) ||
        !gst_structure_get_uint64(fields, (std::string(name) + "-layout").c_str(), &layout))
      return Error{"a snapshot event came without the state of " + std::string(name)};
    snapshot.parts.push_back(
        {name, layout, ToBytes(static_cast<GBytes*>(g_value_get_boxed(bytes)))});
  }
  return snapshot;
}

bool AnswerAllocation(GstQuery* query) {
  if (GST_QUERY_TYPE(query) != GST_QUERY_ALLOCATION) return false;
  GstAllocationParams aligned;
  gst_allocation_params_init(&aligned);
  aligned.align = 63;
  gst_query_add_allocation_param(query, nullptr, &aligned);
  return true;
}

void AddLatency(GstQuery* query, GstClockTime own) {
  gboolean live = FALSE;
  GstClockTime least = 0, most = 0;
  gst_query_parse_latency(query, &live, &least, &most);
  if (GST_CLOCK_TIME_IS_VALID(most)) most += own;
  gst_query_set_latency(query, live, least + own, most);
}

}  // namespace rill

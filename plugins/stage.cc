#include "plugins/stage.h"

#include "plugins/element.h"
#include "plugins/tensor_caps.h"

namespace rill {
namespace {

GType ResetOnType() {
  static const GType type = [] {
    static const GFlagsValue values[] = {
        {kResetOnStreamStart, "another stream begins", "stream-start"},
        {kResetOnFlush, "the stream was flushed, as by a seek", "flush"},
        {kResetOnDiscont, "a buffer is marked as discontinuous", "discont"},
        {kResetOnNonFinite, "the state is no longer finite, which else is an error", "non-finite"},
        {0, nullptr, nullptr}};
    return g_flags_register_static("LfmResetOn", values);
  }();
  return type;
}

GType KvPrecisionType() {
  static const GType type = [] {
    static const GEnumValue values[] = {
        {static_cast<gint>(CachePrecision::kFloat16), "2 bytes a number", "f16"},
        {static_cast<gint>(CachePrecision::kFloat32), "4 bytes a number", "f32"},
        {0, nullptr, nullptr}};
    return g_enum_register_static("LfmKvPrecision", values);
  }();
  return type;
}

// One for the start and one for the end of loading; `text` is for people.
void PostProgress(GstElement* element, GstProgressType type, const std::string& text) {
  gst_element_post_message(
      element, gst_message_new_progress(GST_OBJECT(element), type, "loading", text.c_str()));
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
      g_param_spec_string(
          "model-instance-id", "Model instance id",
          "Elements with the same id share a model; the one nearest the sink says which", nullptr,
          kInReady));
  g_object_class_install_property(
      object_class, kKvPrecision,
      g_param_spec_enum("kv-precision", "KV precision",
                        "How attention layers keep keys and values; the same in every element of a "
                        "stream",
                        KvPrecisionType(), static_cast<gint>(CachePrecision::kFloat16), kInReady));
  const Model::Options usual;
  const auto install_count = [&](guint id, const char* name, const char* nick, const char* blurb,
                                 guint least, size_t by_default) {
    g_object_class_install_property(object_class, id,
                                    g_param_spec_uint(name, nick, blurb, least, 1 << 24,
                                                      static_cast<guint>(by_default), kInReady));
  };
  install_count(kContext, "context", "Context",
                "Tokens that the attention layers of a text model see; the same in every element "
                "of a stream, as are window and sinks",
                1, usual.context);
  install_count(kWindow, "window", "Window",
                "Go on for ever: attention sees so many of the last tokens; 0: all of the context",
                0, usual.window);
  install_count(kSinks, "sinks", "Sinks", "Of the first tokens, with a window: so many stay seen",
                0, usual.sinks);
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

void SetStageProperty(Stage& stage, guint id, const GValue* value) {
  switch (id) {
    case kModelPath: stage.model_path = TextOf(value); break;
    case kModelInstanceId: stage.instance = TextOf(value); break;
    case kKvPrecision:
      stage.options.cache = static_cast<CachePrecision>(g_value_get_enum(value));
      break;
    case kContext: stage.options.context = g_value_get_uint(value); break;
    case kWindow: stage.options.window = g_value_get_uint(value); break;
    case kSinks: stage.options.sinks = g_value_get_uint(value); break;
    case kResetOn: stage.reset_on = g_value_get_flags(value); break;
    case kState: {
      auto* bytes = static_cast<GBytes*>(g_value_get_boxed(value));
      stage.restore.reset();
      if (bytes != nullptr) stage.restore = CopyBytes(bytes);
      break;
    }
    default: break;
  }
}

void GetStageProperty(const Stage& stage, guint id, GValue* value) {
  switch (id) {
    case kModelPath: g_value_set_string(value, stage.model_path.c_str()); break;
    case kModelInstanceId: g_value_set_string(value, stage.instance.c_str()); break;
    case kKvPrecision: g_value_set_enum(value, static_cast<gint>(stage.options.cache)); break;
    case kContext: g_value_set_uint(value, static_cast<guint>(stage.options.context)); break;
    case kWindow: g_value_set_uint(value, static_cast<guint>(stage.options.window)); break;
    case kSinks: g_value_set_uint(value, static_cast<guint>(stage.options.sinks)); break;
    case kResetOn: g_value_set_flags(value, stage.reset_on); break;
    default: break;
  }
}

bool OpenStage(GstElement* element, Stage& stage) {
  GST_OBJECT_LOCK(element);
  const std::string path = stage.model_path, instance = stage.instance;
  const Model::Options options = stage.options;
  GST_OBJECT_UNLOCK(element);
  PostProgress(element, GST_PROGRESS_TYPE_START, "loading the model");
  Result<std::shared_ptr<const Model>> model = OpenModel(path, instance, options);
  if (!model) {
    PostProgress(element, GST_PROGRESS_TYPE_ERROR, model.error().message);
    Fail(element, GST_RESOURCE_ERROR_OPEN_READ, model.error());
    return false;
  }
  PostProgress(element, GST_PROGRESS_TYPE_COMPLETE, (*model)->name() + " is loaded");
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

bool ForgivesNonFinite(GstElement* element, const Stage& stage, const Error& error) {
  if (!WantsReset(element, stage, kResetOnNonFinite)) return false;
  GST_ELEMENT_WARNING(element, STREAM, DECODE, ("%s", error.message.c_str()), (nullptr));
  return true;
}

Snapshot::Part PartToSave(GstElement* element, const Stage& stage, Snapshot::Part own,
                          int64_t* position) {
  GST_OBJECT_LOCK(element);
  const std::optional<std::vector<std::byte>> bytes = stage.restore;
  GST_OBJECT_UNLOCK(element);
  if (!bytes) return own;
  const Result<Snapshot> pending = Snapshot::Parse(*bytes);
  const Snapshot::Part* part = pending ? pending->Find(own.name) : nullptr;
  if (part == nullptr) return own;
  if (position != nullptr) *position = pending->position;
  return *part;
}

std::optional<Result<Snapshot>> TakeRestore(GstElement* element, Stage& stage) {
  GST_OBJECT_LOCK(element);
  std::optional<std::vector<std::byte>> bytes;
  bytes.swap(stage.restore);
  GST_OBJECT_UNLOCK(element);
  if (!bytes) return std::nullopt;
  return Snapshot::Parse(*bytes);
}

bool AnswerAllocation(GstQuery* query) {
  if (GST_QUERY_TYPE(query) != GST_QUERY_ALLOCATION) return false;
  GstAllocationParams aligned;
  gst_allocation_params_init(&aligned);
  aligned.align = 63;
  gst_query_add_allocation_param(query, nullptr, &aligned);
  GstCaps* caps = nullptr;
  gboolean pool_wanted = FALSE;
  gst_query_parse_allocation(query, &caps, &pool_wanted);
  const Result<TensorCaps> tensors = caps == nullptr ? Error{"no caps"} : ParseTensorCaps(caps);
  if (pool_wanted == FALSE || !tensors) return true;
  GstBufferPool* pool = gst_buffer_pool_new();
  GstStructure* config = gst_buffer_pool_get_config(pool);
  const guint bytes = static_cast<guint>(tensors->Bytes());
  gst_buffer_pool_config_set_params(config, caps, bytes, 0, 0);
  gst_buffer_pool_config_set_allocator(config, nullptr, &aligned);
  gst_buffer_pool_set_config(pool, config);
  gst_query_add_allocation_pool(query, pool, bytes, 0, 0);
  gst_object_unref(pool);
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

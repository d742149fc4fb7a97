#include "plugins/state_keeper.h"

#include <filesystem>
#include <utility>

#include "pipeline/clock.h"
#include "pipeline/files.h"
#include "pipeline/model_instance.h"
#include "plugins/element.h"
#include "plugins/own_events.h"
#include "plugins/stage_element.h"

namespace rill {
namespace {

// What a probe was called for, if it is an event.
GstEvent* EventIn(GstPadProbeInfo* info) {
  const bool event = (GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM) != 0;
  return event ? GST_PAD_PROBE_INFO_EVENT(info) : nullptr;
}

guint BuffersIn(GstPadProbeInfo* info) {
  const GstPadProbeType type = GST_PAD_PROBE_INFO_TYPE(info);
  if ((type & GST_PAD_PROBE_TYPE_BUFFER) != 0) return 1;
  if ((type & GST_PAD_PROBE_TYPE_BUFFER_LIST) == 0) return 0;
  return gst_buffer_list_length(GST_PAD_PROBE_INFO_BUFFER_LIST(info));
}

}  // namespace

void StateKeeper::InstallProperties(GObjectClass* object_class, guint first) {
  g_object_class_install_property(
      object_class, first + kStateLocation,
      g_param_spec_string("state-location", "State location",
                          "File that the stream's state is kept in and restored from", nullptr,
                          kInReady));
  g_object_class_install_property(
      object_class, first + kStateInterval,
      g_param_spec_uint("state-interval", "State interval",
                        "Buffers between two writes of the state; 0: only at the end", 0, G_MAXUINT,
                        0, kAlways));
}

void StateKeeper::InstallSignals(GType type, void (*snapshot)(GstElement*),
                                 void (*reset)(GstElement*)) {
  const auto flags = static_cast<GSignalFlags>(G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION);
  g_signal_new_class_handler("snapshot", type, flags, G_CALLBACK(snapshot), nullptr, nullptr,
                             nullptr, G_TYPE_NONE, 0);
  g_signal_new_class_handler("reset-state", type, flags, G_CALLBACK(reset), nullptr, nullptr,
                             nullptr, G_TYPE_NONE, 0);
}

StateKeeper::StateKeeper(GstElement* bin, GstElement* entry, std::vector<GstElement*> stages,
                         Check check)
    : bin_(bin),
      sink_(gst_element_get_static_pad(entry, "sink")),
      probe_(gst_pad_add_probe(
          sink_,
          static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST |
                                       GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM),
          Watch, this, nullptr)),
      stages_(std::move(stages)),
      check_(check) {}

// The elements may outlive the bin in an application's hands.
StateKeeper::~StateKeeper() {
  gst_pad_remove_probe(sink_, probe_);
  gst_object_unref(sink_);
}

std::string StateKeeper::location() const {
  GST_OBJECT_LOCK(bin_);
  std::string location = location_;
  GST_OBJECT_UNLOCK(bin_);
  return location;
}

void StateKeeper::SetProperty(guint property, const GValue* value) {
  GST_OBJECT_LOCK(bin_);
  if (property == kStateLocation) location_ = TextOf(value);
  if (property == kStateInterval) interval_ = g_value_get_uint(value);
  GST_OBJECT_UNLOCK(bin_);
}

void StateKeeper::GetProperty(guint property, GValue* value) const {
  GST_OBJECT_LOCK(bin_);
  if (property == kStateLocation) g_value_set_string(value, location_.c_str());
  if (property == kStateInterval) g_value_set_uint(value, interval_);
  GST_OBJECT_UNLOCK(bin_);
}

void StateKeeper::Send(const char* event) const {
  gst_pad_send_event(
      sink_, gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty(event)));
}

void StateKeeper::SetState(GBytes* state) {
  std::unique_ptr<GBytes, UnrefBytes> next(state == nullptr ? nullptr : g_bytes_ref(state));
  GST_OBJECT_LOCK(bin_);
  state_.swap(next);
  GST_OBJECT_UNLOCK(bin_);
}

// The stages work in this thread, so none of them holds a frame now.
void StateKeeper::HandOutState() {
  GST_OBJECT_LOCK(bin_);
  const std::unique_ptr<GBytes, UnrefBytes> state = std::move(state_);
  GST_OBJECT_UNLOCK(bin_);
  if (!state) return;
  for (GstElement* stage : stages_) g_object_set(stage, "state", state.get(), nullptr);
}

void StateKeeper::TakeStateBack() const {
  for (GstElement* stage : stages_) g_object_set(stage, "state", nullptr, nullptr);
}

// Asks for a snapshot before every `state-interval`-th buffer and before the end.
GstPadProbeReturn StateKeeper::Watch(GstPad*, GstPadProbeInfo* info, gpointer data) {
  StateKeeper& keeper = *static_cast<StateKeeper*>(data);
  const guint buffers = BuffersIn(info);
  GstEvent* event = EventIn(info);
  if (event == nullptr || GST_EVENT_IS_SERIALIZED(event)) keeper.HandOutState();
  GST_OBJECT_LOCK(keeper.bin_);
  const bool wanted = !keeper.location_.empty();
  const guint interval = keeper.interval_;
  GST_OBJECT_UNLOCK(keeper.bin_);
  if (!wanted) return GST_PAD_PROBE_OK;
  const bool end = event != nullptr && GST_EVENT_TYPE(event) == GST_EVENT_EOS;
  if (end || (buffers > 0 && interval > 0 && keeper.taken_ >= interval)) {
    keeper.taken_ = 0;
    keeper.Send(kSnapshotEvent);
  }
  keeper.taken_ += buffers;
  return GST_PAD_PROBE_OK;
}

// A snapshot that could not be restored, as of a stream that has failed, leaves the file alone.
Result<void> StateKeeper::Write(const std::string& location, const GstStructure* fields) const {
  auto* blob = static_cast<GBytes*>(g_value_get_boxed(gst_structure_get_value(fields, "state")));
  const std::vector<std::byte> bytes = CopyBytes(blob);
  const Result<ResumePoint> point = check_(StageOf(stages_.back()).model, bytes);
  if (!point) return Error{location + " is not written: " + point.error().message};
  return WriteAtomically(location, bytes);
}

void StateKeeper::Handle(GstMessage* message) {
  const std::string file = location();
  if (file.empty() || GST_MESSAGE_TYPE(message) != GST_MESSAGE_ELEMENT ||
      !gst_message_has_name(message, "lfm-snapshot"))
    return;
  const auto written = Write(file, gst_message_get_structure(message));
  if (!std::exchange(failing_, !written) && !written)
    GST_ELEMENT_WARNING(bin_, RESOURCE, WRITE, ("%s", written.error().message.c_str()), (nullptr));
}

// The model that the stages will open.
StateKeeper::ModelResult StateKeeper::OpenTheirModel() const {
  gchar* path = nullptr;
  gchar* instance = nullptr;
  gint cache = 0;
  guint context = 0, window = 0, sinks = 0;
  g_object_get(stages_.back(), "model-path", &path, "model-instance-id", &instance, "kv-precision",
               &cache, "context", &context, "window", &window, "sinks", &sinks, nullptr);
  ModelResult model = OpenModel(path == nullptr ? "" : path, instance == nullptr ? "" : instance,
                                {.cache = static_cast<CachePrecision>(cache),
                                 .context = context,
                                 .window = window,
                                 .sinks = sinks});
  g_free(path);
  g_free(instance);
  return model;
}

StateKeeper::ModelResult StateKeeper::Restore() {
  taken_ = 0;
  const std::string file = location();
  std::error_code ignored;
  failing_ = false;
  if (file.empty()) return std::shared_ptr<const Model>();
  if (!std::filesystem::exists(file, ignored)) {
    const std::filesystem::path folder = std::filesystem::absolute(file).parent_path();
    if (!std::filesystem::is_directory(folder, ignored))
      return Error{"state-location " + file + " cannot be written: there is no folder " +
                   folder.string()};
    return std::shared_ptr<const Model>();
  }
  const auto bytes = ReadFile(file, kMostSnapshotBytes);
  if (!bytes) return bytes.error();
  ModelResult model = OpenTheirModel();
  if (!model) return model;
  const Result<ResumePoint> point = check_(*model, *bytes);
  if (!point) return Error{file + ": " + point.error().message};

  const std::unique_ptr<GBytes, UnrefBytes> blob(g_bytes_new(bytes->data(), bytes->size()));
  SetState(blob.get());
  GstStructure* fields =
      gst_structure_new("lfm-restored", "position", G_TYPE_INT64, gint64{point->position}, nullptr);
  if (point->last_ns)
    gst_structure_set(fields, "time", G_TYPE_STRING, Iso8601(*point->last_ns).c_str(), nullptr);
  gst_element_post_message(bin_, gst_message_new_element(GST_OBJECT(bin_), fields));
  return model;
}

}  // namespace rill

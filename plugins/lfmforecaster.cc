// SPDX-License-Identifier: Apache-2.0
/**
 * SECTION:element-lfmforecaster
 *
 * lfmsensorenc ! lfmbackbone ! lfmforecast in one element: rows of sensors in, forecasts out, as
 * JSON lines unless `format` says otherwise.
 *
 * With `state-location` the stream survives its process: the file is written at the end of the
 * stream and every `state-interval` buffers, atomically and in the streaming thread, and when the
 * element starts the stream goes on from it. The message lfm-restored{position, time} says where;
 * rows up to there may come again and are passed over.
 *
 * |[
 * gst-launch-1.0 -q filesrc location=ETTh1.csv ! lfmsensorparse !
 *     lfmforecaster horizon=24 every=168 ! fdsink
 * gst-launch-1.0 -q lfmsensorsrc port=9000 caps=text/csv ! lfmsensorparse !
 *     lfmforecaster every=60 state-location=stream.state state-interval=600 ! fdsink sync=false
 * ]|
 */
#include <filesystem>

#include "pipeline/clock.h"
#include "pipeline/stream_snapshot.h"
#include "plugins/element.h"
#include "plugins/forecast_output.h"
#include "plugins/row_input.h"
#include "plugins/stage_element.h"
#include "plugins/stage_properties.h"

GST_DEBUG_CATEGORY_STATIC(lfm_forecaster_debug);
#define GST_CAT_DEFAULT lfm_forecaster_debug

namespace {

struct Impl {
  GstElement* encoder = nullptr;
  GstElement* backbone = nullptr;
  GstElement* head = nullptr;
  std::string state_location;  // GST_OBJECT_LOCK
  guint state_interval = 0;    // GST_OBJECT_LOCK
  guint taken = 0;             // streaming thread only: buffers since the last write
};

struct LfmForecaster {
  GstBin parent;
  Impl* impl;
};
struct LfmForecasterClass {
  GstBinClass parent;
};

G_DEFINE_TYPE(LfmForecaster, lfm_forecaster, GST_TYPE_BIN)

Impl& Of(gpointer object) { return *static_cast<LfmForecaster*>(object)->impl; }

enum : guint {
  kEvery = rill::kStagePropertyEnd,
  kOnBadRow,
  kStats,
  kHorizon,
  kStep,
  kFormat,
  kMessages,
  kMessageInterval,
  kQos,
  kMaxObservedDelay,
  kStateLocation,
  kStateInterval,
};

std::string StateLocation(gpointer object) {
  GST_OBJECT_LOCK(object);
  std::string location = Of(object).state_location;
  GST_OBJECT_UNLOCK(object);
  return location;
}

// An event of our own into the stream, behind the rows sent so far.
void SendOwn(Impl& self, const char* name) {
  GstPad* sink = gst_element_get_static_pad(self.encoder, "sink");
  gst_pad_send_event(
      sink, gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty(name)));
  gst_object_unref(sink);
}

void TakeSnapshot(LfmForecaster* bin) { SendOwn(Of(bin), rill::kSnapshotEvent); }
void ResetState(LfmForecaster* bin) { SendOwn(Of(bin), rill::kResetEvent); }

// Asks for a snapshot before every `state-interval`-th buffer and before the end.
GstPadProbeReturn Watch(GstPad*, GstPadProbeInfo* info, gpointer bin) {
  Impl& self = Of(bin);
  GST_OBJECT_LOCK(bin);
  const bool wanted = !self.state_location.empty();
  const guint interval = self.state_interval;
  GST_OBJECT_UNLOCK(bin);
  if (!wanted) return GST_PAD_PROBE_OK;
  const bool buffer = (GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER) != 0;
  const bool end = !buffer && GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_EOS;
  if (end || (buffer && interval > 0 && self.taken >= interval)) {
    self.taken = 0;
    SendOwn(self, rill::kSnapshotEvent);
  }
  if (buffer) ++self.taken;
  return GST_PAD_PROBE_OK;
}

// A snapshot that could not be restored, as of a stream that has failed, leaves the file alone.
rill::Result<void> WriteState(Impl& self, const std::string& location, const GstStructure* fields) {
  auto* blob = static_cast<GBytes*>(g_value_get_boxed(gst_structure_get_value(fields, "state")));
  const std::vector<std::byte> bytes = rill::CopyBytes(blob);
  const auto point = rill::CheckSnapshot(rill::StageOf(self.encoder).model, bytes);
  if (!point) return rill::Error{location + " is not written: " + point.error().message};
  return rill::WriteAtomically(location, bytes);
}

void HandleMessage(GstBin* bin, GstMessage* message) {
  const std::string location = StateLocation(bin);
  if (!location.empty() && GST_MESSAGE_TYPE(message) == GST_MESSAGE_ELEMENT &&
      gst_message_has_name(message, "lfm-snapshot")) {
    const auto written = WriteState(Of(bin), location, gst_message_get_structure(message));
    if (!written)
      GST_ELEMENT_WARNING(bin, RESOURCE, WRITE, ("%s", written.error().message.c_str()), (nullptr));
  }
  GST_BIN_CLASS(lfm_forecaster_parent_class)->handle_message(bin, message);
}

using ModelResult = rill::Result<std::shared_ptr<const rill::Model>>;

// The model that the elements will open.
ModelResult OpenTheirModel(const Impl& self) {
  gchar* path = nullptr;
  gchar* instance = nullptr;
  gint cache = 0;
  g_object_get(self.encoder, "model-path", &path, "model-instance-id", &instance, "kv-precision",
               &cache, nullptr);
  ModelResult model =
      rill::OpenModel(path == nullptr ? "" : path, instance == nullptr ? "" : instance,
                      static_cast<rill::CachePrecision>(cache));
  g_free(path);
  g_free(instance);
  return model;
}

// Hands the file's snapshot to the elements; a file that is not there yet is a stream that begins.
// Gives the model, so that it is not loaded twice.
ModelResult Restore(GstElement* element, Impl& self) {
  constexpr size_t kMostBytes = size_t{1} << 30;
  const std::string location = StateLocation(element);
  std::error_code ignored;
  if (location.empty() || !std::filesystem::exists(location, ignored))
    return std::shared_ptr<const rill::Model>();
  const auto bytes = rill::ReadFile(location, kMostBytes);
  if (!bytes) return bytes.error();
  ModelResult model = OpenTheirModel(self);
  if (!model) return model;
  const rill::Result<rill::ResumePoint> point = rill::CheckSnapshot(*model, *bytes);
  if (!point) return rill::Error{location + ": " + point.error().message};

  GBytes* blob = g_bytes_new(bytes->data(), bytes->size());
  for (GstElement* stage : {self.encoder, self.backbone, self.head})
    g_object_set(stage, "state", blob, nullptr);
  g_bytes_unref(blob);
  gst_element_post_message(
      element,
      gst_message_new_element(GST_OBJECT(element),
                              gst_structure_new("lfm-restored", "position", G_TYPE_INT64,
                                                gint64{point->position}, "time", G_TYPE_STRING,
                                                rill::Iso8601(point->last_ns).c_str(), nullptr)));
  return model;
}

GstStateChangeReturn ChangeState(GstElement* element, GstStateChange transition) {
  Impl& self = Of(element);
  ModelResult model = std::shared_ptr<const rill::Model>();  // until the elements have it
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    self.taken = 0;
    model = Restore(element, self);
    if (!model) {
      rill::Fail(element, GST_RESOURCE_ERROR_READ, model.error());
      return GST_STATE_CHANGE_FAILURE;
    }
  }
  return GST_ELEMENT_CLASS(lfm_forecaster_parent_class)->change_state(element, transition);
}

// The elements inside that have the property, the one to read it from first.
std::vector<GstElement*> Owners(const Impl& self, guint id) {
  if (id < rill::kStagePropertyEnd) return {self.encoder, self.backbone, self.head};
  return {id <= kStats ? self.encoder : self.head};
}

void SetProperty(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
  Impl& self = Of(object);
  if (id < kStateLocation) {
    for (GstElement* owner : Owners(self, id))
      g_object_set_property(G_OBJECT(owner), spec->name, value);
    return;
  }
  GST_OBJECT_LOCK(object);
  const gchar* location = id == kStateLocation ? g_value_get_string(value) : nullptr;
  if (id == kStateLocation) self.state_location = location == nullptr ? "" : location;
  if (id == kStateInterval) self.state_interval = g_value_get_uint(value);
  GST_OBJECT_UNLOCK(object);
}

void GetProperty(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  Impl& self = Of(object);
  if (id < kStateLocation) {
    g_object_get_property(G_OBJECT(Owners(self, id)[0]), spec->name, value);
    return;
  }
  GST_OBJECT_LOCK(object);
  if (id == kStateLocation) g_value_set_string(value, self.state_location.c_str());
  if (id == kStateInterval) g_value_set_uint(value, self.state_interval);
  GST_OBJECT_UNLOCK(object);
}

void lfm_forecaster_init(LfmForecaster* bin) {
  bin->impl = new Impl;
  Impl& self = *bin->impl;
  self.encoder = gst_element_factory_make("lfmsensorenc", "encoder");
  self.backbone = gst_element_factory_make("lfmbackbone", "backbone");
  self.head = gst_element_factory_make("lfmforecast", "head");
  g_object_set(self.head, "format", static_cast<gint>(rill::ForecastFormat::kJson), nullptr);
  gst_bin_add_many(GST_BIN(bin), self.encoder, self.backbone, self.head, nullptr);
  gst_element_link_many(self.encoder, self.backbone, self.head, nullptr);
  g_signal_connect_swapped(
      self.head, "notify::max-observed-delay",
      G_CALLBACK(+[](GObject* of) { g_object_notify(of, "max-observed-delay"); }), bin);
  rill::AddGhostPad(GST_ELEMENT(bin), self.encoder, "sink");
  rill::AddGhostPad(GST_ELEMENT(bin), self.head, "src");
  GstPad* sink = gst_element_get_static_pad(self.encoder, "sink");
  gst_pad_add_probe(
      sink,
      static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM),
      Watch, bin, nullptr);
  gst_object_unref(sink);
}

void Finalize(GObject* object) {
  delete &Of(object);
  G_OBJECT_CLASS(lfm_forecaster_parent_class)->finalize(object);
}

void InstallSignals(GType type) {
  g_signal_new_class_handler("snapshot", type,
                             static_cast<GSignalFlags>(G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION),
                             G_CALLBACK(TakeSnapshot), nullptr, nullptr, nullptr, G_TYPE_NONE, 0);
  g_signal_new_class_handler("reset-state", type,
                             static_cast<GSignalFlags>(G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION),
                             G_CALLBACK(ResetState), nullptr, nullptr, nullptr, G_TYPE_NONE, 0);
}

void lfm_forecaster_class_init(LfmForecasterClass* bin_class) {
  GST_DEBUG_CATEGORY_INIT(lfm_forecaster_debug, "lfmforecaster", 0, "sensor rows to forecasts");
  GObjectClass* object = G_OBJECT_CLASS(bin_class);
  object->set_property = SetProperty;
  object->get_property = GetProperty;
  object->finalize = Finalize;
  rill::InstallStageProperties(object);
  g_object_class_install_property(object, kEvery, rill::EverySpec());
  g_object_class_install_property(object, kOnBadRow, rill::OnBadRowSpec());
  g_object_class_install_property(object, kStats, rill::StatsSpec());
  g_object_class_install_property(object, kHorizon, rill::HorizonSpec());
  g_object_class_install_property(object, kStep, rill::StepSpec());
  g_object_class_install_property(object, kFormat, rill::FormatSpec(rill::ForecastFormat::kJson));
  g_object_class_install_property(object, kMessages, rill::MessagesSpec());
  g_object_class_install_property(object, kMessageInterval, rill::MessageIntervalSpec());
  g_object_class_install_property(object, kQos, rill::QosSpec());
  g_object_class_install_property(object, kMaxObservedDelay, rill::MaxObservedDelaySpec());
  g_object_class_install_property(
      object, kStateLocation,
      g_param_spec_string("state-location", "State location",
                          "File that the stream's state is kept in and restored from", nullptr,
                          rill::kInReady));
  g_object_class_install_property(
      object, kStateInterval,
      g_param_spec_uint("state-interval", "State interval",
                        "Buffers between two writes of the state; 0: only at the end", 0, G_MAXUINT,
                        0, rill::kAlways));
  InstallSignals(G_TYPE_FROM_CLASS(bin_class));
  GST_BIN_CLASS(bin_class)->handle_message = HandleMessage;
  GstElementClass* base = GST_ELEMENT_CLASS(bin_class);
  base->change_state = ChangeState;
  rill::AddPadTemplate(base, "sink", GST_PAD_SINK, {rill::kAnyTensorCaps, rill::kRowCaps});
  rill::AddPadTemplate(base, "src", GST_PAD_SRC, {rill::kFloat32TensorCaps, rill::kJsonCaps});
  gst_element_class_set_static_metadata(base, "Forecaster", "Filter/Converter/Sensor",
                                        "Forecasts the channels of a stream of sensor rows",
                                        "Rill");
}

}  // namespace

GST_ELEMENT_REGISTER_DEFINE(lfmforecaster, "lfmforecaster", GST_RANK_NONE,
                            lfm_forecaster_get_type())

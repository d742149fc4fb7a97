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
#include "plugins/element.h"
#include "plugins/forecast_output.h"
#include "plugins/row_input.h"
#include "plugins/stage_element.h"
#include "plugins/stage_properties.h"
#include "plugins/state_keeper.h"

GST_DEBUG_CATEGORY_STATIC(lfm_forecaster_debug);
#define GST_CAT_DEFAULT lfm_forecaster_debug

namespace {

struct Impl {
  GstElement* encoder = nullptr;
  GstElement* backbone = nullptr;
  GstElement* head = nullptr;
  std::optional<rill::StateKeeper> keeper;
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
  kKeeper,  // the first of its
};

void TakeSnapshot(GstElement* bin) { Of(bin).keeper->Send(rill::kSnapshotEvent); }
void ResetState(GstElement* bin) { Of(bin).keeper->Send(rill::kResetEvent); }

void HandleMessage(GstBin* bin, GstMessage* message) {
  if (Of(bin).keeper) Of(bin).keeper->Handle(message);  // linking in init posts messages, too
  GST_BIN_CLASS(lfm_forecaster_parent_class)->handle_message(bin, message);
}

GstStateChangeReturn ChangeState(GstElement* element, GstStateChange transition) {
  // The model, until the elements have it.
  rill::StateKeeper::ModelResult model = std::shared_ptr<const rill::Model>();
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    model = Of(element).keeper->Restore();
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
  if (id >= kKeeper) return self.keeper->SetProperty(id - kKeeper, value);
  for (GstElement* owner : Owners(self, id))
    g_object_set_property(G_OBJECT(owner), spec->name, value);
}

void GetProperty(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  Impl& self = Of(object);
  if (id >= kKeeper) return self.keeper->GetProperty(id - kKeeper, value);
  g_object_get_property(G_OBJECT(Owners(self, id)[0]), spec->name, value);
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
  g_signal_connect_object(self.head, "notify::max-observed-delay", G_CALLBACK(+[](GObject* of) {
                            g_object_notify(of, "max-observed-delay");
                          }),
                          bin, G_CONNECT_SWAPPED);
  rill::AddGhostPad(GST_ELEMENT(bin), self.encoder, "sink");
  rill::AddGhostPad(GST_ELEMENT(bin), self.head, "src");
  self.keeper.emplace(GST_ELEMENT(bin), self.encoder,
                      std::vector{self.encoder, self.backbone, self.head},
                      rill::CheckSensorSnapshot);
}

void Finalize(GObject* object) {
  delete &Of(object);
  G_OBJECT_CLASS(lfm_forecaster_parent_class)->finalize(object);
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
  rill::StateKeeper::InstallProperties(object, kKeeper);
  rill::StateKeeper::InstallSignals(G_TYPE_FROM_CLASS(bin_class), TakeSnapshot, ResetState);
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

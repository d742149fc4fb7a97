#include "plugins/model_bin.h"

#include "plugins/element.h"
#include "plugins/own_events.h"
#include "plugins/stage_element.h"

namespace rill {
namespace {

struct Impl {
  ModelStages stages;
  StateKeeper keeper;
};

struct ModelBin {
  GstBin parent;
  Impl* impl;  // null while the bin is being filled
};
struct ModelBinClass {
  GstBinClass parent;
  const ModelBinInfo* info;
};

constexpr guint kKeeper = kStagePropertyEnd;  // the first of its properties

gpointer parent_class = nullptr;  // set once, in class_init

Impl* Of(gpointer bin) { return static_cast<ModelBin*>(bin)->impl; }

void TakeSnapshot(GstElement* bin) { Of(bin)->keeper.Send(kSnapshotEvent); }
void ResetState(GstElement* bin) { Of(bin)->keeper.Send(kResetEvent); }

void HandleMessage(GstBin* bin, GstMessage* message) {
  if (Of(bin) != nullptr) Of(bin)->keeper.Handle(message);
  GST_BIN_CLASS(parent_class)->handle_message(bin, message);
}

GstStateChangeReturn ChangeState(GstElement* element, GstStateChange transition) {
  // The model, until the elements have it.
  StateKeeper::ModelResult model = std::shared_ptr<const Model>();
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    model = Of(element)->keeper.Restore();
    if (!model) {
      Fail(element, GST_RESOURCE_ERROR_READ, model.error());
      return GST_STATE_CHANGE_FAILURE;
    }
  }
  const GstStateChangeReturn changed =
      GST_ELEMENT_CLASS(parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) Of(element)->keeper.TakeStateBack();
  return changed;
}

// The elements inside that have the property, in stream order.
std::vector<GObject*> Owners(const ModelStages& stages, const GParamSpec* spec) {
  std::vector<GObject*> owners;
  for (GstElement* stage : stages.all())
    if (g_object_class_find_property(G_OBJECT_GET_CLASS(stage), spec->name) != nullptr)
      owners.push_back(G_OBJECT(stage));
  return owners;
}

bool IsKeepers(guint id) { return id >= kKeeper && id < kForwardedProperty; }

void SetProperty(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
  if (IsKeepers(id)) return Of(object)->keeper.SetProperty(id - kKeeper, value);
  if (id == kState)
    return Of(object)->keeper.SetState(static_cast<GBytes*>(g_value_get_boxed(value)));
  for (GObject* owner : Owners(Of(object)->stages, spec))
    g_object_set_property(owner, spec->name, value);
}

void GetProperty(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  if (IsKeepers(id)) return Of(object)->keeper.GetProperty(id - kKeeper, value);
  g_object_get_property(Owners(Of(object)->stages, spec).at(0), spec->name, value);
}

void Finalize(GObject* object) {
  delete Of(object);
  G_OBJECT_CLASS(parent_class)->finalize(object);
}

void InitBaseClass(gpointer bin_class, gpointer) {
  parent_class = g_type_class_peek_parent(bin_class);
  GObjectClass* object = G_OBJECT_CLASS(bin_class);
  object->set_property = SetProperty;
  object->get_property = GetProperty;
  object->finalize = Finalize;
  InstallStageProperties(object);
  StateKeeper::InstallProperties(object, kKeeper);
  StateKeeper::InstallSignals(G_TYPE_FROM_CLASS(bin_class), TakeSnapshot, ResetState);
  GST_BIN_CLASS(bin_class)->handle_message = HandleMessage;
  GST_ELEMENT_CLASS(bin_class)->change_state = ChangeState;
}

GType BaseType() {
  static const GType type =
      g_type_register_static_simple(GST_TYPE_BIN, "LfmModelBin", sizeof(ModelBinClass),
                                    InitBaseClass, sizeof(ModelBin), nullptr, G_TYPE_FLAG_ABSTRACT);
  return type;
}

void InitClass(gpointer bin_class, gpointer info) {
  static_cast<ModelBinClass*>(bin_class)->info = static_cast<const ModelBinInfo*>(info);
  GObjectClass* object = G_OBJECT_CLASS(bin_class);
  object->set_property = SetProperty;  // no class inherits these
  object->get_property = GetProperty;
  static_cast<const ModelBinInfo*>(info)->describe(GST_ELEMENT_CLASS(bin_class));
}

void Init(GTypeInstance* instance, gpointer bin_class) {
  auto* bin = reinterpret_cast<ModelBin*>(instance);
  const ModelBinInfo& info = *static_cast<ModelBinClass*>(bin_class)->info;
  const ModelStages stages = info.fill(&bin->parent);
  bin->impl = new Impl{stages, {GST_ELEMENT(bin), stages.entry, stages.all(), info.check}};
  g_signal_connect_object(stages.head, "notify::max-observed-delay", G_CALLBACK(+[](GObject* of) {
                            g_object_notify(of, "max-observed-delay");
                          }),
                          bin, G_CONNECT_SWAPPED);
}

}  // namespace

std::vector<GstElement*> ModelStages::all() const {
  std::vector<GstElement*> stages = encoders;
  stages.insert(stages.end(), {backbone, head});
  return stages;
}

GType RegisterModelBin(const char* name, const ModelBinInfo& info) {
  GTypeInfo type = {};
  type.class_size = sizeof(ModelBinClass);
  type.class_init = InitClass;
  type.class_data = &info;
  type.instance_size = sizeof(ModelBin);
  type.instance_init = Init;
  return g_type_register_static(BaseType(), name, &type, G_TYPE_FLAG_NONE);
}

void InstallForwarded(GstElementClass* element_class, std::initializer_list<GParamSpec*> specs) {
  for (GParamSpec* spec : specs)
    g_object_class_install_property(G_OBJECT_CLASS(element_class), kForwardedProperty, spec);
}

GstElement* AddElement(GstBin* bin, const char* factory, const char* name) {
  GstElement* element = gst_element_factory_make(factory, name);
  gst_bin_add(bin, element);
  return element;
}

ModelStages AddStages(GstBin* bin, const char* encoder, const char* head) {
  GstElement* first = AddElement(bin, encoder, "encoder");
  ModelStages stages = {.encoders = {first},
                        .backbone = AddElement(bin, "lfmbackbone", "backbone"),
                        .head = AddElement(bin, head, "head"),
                        .entry = first};
  gst_element_link_many(first, stages.backbone, stages.head, nullptr);
  AddGhostPad(GST_ELEMENT(bin), stages.head, "src");
  return stages;
}

}  // namespace rill

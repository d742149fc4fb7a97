#include "plugins/stage_element.h"

#include "plugins/element.h"

namespace rill {
namespace {

struct StageElementClass {
  GstElementClass parent;
  const StageInfo* info;
};

gpointer parent_class = nullptr;  // set once, in class_init

const StageInfo& InfoOf(gpointer element) {
  return *reinterpret_cast<StageElementClass*>(GST_ELEMENT_GET_CLASS(element))->info;
}

void Forget(GstElement* element) {
  InfoOf(element).forget(element);
  StageOf(element).fresh = true;
}

// At the end of a stream that was not cut off.
void DrainAndForget(GstElement* element) {
  if (const auto drain = InfoOf(element).drain) drain(element);
  Forget(element);
}

Result<void> Restore(GstElement* element) {
  Stage& stage = StageOf(element);
  const auto snapshot = TakeRestore(element, stage);
  if (!snapshot) return {};
  if (!*snapshot) return snapshot->error();
  const StageInfo& info = InfoOf(element);
  const bool was_absent = info.part != nullptr && (*snapshot)->Find(kFusionPart) != nullptr &&
                          (*snapshot)->Find(info.part) == nullptr;
  if (was_absent)
    info.forget(element);
  else if (Result<void> ok = info.restore(element, **snapshot); !ok)
    return ok;
  stage.fresh = true;
  return {};
}

// What comes before a buffer is taken in.
GstFlowReturn Prepare(GstElement* element) {
  const Stage& stage = StageOf(element);
  if (stage.refused) return GST_FLOW_NOT_NEGOTIATED;
  if (!stage.negotiated)
    return Fail(element, GST_STREAM_ERROR_FORMAT,
                Error{"a buffer came before caps that say what it is: lfmsensorparse makes rows of "
                      "bytes, decodebin media of a file"});
  if (const auto restored = Restore(element); !restored)
    return Fail(element, GST_RESOURCE_ERROR_READ, restored.error());
  return GST_FLOW_OK;
}

// Says to lfmtextenc, which may be in another thread and wait for a token, that none comes.
GstFlowReturn Told(GstElement* element, GstFlowReturn flow) {
  const Stage& stage = StageOf(element);
  if (flow < GST_FLOW_OK && flow != GST_FLOW_FLUSHING && stage.model && stage.model->text())
    gst_pad_push_event(SinkOf(element),
                       gst_event_new_custom(GST_EVENT_CUSTOM_UPSTREAM,
                                            gst_structure_new(kUnheardEvent, "flow", G_TYPE_INT,
                                                              gint{flow}, nullptr)));
  return flow;
}

GstFlowReturn Chain(GstPad*, GstObject* parent, GstBuffer* taken) {
  GstElement* element = GST_ELEMENT(parent);
  BufferOwner buffer(taken);
  const GstFlowReturn ready = Prepare(element);
  return Told(element,
              ready == GST_FLOW_OK ? InfoOf(element).take(element, std::move(buffer)) : ready);
}

GstFlowReturn ChainList(GstPad*, GstObject* parent, GstBufferList* taken) {
  GstElement* element = GST_ELEMENT(parent);
  BufferListOwner buffers(taken);
  const GstFlowReturn ready = Prepare(element);
  return Told(element,
              ready == GST_FLOW_OK ? InfoOf(element).take_all(element, std::move(buffers)) : ready);
}

void Interrupt(GstElement* element) {
  if (const auto interrupt = InfoOf(element).interrupt) interrupt(element);
}

bool TakeCaps(GstElement* element, GstEvent* event) {
  GstCaps* caps = nullptr;
  gst_event_parse_caps(event, &caps);
  const Result<GstCaps*> out = InfoOf(element).set_caps(element, caps);
  gst_event_unref(event);
  StageOf(element).negotiated = static_cast<bool>(out);
  StageOf(element).refused = !out;
  if (!out) {
    Fail(element, GST_STREAM_ERROR_FORMAT, out.error());
    return false;
  }
  const bool sent = gst_pad_push_event(SourceOf(element), gst_event_new_caps(*out)) == TRUE;
  gst_caps_unref(*out);
  return sent;
}

gboolean SinkEvent(GstPad* pad, GstObject* parent, GstEvent* event) {
  GstElement* element = GST_ELEMENT(parent);
  Stage& stage = StageOf(parent);
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_CAPS: return TakeCaps(element, event);
    case GST_EVENT_STREAM_START:
      if (stage.IsNewStream(event) && WantsReset(element, stage, kResetOnStreamStart))
        DrainAndForget(element);
      break;
    case GST_EVENT_FLUSH_START: Interrupt(element); break;
    case GST_EVENT_FLUSH_STOP:
      if (WantsReset(element, stage, kResetOnFlush)) Forget(element);
      break;
    default:
      if (IsEvent(event, kResetEvent)) DrainAndForget(element);
      break;
  }
  if (const auto own = InfoOf(parent).event) event = own(element, event);
  return event == nullptr ? TRUE : gst_pad_event_default(pad, parent, event);
}

gboolean SinkQuery(GstPad* pad, GstObject* parent, GstQuery* query) {
  const auto answer = InfoOf(parent).answer;
  return (answer != nullptr && answer(GST_ELEMENT(parent), query)) || AnswerAllocation(query) ||
         gst_pad_query_default(pad, parent, query);
}

gboolean SourceEvent(GstPad* pad, GstObject* parent, GstEvent* event) {
  if (const auto hear = InfoOf(parent).hear) event = hear(GST_ELEMENT(parent), event);
  return event == nullptr ? TRUE : gst_pad_event_default(pad, parent, event);
}

// The caller holds GST_OBJECT_LOCK.
GstClockTime LatencyOf(GstElement* element) {
  const auto latency = InfoOf(element).latency;
  return latency == nullptr ? 0 : latency(element);
}

gboolean SourceQuery(GstPad* pad, GstObject* parent, GstQuery* query) {
  if (!gst_pad_query_default(pad, parent, query)) return FALSE;
  if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY) return TRUE;
  GST_OBJECT_LOCK(parent);
  const GstClockTime own = LatencyOf(GST_ELEMENT(parent));
  GST_OBJECT_UNLOCK(parent);
  AddLatency(query, own);
  return TRUE;
}

bool Open(GstElement* element) {
  if (!OpenStage(element, StageOf(element))) return false;
  const auto open = InfoOf(element).open;
  const Result<void> opened = open == nullptr ? Result<void>() : open(element);
  if (!opened) Fail(element, GST_RESOURCE_ERROR_SETTINGS, opened.error());
  return static_cast<bool>(opened);
}

GstStateChangeReturn ChangeState(GstElement* element, GstStateChange transition) {
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && !Open(element))
    return GST_STATE_CHANGE_FAILURE;
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) Interrupt(element);
  const GstStateChangeReturn changed =
      GST_ELEMENT_CLASS(parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    InfoOf(element).close(element);
    StageOf(element).model.reset();
    StageOf(element).negotiated = StageOf(element).refused = false;
  }
  return changed;
}

void SetCommonProperty(GObject* object, guint id, const GValue* value, GParamSpec*) {
  GST_OBJECT_LOCK(object);
  SetStageProperty(StageOf(object), id, value);
  GST_OBJECT_UNLOCK(object);
}

void GetCommonProperty(GObject* object, guint id, GValue* value, GParamSpec*) {
  GST_OBJECT_LOCK(object);
  GetStageProperty(StageOf(object), id, value);
  GST_OBJECT_UNLOCK(object);
}

void SetProperty(GObject* object, guint id, const GValue* value, GParamSpec*) {
  GstElement* element = GST_ELEMENT(object);
  GST_OBJECT_LOCK(object);
  const GstClockTime before = LatencyOf(element);
  InfoOf(object).set_property(element, id, value);
  const bool changed = LatencyOf(element) != before;
  GST_OBJECT_UNLOCK(object);
  if (changed) gst_element_post_message(element, gst_message_new_latency(GST_OBJECT(object)));
}

void GetProperty(GObject* object, guint id, GValue* value, GParamSpec*) {
  GST_OBJECT_LOCK(object);
  InfoOf(object).get_property(GST_ELEMENT(object), id, value);
  GST_OBJECT_UNLOCK(object);
}

GstPad* AddPad(GstElement* element, GstElementClass* element_class, const char* name) {
  GstPad* pad =
      gst_pad_new_from_template(gst_element_class_get_pad_template(element_class, name), name);
  gst_element_add_pad(element, pad);
  return pad;
}

// While the class is that of the type that is registered, with its info and pad templates.
void Init(GTypeInstance* instance, gpointer instance_class) {
  auto* self = reinterpret_cast<StageElement*>(instance);
  auto* element_class = static_cast<GstElementClass*>(instance_class);
  const StageInfo& info = *static_cast<StageElementClass*>(instance_class)->info;
  self->stage = new Stage;
  self->stage->model_path = info.usual_model;
  self->impl = info.impl.make();
  self->sink = AddPad(&self->parent, element_class, "sink");
  gst_pad_set_chain_function(self->sink, Chain);
  if (info.take_all != nullptr) gst_pad_set_chain_list_function(self->sink, ChainList);
  gst_pad_set_event_function(self->sink, SinkEvent);
  gst_pad_set_query_function(self->sink, SinkQuery);
  self->source = AddPad(&self->parent, element_class, "src");
  gst_pad_set_event_function(self->source, SourceEvent);
  gst_pad_set_query_function(self->source, SourceQuery);
}

void Finalize(GObject* object) {
  InfoOf(object).impl.drop(reinterpret_cast<StageElement*>(object)->impl);
  delete &StageOf(object);
  G_OBJECT_CLASS(parent_class)->finalize(object);
}

void InitBaseClass(gpointer element_class, gpointer) {
  parent_class = g_type_class_peek_parent(element_class);
  GObjectClass* object = G_OBJECT_CLASS(element_class);
  object->set_property = SetCommonProperty;
  object->get_property = GetCommonProperty;
  object->finalize = Finalize;
  InstallStageProperties(object);
  GST_ELEMENT_CLASS(element_class)->change_state = ChangeState;
}

GType BaseType() {
  static const GType type = g_type_register_static_simple(
      GST_TYPE_ELEMENT, "LfmStage", sizeof(StageElementClass), InitBaseClass, sizeof(StageElement),
      nullptr, G_TYPE_FLAG_ABSTRACT);
  return type;
}

void InitClass(gpointer element_class, gpointer class_data) {
  const auto* info = static_cast<const StageInfo*>(class_data);
  static_cast<StageElementClass*>(element_class)->info = info;
  G_OBJECT_CLASS(element_class)->set_property = SetProperty;  // of the element's own
  G_OBJECT_CLASS(element_class)->get_property = GetProperty;
  info->describe(GST_ELEMENT_CLASS(element_class));
}

}  // namespace

GType RegisterStage(const char* name, const StageInfo& info) {
  GTypeInfo type = {};
  type.class_size = sizeof(StageElementClass);
  type.class_init = InitClass;
  type.class_data = &info;
  type.instance_size = sizeof(StageElement);
  type.instance_init = Init;
  return g_type_register_static(BaseType(), name, &type, G_TYPE_FLAG_NONE);
}

}  // namespace rill

#include "plugins/stage_element.h"

#include "plugins/element.h"

namespace rill {
namespace {

gpointer parent_class = nullptr;  // set once, in class_init

const StageElementClass& ClassOf(gpointer element) {
  return *G_TYPE_INSTANCE_GET_CLASS(element, StageElementType(), const StageElementClass);
}

void Forget(GstElement* element) {
  ClassOf(element).forget(element);
  StageOf(element).fresh = true;
}

GstFlowReturn Chain(GstPad*, GstObject* parent, GstBuffer* buffer) {
  return ClassOf(parent).take(GST_ELEMENT(parent), buffer);
}

bool TakeCaps(GstElement* element, GstEvent* event) {
  GstCaps* caps = nullptr;
  gst_event_parse_caps(event, &caps);
  const Result<GstCaps*> out = ClassOf(element).set_caps(element, caps);
  gst_event_unref(event);
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
        Forget(element);
      break;
    case GST_EVENT_FLUSH_STOP:
      if (WantsReset(element, stage, kResetOnFlush)) Forget(element);
      break;
    default:
      if (IsEvent(event, kResetEvent)) Forget(element);
      break;
  }
  if (const auto own = ClassOf(parent).event) event = own(element, event);
  return event == nullptr ? TRUE : gst_pad_event_default(pad, parent, event);
}

gboolean SinkQuery(GstPad* pad, GstObject* parent, GstQuery* query) {
  return AnswerAllocation(query) || gst_pad_query_default(pad, parent, query);
}

bool Open(GstElement* element) {
  if (!OpenStage(element, StageOf(element))) return false;
  const auto open = ClassOf(element).open;
  const Result<void> opened = open == nullptr ? Result<void>() : open(element);
  if (!opened) Fail(element, GST_RESOURCE_ERROR_SETTINGS, opened.error());
  return static_cast<bool>(opened);
}

GstStateChangeReturn ChangeState(GstElement* element, GstStateChange transition) {
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && !Open(element))
    return GST_STATE_CHANGE_FAILURE;
  const GstStateChangeReturn changed =
      GST_ELEMENT_CLASS(parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    ClassOf(element).close(element);
    StageOf(element).model.reset();
  }
  return changed;
}

void SetProperty(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
  GST_OBJECT_LOCK(object);
  if (!SetStageProperty(StageOf(object), id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  GST_OBJECT_UNLOCK(object);
}

void GetProperty(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  GST_OBJECT_LOCK(object);
  if (!GetStageProperty(StageOf(object), id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  GST_OBJECT_UNLOCK(object);
}

GstPad* AddPad(GstElement* element, GstElementClass* element_class, const char* name) {
  GstPad* pad =
      gst_pad_new_from_template(gst_element_class_get_pad_template(element_class, name), name);
  gst_element_add_pad(element, pad);
  return pad;
}

void Init(GTypeInstance* instance, gpointer instance_class) {
  auto* self = reinterpret_cast<StageElement*>(instance);
  auto* element_class = static_cast<GstElementClass*>(instance_class);
  self->stage = new Stage;
  GstPad* sink = AddPad(&self->parent, element_class, "sink");
  gst_pad_set_chain_function(sink, Chain);
  gst_pad_set_event_function(sink, SinkEvent);
  gst_pad_set_query_function(sink, SinkQuery);
  self->source = AddPad(&self->parent, element_class, "src");
}

void Finalize(GObject* object) {
  delete &StageOf(object);
  G_OBJECT_CLASS(parent_class)->finalize(object);
}

void ClassInit(gpointer element_class, gpointer) {
  parent_class = g_type_class_peek_parent(element_class);
  GObjectClass* object = G_OBJECT_CLASS(element_class);
  object->set_property = SetProperty;
  object->get_property = GetProperty;
  object->finalize = Finalize;
  InstallStageProperties(object);
  GST_ELEMENT_CLASS(element_class)->change_state = ChangeState;
}

}  // namespace

GType StageElementType() {
  static const GType type =
      g_type_register_static_simple(GST_TYPE_ELEMENT, "LfmStage", sizeof(StageElementClass),
                                    ClassInit, sizeof(StageElement), Init, G_TYPE_FLAG_ABSTRACT);
  return type;
}

}  // namespace rill

// SPDX-License-Identifier: Apache-2.0
/**
 * SECTION:element-lfmsensorsrc
 *
 * Lines from the network, live: over TCP, UDP or WebSocket, as server or client. Each buffer is
 * whole lines, stamped with the running time of their arrival, and carries the arrival in Unix time
 * as GstReferenceTimestampMeta of caps timestamp/x-unix. A buffer that follows a loss has DISCONT;
 * what a person should know comes as a warning, once a second at most. The network's part is
 * pipeline/net_source.h.
 *
 * A server; feed it with `nc 127.0.0.1 9000`:
 * |[
 * gst-launch-1.0 lfmsensorsrc port=9000 caps=text/csv ! fdsink sync=false
 * ]|
 * A client that comes back when its server does:
 * |[
 * gst-launch-1.0 lfmws://127.0.0.1:9001/sensors ! fdsink sync=false
 * ]|
 */
#include <gst/base/gstpushsrc.h>

#include <memory>
#include <string>
#include <utility>

#include "pipeline/net_source.h"
#include "pipeline/net_uri.h"
#include "plugins/element.h"
#include "plugins/net_properties.h"

namespace {

using rill::NetEvent;
using rill::NetOptions;

struct Impl {
  NetOptions options;                       // GST_OBJECT_LOCK
  GstCaps* caps = nullptr;                  // GST_OBJECT_LOCK
  std::unique_ptr<rill::NetSource> source;  // GST_OBJECT_LOCK to set; from start to stop
  rill::NetStats stats;                     // GST_OBJECT_LOCK; of the last source, when stopped
  int64_t last_ns = 0;                      // streaming thread only; running time
  GstCaps* unix_time = gst_caps_new_empty_simple("timestamp/x-unix");
};

struct LfmSensorSrc {
  GstPushSrc parent;
  Impl* impl;
};
struct LfmSensorSrcClass {
  GstPushSrcClass parent;
};

void lfm_sensor_src_uri(gpointer interface, gpointer data);

G_DEFINE_TYPE_WITH_CODE(LfmSensorSrc, lfm_sensor_src, GST_TYPE_PUSH_SRC,
                        G_IMPLEMENT_INTERFACE(GST_TYPE_URI_HANDLER, lfm_sensor_src_uri))

Impl& Of(gpointer object) { return *static_cast<LfmSensorSrc*>(object)->impl; }

enum : guint { kCaps, kCurrentPort, kStats };  // after rill::kNetPropertyEnd

void SetProperty(GObject* object, guint id, const GValue* value, GParamSpec*) {
  Impl& self = Of(object);
  GST_OBJECT_LOCK(object);
  if (id < rill::kNetPropertyEnd) {
    rill::SetNetProperty(self.options, id, value);
  } else {
    gst_caps_replace(&self.caps, const_cast<GstCaps*>(gst_value_get_caps(value)));
  }
  GST_OBJECT_UNLOCK(object);
}

void GetProperty(GObject* object, guint id, GValue* value, GParamSpec*) {
  Impl& self = Of(object);
  GST_OBJECT_LOCK(object);
  if (id < rill::kNetPropertyEnd) {
    rill::GetNetProperty(self.options, id, value);
  } else if (id == rill::kNetPropertyEnd + kCaps) {
    gst_value_set_caps(value, self.caps);
  } else if (id == rill::kNetPropertyEnd + kCurrentPort) {
    g_value_set_uint(value, self.source ? self.source->port() : 0);
  } else {
    g_value_take_boxed(value, rill::ToStructure(self.source ? self.source->stats() : self.stats));
  }
  GST_OBJECT_UNLOCK(object);
}

gboolean Start(GstBaseSrc* base) {
  Impl& self = Of(base);
  GST_OBJECT_LOCK(base);
  const NetOptions options = self.options;
  GST_OBJECT_UNLOCK(base);
  rill::Result<std::unique_ptr<rill::NetSource>> source = rill::NetSource::Start(options);
  if (!source) {
    rill::Fail(GST_ELEMENT(base), GST_RESOURCE_ERROR_OPEN_READ, source.error());
    return FALSE;
  }
  GST_OBJECT_LOCK(base);
  self.source = std::move(*source);
  GST_OBJECT_UNLOCK(base);
  self.last_ns = 0;
  g_object_notify(G_OBJECT(base), "current-port");
  return TRUE;
}

gboolean Stop(GstBaseSrc* base) {
  Impl& self = Of(base);
  GST_OBJECT_LOCK(base);
  const std::unique_ptr<rill::NetSource> source = std::move(self.source);
  if (source) self.stats = source->stats();
  GST_OBJECT_UNLOCK(base);
  return TRUE;
}

gboolean Interrupt(GstBaseSrc* base, bool on) {
  GST_OBJECT_LOCK(base);
  if (Of(base).source) Of(base).source->Interrupt(on);
  GST_OBJECT_UNLOCK(base);
  return TRUE;
}

gboolean Unlock(GstBaseSrc* base) { return Interrupt(base, true); }
gboolean UnlockStop(GstBaseSrc* base) { return Interrupt(base, false); }

GstBuffer* ToBuffer(GstElement* element, const rill::NetMessage& message) {
  Impl& self = Of(element);
  GstBuffer* buffer = gst_buffer_new_memdup(message.bytes.data(), message.bytes.size());
  if (GstClock* clock = gst_element_get_clock(element)) {
    const GstClockTimeDiff running =
        GST_CLOCK_DIFF(gst_element_get_base_time(element), gst_clock_get_time(clock));
    gst_object_unref(clock);
    self.last_ns =
        rill::ArrivalRunningTime(message.arrival_ns, rill::SteadyNow(), running, self.last_ns);
    GST_BUFFER_PTS(buffer) = static_cast<GstClockTime>(self.last_ns);
  }
  gst_buffer_add_reference_timestamp_meta(
      buffer, self.unix_time, static_cast<GstClockTime>(message.unix_ns), GST_CLOCK_TIME_NONE);
  if (message.after_loss) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
  return buffer;
}

GstFlowReturn Create(GstPushSrc* push, GstBuffer** buffer) {
  while (true) {
    const NetEvent event = Of(push).source->Pull();
    switch (event.kind) {
      case NetEvent::Kind::kMessage:
        *buffer = ToBuffer(GST_ELEMENT(push), event.message);
        return GST_FLOW_OK;
      case NetEvent::Kind::kNotice:
        GST_ELEMENT_WARNING(push, RESOURCE, READ, ("%s", event.text.c_str()), (nullptr));
        break;
      case NetEvent::Kind::kEnded: return GST_FLOW_EOS;
      case NetEvent::Kind::kFailed:
        return rill::Fail(GST_ELEMENT(push), GST_RESOURCE_ERROR_READ, {event.text});
      case NetEvent::Kind::kInterrupted:
      case NetEvent::Kind::kTimeout: return GST_FLOW_FLUSHING;
    }
  }
}

GstCaps* GetCaps(GstBaseSrc* base, GstCaps* filter) {
  GST_OBJECT_LOCK(base);
  GstCaps* caps = Of(base).caps == nullptr ? gst_caps_new_any() : gst_caps_ref(Of(base).caps);
  GST_OBJECT_UNLOCK(base);
  if (filter == nullptr) return caps;
  GstCaps* both = gst_caps_intersect_full(filter, caps, GST_CAPS_INTERSECT_FIRST);
  gst_caps_unref(caps);
  return both;
}

gboolean Query(GstBaseSrc* base, GstQuery* query) {
  if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY)
    return GST_BASE_SRC_CLASS(lfm_sensor_src_parent_class)->query(base, query);
  gst_query_set_latency(query, TRUE, 0, GST_CLOCK_TIME_NONE);
  return TRUE;
}

gboolean SetUri(GstURIHandler* handler, const gchar* uri, GError** error) {
  GST_OBJECT_LOCK(handler);
  rill::Result<NetOptions> options = rill::ParseNetUri(uri, Of(handler).options);
  const bool idle = Of(handler).source == nullptr;
  if (options && idle) Of(handler).options = *options;
  GST_OBJECT_UNLOCK(handler);
  if (options && idle) return TRUE;
  g_set_error(
      error, GST_URI_ERROR, options ? GST_URI_ERROR_BAD_STATE : GST_URI_ERROR_BAD_URI, "%s",
      options ? "the address cannot change while running" : options.error().message.c_str());
  return FALSE;
}

gchar* GetUri(GstURIHandler* handler) {
  GST_OBJECT_LOCK(handler);
  const std::string uri = rill::NetUri(Of(handler).options);
  GST_OBJECT_UNLOCK(handler);
  return g_strdup(uri.c_str());
}

void lfm_sensor_src_uri(gpointer interface, gpointer) {
  auto* uri = static_cast<GstURIHandlerInterface*>(interface);
  uri->get_type = [](GType) { return GST_URI_SRC; };
  uri->get_protocols = [](GType) -> const gchar* const* {
    static constexpr const gchar* kSchemes[] = {"lfmtcp", "lfmudp", "lfmws", nullptr};
    return kSchemes;
  };
  uri->get_uri = GetUri;
  uri->set_uri = SetUri;
}

void Finalize(GObject* object) {
  Impl* self = &Of(object);
  gst_caps_replace(&self->caps, nullptr);
  gst_caps_unref(self->unix_time);
  delete self;
  G_OBJECT_CLASS(lfm_sensor_src_parent_class)->finalize(object);
}

void InstallProperties(GObjectClass* type) {
  constexpr auto kReadable = static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  constexpr auto kWritable = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                      GST_PARAM_MUTABLE_READY);
  rill::InstallNetProperties(type);
  g_object_class_install_property(
      type, rill::kNetPropertyEnd + kCaps,
      g_param_spec_boxed("caps", "caps", "What the lines are, as text/csv; none: left open",
                         GST_TYPE_CAPS, kWritable));
  g_object_class_install_property(
      type, rill::kNetPropertyEnd + kCurrentPort,
      g_param_spec_uint("current-port", "current-port", "Port in use, 0 while stopped", 0, 65535, 0,
                        kReadable));
  g_object_class_install_property(
      type, rill::kNetPropertyEnd + kStats,
      g_param_spec_boxed("stats", "stats", "What was counted since the start", GST_TYPE_STRUCTURE,
                         kReadable));
}

void lfm_sensor_src_class_init(LfmSensorSrcClass* type) {
  auto* object = G_OBJECT_CLASS(type);
  object->set_property = SetProperty;
  object->get_property = GetProperty;
  object->finalize = Finalize;
  InstallProperties(object);

  auto* element = GST_ELEMENT_CLASS(type);
  gst_element_class_set_static_metadata(
      element, "Lines from the network", "Source/Network",
      "Live lines of sensor data over TCP, UDP or WebSocket, as server or client", "Rill");
  static GstStaticPadTemplate source =
      GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
  gst_element_class_add_static_pad_template(element, &source);

  auto* base = GST_BASE_SRC_CLASS(type);
  base->start = Start;
  base->stop = Stop;
  base->unlock = Unlock;
  base->unlock_stop = UnlockStop;
  base->get_caps = GetCaps;
  base->query = Query;
  GST_PUSH_SRC_CLASS(type)->create = Create;
}

void lfm_sensor_src_init(LfmSensorSrc* self) {
  self->impl = new Impl;
  gst_base_src_set_live(GST_BASE_SRC(self), TRUE);
  gst_base_src_set_format(GST_BASE_SRC(self), GST_FORMAT_TIME);
}

}  // namespace

GST_ELEMENT_REGISTER_DEFINE(lfmsensorsrc, "lfmsensorsrc", GST_RANK_PRIMARY,
                            lfm_sensor_src_get_type())

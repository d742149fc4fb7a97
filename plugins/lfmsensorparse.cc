/**
 * SECTION:element-lfmsensorparse
 * @title: lfmsensorparse
 *
 * Reads sensor rows from bytes: CSV in its many spellings, one JSON object a line, InfluxDB line
 * protocol, or one number a line. Each row becomes a float64 tensor whose time is that of the row
 * less that of the first; the absolute time travels as a GstReferenceTimestampMeta
 * (timestamp/x-unix, nanoseconds). NaN is a missing value.
 *
 * Rows without a time of their own take it from `interval`, or else from the timestamps of the
 * incoming buffers (a live source, as lfmsensorsrc is).
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 filesrc location=ETTh1.csv ! lfmsensorparse ! fakesink silent=false -v
 * ]|
 * |[
 * gst-launch-1.0 filesrc location=AirQualityUCI.csv ! lfmsensorparse missing=-200
 * time-column=0,Time time-format="%d/%m/%Y %H.%M.%S" timezone=Europe/Rome ! fakesink silent=false
 * -v
 * ]|
 */
#include <gst/gst.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>

#include "modalities/row_parser.h"
#include "plugins/element.h"
#include "plugins/row_output.h"
#include "plugins/sensor_settings.h"

GST_DEBUG_CATEGORY_STATIC(lfmsensorparse_debug);
#define GST_CAT_DEFAULT lfmsensorparse_debug

namespace {

using rill::Error, rill::Result, rill::Row, rill::RowFormat, rill::RowParser, rill::RowStats;

struct Impl {
  rill::SensorSettings settings;  // GST_OBJECT_LOCK

  // All that follows: streaming thread only.
  std::optional<rill::RowOutput> output;  // from init to finalize
  std::optional<RowParser> parser;        // from READY to PAUSED and back
  std::string stream_id;
  std::string media_type;  // empty before CAPS
  GstSegment segment;      // of the input
  bool warned = false;     // of the first bad row of this stream
  bool failed = false;     // and said so
};

struct LfmSensorParse {
  GstElement parent;
  Impl* impl;
};
struct LfmSensorParseClass {
  GstElementClass parent;
};
G_DEFINE_TYPE(LfmSensorParse, lfm_sensor_parse, GST_TYPE_ELEMENT)

constexpr const char* kMediaTypes[] = {"text/csv",         "application/x-ndjson",
                                       "application/json", "text/plain",
                                       "text/x-raw",       "application/octet-stream"};
GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS("text/csv; application/x-ndjson; application/json; text/plain; text/x-raw; "
                    "application/octet-stream"));
GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS,
                            GST_STATIC_CAPS("other/tensors, format=(string)static, "
                                            "num_tensors=(int)1, types=(string)float64, "
                                            "framerate=(fraction)0/1"));

LfmSensorParse* Self(gpointer object) { return reinterpret_cast<LfmSensorParse*>(object); }
Impl& Of(gpointer object) { return *Self(object)->impl; }

// Makes the parser anew for the media type in force.
Result<void> ResetParser(LfmSensorParse* element) {
  Impl& self = Of(element);
  GST_OBJECT_LOCK(element);
  Result<rill::RowOptions> options = self.settings.Options();
  self.settings.stats = {};
  GST_OBJECT_UNLOCK(element);
  self.parser.reset();
  self.output->Reset();
  self.warned = self.failed = false;
  if (!options) return options.error();
  if (options->format == RowFormat::kAuto && self.media_type == "text/csv")
    options->format = RowFormat::kCsv;
  if (options->format == RowFormat::kAuto && self.media_type.starts_with("application/") &&
      self.media_type.ends_with("json"))
    options->format = RowFormat::kNdjson;
  Result<RowParser> parser = RowParser::Make(*options);
  if (!parser) return parser.error();
  self.parser = std::move(*parser);
  return {};
}

// Sends every row that is complete.
GstFlowReturn PushRows(LfmSensorParse* element) {
  Impl& self = Of(element);
  if (self.failed) return GST_FLOW_ERROR;
  GstFlowReturn flow = GST_FLOW_OK;
  while (flow == GST_FLOW_OK) {
    const Result<std::optional<Row>> row = self.parser->Pull();
    self.failed = !row;
    if (!row) flow = rill::Fail(&element->parent, GST_STREAM_ERROR_DECODE, row.error());
    if (!row || !*row) break;
    flow = self.output->Push(**row, self.parser->columns());
  }
  const RowStats& stats = self.parser->stats();
  if (stats.bad_rows > 0 && !self.warned && flow != GST_FLOW_ERROR) {
    self.warned = true;
    GST_ELEMENT_WARNING(element, STREAM, DECODE,
                        ("a line was skipped: %s", stats.last_error.c_str()),
                        ("further ones are counted in the property stats"));
  }
  GST_OBJECT_LOCK(element);
  self.settings.stats = stats;
  GST_OBJECT_UNLOCK(element);
  return flow;
}

// The line begun is whole: no more of it comes.
GstFlowReturn EndLine(LfmSensorParse* element) {
  Impl& self = Of(element);
  if (!self.parser || self.parser->stats().bytes == 0) return GST_FLOW_OK;
  self.parser->EndLine();
  return PushRows(element);
}

GstFlowReturn Chain(GstPad*, GstObject* parent, GstBuffer* buffer) {
  LfmSensorParse* element = Self(parent);
  Impl& self = Of(element);
  GstFlowReturn flow = self.parser ? GST_FLOW_OK : GST_FLOW_FLUSHING;
  if (flow == GST_FLOW_OK && GST_BUFFER_IS_DISCONT(buffer) && self.parser->stats().bytes > 0) {
    self.parser->Break();
    flow = PushRows(element);
    self.output->MarkDiscont();
  }
  if (flow == GST_FLOW_OK) {
    const rill::MappedBuffer mapped(buffer, GST_MAP_READ);
    if (!mapped) {
      flow =
          rill::Fail(&element->parent, GST_RESOURCE_ERROR_READ, Error{"a buffer cannot be mapped"});
    } else {
      const auto bytes = mapped.bytes();
      self.parser->Push({reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                        self.output->Arrival(buffer, self.segment));
      flow = self.media_type == "text/x-raw" ? EndLine(element) : PushRows(element);
    }
  }
  gst_buffer_unref(buffer);
  return flow;
}

// Lets other caps come as an event, so that their refusal can say why.
gboolean SinkQuery(GstPad* pad, GstObject* parent, GstQuery* query) {
  if (GST_QUERY_TYPE(query) != GST_QUERY_ACCEPT_CAPS)
    return gst_pad_query_default(pad, parent, query);
  gst_query_set_accept_caps_result(query, TRUE);
  return TRUE;
}

gboolean SetMediaType(LfmSensorParse* element, GstEvent* event) {
  Impl& self = Of(element);
  GstCaps* caps = nullptr;
  gst_event_parse_caps(event, &caps);
  const std::string media_type = gst_structure_get_name(gst_caps_get_structure(caps, 0));
  if (std::find(std::begin(kMediaTypes), std::end(kMediaTypes), media_type) ==
      std::end(kMediaTypes)) {
    std::string known;
    for (const char* name : kMediaTypes) known += (known.empty() ? "" : ", ") + std::string(name);
    rill::Fail(&element->parent, GST_STREAM_ERROR_FORMAT,
               Error{"caps " + media_type + " are none of " + known});
    return FALSE;
  }
  if (media_type == self.media_type) return TRUE;
  EndLine(element);
  self.media_type = media_type;
  const Result<void> reset = ResetParser(element);
  if (!reset) rill::Fail(&element->parent, GST_RESOURCE_ERROR_SETTINGS, reset.error());
  return reset ? TRUE : FALSE;
}

void StartStream(LfmSensorParse* element, GstEvent* event) {
  Impl& self = Of(element);
  const gchar* id = nullptr;
  gst_event_parse_stream_start(event, &id);
  if (self.stream_id == id) return;
  const bool first = self.stream_id.empty();
  self.stream_id = id;
  if (first) return;
  self.media_type.clear();
  if (const Result<void> reset = ResetParser(element); !reset)
    rill::Fail(&element->parent, GST_RESOURCE_ERROR_SETTINGS, reset.error());
}

// Drains at EOS; not to have found one row is an error of its own.
void EndStream(LfmSensorParse* element) {
  Impl& self = Of(element);
  if (!self.parser) return;
  self.parser->Finish();
  if (PushRows(element) == GST_FLOW_ERROR) return;
  if (const Result<void> outcome = self.parser->Outcome(); !outcome)
    rill::Fail(&element->parent, GST_STREAM_ERROR_DECODE, outcome.error());
}

gboolean SinkEvent(GstPad* pad, GstObject* parent, GstEvent* event) {
  LfmSensorParse* element = Self(parent);
  Impl& self = Of(element);
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_STREAM_START: StartStream(element, event); break;
    case GST_EVENT_CAPS: {
      const gboolean ok = SetMediaType(element, event);
      gst_event_unref(event);
      return ok;
    }
    case GST_EVENT_SEGMENT:
      EndLine(element);
      gst_event_copy_segment(event, &self.segment);
      gst_event_unref(event);
      return TRUE;
    case GST_EVENT_GAP: return self.output->PushGap(event);
    case GST_EVENT_FLUSH_STOP:
      if (self.parser) self.parser->Flush();
      self.output->ForgetTime();
      gst_segment_init(&self.segment, GST_FORMAT_UNDEFINED);
      break;
    case GST_EVENT_SEGMENT_DONE: EndLine(element); break;
    case GST_EVENT_EOS: EndStream(element); break;
    default:
      if (GST_EVENT_IS_SERIALIZED(event)) return self.output->PushInOrder(event);
      break;
  }
  return gst_pad_event_default(pad, parent, event);
}

GstStateChangeReturn ChangeState(GstElement* parent, GstStateChange change) {
  LfmSensorParse* element = Self(parent);
  Impl& self = Of(element);
  if (change == GST_STATE_CHANGE_READY_TO_PAUSED) {
    gst_segment_init(&self.segment, GST_FORMAT_UNDEFINED);
    if (const Result<void> reset = ResetParser(element); !reset) {
      rill::Fail(parent, GST_RESOURCE_ERROR_SETTINGS, reset.error());
      return GST_STATE_CHANGE_FAILURE;
    }
  }
  const GstStateChangeReturn changed =
      GST_ELEMENT_CLASS(lfm_sensor_parse_parent_class)->change_state(parent, change);
  if (change == GST_STATE_CHANGE_PAUSED_TO_READY) {
    self.parser.reset();
    self.stream_id.clear();
    self.media_type.clear();
    self.output->Reset();
  }
  return changed;
}

void SetProperty(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
  GST_OBJECT_LOCK(object);
  const bool known = Of(object).settings.Set(id, value);
  GST_OBJECT_UNLOCK(object);
  if (!known) G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

void GetProperty(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  GST_OBJECT_LOCK(object);
  const bool known = Of(object).settings.Get(id, value);
  GST_OBJECT_UNLOCK(object);
  if (!known) G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

void Finalize(GObject* object) {
  delete Self(object)->impl;
  G_OBJECT_CLASS(lfm_sensor_parse_parent_class)->finalize(object);
}

void lfm_sensor_parse_class_init(LfmSensorParseClass* klass) {
  GObjectClass* object = G_OBJECT_CLASS(klass);
  object->set_property = SetProperty;
  object->get_property = GetProperty;
  object->finalize = Finalize;
  rill::SensorSettings::Install(object);
  GstElementClass* element = GST_ELEMENT_CLASS(klass);
  element->change_state = ChangeState;
  gst_element_class_add_static_pad_template(element, &sink_template);
  gst_element_class_add_static_pad_template(element, &src_template);
  gst_element_class_set_static_metadata(
      element, "Sensor row parser", "Codec/Parser/Sensor",
      "Reads CSV, NDJSON, InfluxDB line protocol or numbers as rows of float64 with their time",
      "Rill");
}

void lfm_sensor_parse_init(LfmSensorParse* element) {
  element->impl = new Impl;
  Impl& self = *element->impl;
  gst_segment_init(&self.segment, GST_FORMAT_UNDEFINED);
  GstPad* sink = gst_pad_new_from_static_template(&sink_template, "sink");
  gst_pad_set_chain_function(sink, GST_DEBUG_FUNCPTR(Chain));
  gst_pad_set_event_function(sink, GST_DEBUG_FUNCPTR(SinkEvent));
  gst_pad_set_query_function(sink, GST_DEBUG_FUNCPTR(SinkQuery));
  gst_element_add_pad(&element->parent, sink);
  GstPad* src = gst_pad_new_from_static_template(&src_template, "src");
  gst_element_add_pad(&element->parent, src);
  self.output.emplace(src);
}

}  // namespace

GST_ELEMENT_REGISTER_DEFINE_WITH_CODE(
    lfmsensorparse, "lfmsensorparse", GST_RANK_NONE, lfm_sensor_parse_get_type(),
    GST_DEBUG_CATEGORY_INIT(lfmsensorparse_debug, "lfmsensorparse", 0, "sensor row parser"))

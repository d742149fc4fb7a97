#include "plugins/classify_properties.h"

#include "plugins/element.h"
#include "plugins/stage.h"

namespace rill {
namespace {

GType ReportType() {
  static const GType type = [] {
    static const GEnumValue values[] = {
        {static_cast<gint>(ClassReport::kFrames), "every frame", "frames"},
        {static_cast<gint>(ClassReport::kChanges),
         "frames with another likeliest label than before", "changes"},
        {static_cast<gint>(ClassReport::kEvents), "beginnings and ends of events", "events"},
        {0, nullptr, nullptr}};
    return g_enum_register_static("LfmClassReport", values);
  }();
  return type;
}

GType FormatType() {
  static const GType type = [] {
    static const GEnumValue values[] = {
        {static_cast<gint>(ClassFormat::kJson), "lines of JSON", "json"},
        {static_cast<gint>(ClassFormat::kText), "the label in words, as text/x-raw for an overlay",
         "text"},
        {0, nullptr, nullptr}};
    return g_enum_register_static("LfmClassFormat", values);
  }();
  return type;
}

GParamSpec* Threshold(const char* name, const char* nick, const char* blurb, float usual) {
  return g_param_spec_float(name, nick, blurb, 0, 1, usual, kInReady);
}

GParamSpec* Frames(const char* name, const char* nick, const char* blurb, int64_t usual) {
  return g_param_spec_uint(name, nick, blurb, 1, 100'000, static_cast<guint>(usual), kInReady);
}

// The specification of a property, its default that of `usual`.
GParamSpec* Spec(ClassifyProperty property, const ClassifySettings& usual) {
  switch (property) {
    case kHead:
      return g_param_spec_string("head", "Head",
                                 "Which head of the model classifies, \"classify\" or the name "
                                 "behind \"classify.\"; empty: its only one",
                                 usual.head.c_str(), kInReady);
    case kReport:
      return g_param_spec_enum("report", "Report", "What leaves the element", ReportType(),
                               static_cast<gint>(usual.report), kInReady);
    case kClassFormat:
      return g_param_spec_enum("format", "Format", "What the results are", FormatType(),
                               static_cast<gint>(usual.format), kInReady);
    case kTop:
      return g_param_spec_uint("top", "Top", "Labels that a result lists, the likeliest first", 1,
                               static_cast<guint>(ClassifyHead::kMostLabels), usual.top, kAlways);
    case kOnThreshold:
      return Threshold("on-threshold", "On threshold",
                       "Probability from which on a label's event begins", usual.events.on);
    case kOffThreshold:
      return Threshold("off-threshold", "Off threshold",
                       "Probability below which it ends; at most on-threshold", usual.events.off);
    case kOnFrames:
      return Frames("on-frames", "On frames", "Frames in a row that begin an event",
                    usual.events.on_frames);
    case kOffFrames:
      return Frames("off-frames", "Off frames", "Frames in a row that end one",
                    usual.events.off_frames);
    case kClassMessages:
      return g_param_spec_boolean("messages", "Messages",
                                  "Post each result as an element message lfm-class too",
                                  usual.messages, kAlways);
    case kClassMessageInterval:
      return g_param_spec_uint64("message-interval", "Message interval",
                                 "Least time between two messages about frames, in nanoseconds of "
                                 "this machine's clock; 0: every one; events are always told",
                                 0, G_MAXINT64, usual.message_interval_ns, kAlways);
    case kClassifyProperties: break;
  }
  return nullptr;
}

}  // namespace

void InstallClassifyProperties(GObjectClass* object_class, guint first) {
  const ClassifySettings usual;
  for (guint i = 0; i < kClassifyProperties; ++i)
    g_object_class_install_property(object_class, first + i,
                                    Spec(static_cast<ClassifyProperty>(i), usual));
}

void SetClassifyProperty(ClassifySettings& settings, guint property, const GValue* value) {
  switch (property) {
    case kHead: settings.head = TextOf(value); break;
    case kReport: settings.report = static_cast<ClassReport>(g_value_get_enum(value)); break;
    case kClassFormat: settings.format = static_cast<ClassFormat>(g_value_get_enum(value)); break;
    case kTop: settings.top = g_value_get_uint(value); break;
    case kOnThreshold: settings.events.on = g_value_get_float(value); break;
    case kOffThreshold: settings.events.off = g_value_get_float(value); break;
    case kOnFrames: settings.events.on_frames = g_value_get_uint(value); break;
    case kOffFrames: settings.events.off_frames = g_value_get_uint(value); break;
    case kClassMessages: settings.messages = g_value_get_boolean(value) == TRUE; break;
    case kClassMessageInterval: settings.message_interval_ns = g_value_get_uint64(value); break;
    default: break;
  }
}

void GetClassifyProperty(const ClassifySettings& settings, guint property, GValue* value) {
  switch (property) {
    case kHead: g_value_set_string(value, settings.head.c_str()); break;
    case kReport: g_value_set_enum(value, static_cast<gint>(settings.report)); break;
    case kClassFormat: g_value_set_enum(value, static_cast<gint>(settings.format)); break;
    case kTop: g_value_set_uint(value, settings.top); break;
    case kOnThreshold: g_value_set_float(value, settings.events.on); break;
    case kOffThreshold: g_value_set_float(value, settings.events.off); break;
    case kOnFrames: g_value_set_uint(value, static_cast<guint>(settings.events.on_frames)); break;
    case kOffFrames: g_value_set_uint(value, static_cast<guint>(settings.events.off_frames)); break;
    case kClassMessages: g_value_set_boolean(value, settings.messages); break;
    case kClassMessageInterval: g_value_set_uint64(value, settings.message_interval_ns); break;
    default: break;
  }
}

GParamSpec* MaxRateSpec() {
  return g_param_spec_double("max-rate", "Max rate",
                             "Pictures a second that are taken at most; 0: all", 0, 1e6, 0,
                             kInReady);
}

GParamSpec* ImageStatsSpec() {
  return g_param_spec_boxed(
      "stats", "Statistics",
      "Counts of the stream: frames, pictures dropped by max-rate, corrupted pictures",
      GST_TYPE_STRUCTURE, static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

}  // namespace rill

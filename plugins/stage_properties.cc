#include "plugins/stage_properties.h"

#include "operators/core/workers.h"
#include "plugins/stage.h"

namespace rill {
GType BadRowType() {
  static const GType type = [] {
    static const GEnumValue values[] = {
        {static_cast<gint>(BadRow::kError), "Post an error and stop", "error"},
        {static_cast<gint>(BadRow::kSkip), "Warn of the first, count all in stats and go on",
         "skip"},
        {0, nullptr, nullptr}};
    return g_enum_register_static("LfmSensorBadRow", values);
  }();
  return type;
}

namespace {

GType FormatType() {
  static const GType type = [] {
    static const GEnumValue values[] = {
        {static_cast<gint>(ForecastFormat::kTensors), "other/tensors, Q:H:C:1", "tensors"},
        {static_cast<gint>(ForecastFormat::kJson), "one JSON object a line", "json"},
        {0, nullptr, nullptr}};
    return g_enum_register_static("LfmForecastFormat", values);
  }();
  return type;
}

}  // namespace

GParamSpec* EverySpec() {
  return g_param_spec_uint("every", "Every",
                           "Rows between two forecasts; 0: only one at the end of the stream", 0,
                           G_MAXUINT, kDefaultEvery, kAlways);
}

GParamSpec* OnBadRowSpec() {
  return g_param_spec_enum("on-bad-row", "On bad row",
                           "What happens to a row whose time does not grow or that holds a value "
                           "no forecast can follow",
                           BadRowType(), static_cast<gint>(BadRow::kSkip), kAlways);
}

GParamSpec* StatsSpec() {
  return g_param_spec_boxed(
      "stats", "Stats", "Counts of rows taken, bad, skipped after a restore, and of frames sent",
      GST_TYPE_STRUCTURE, static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

GParamSpec* HorizonSpec() {
  return g_param_spec_uint("horizon", "Horizon", "Steps to forecast; 0: as many as the model can",
                           0, G_MAXUINT, 0, kInReady);
}

GParamSpec* StepSpec() {
  return g_param_spec_uint64("step", "Step",
                             "Nanoseconds between two steps; 0: the usual interval of the stream",
                             0, G_MAXINT64, 0, kAlways);
}

GParamSpec* FormatSpec(ForecastFormat by_default) {
  return g_param_spec_enum("format", "Format", "What a buffer holds", FormatType(),
                           static_cast<gint>(by_default), kInReady);
}

GParamSpec* MessagesSpec() {
  return g_param_spec_boolean("messages", "Messages",
                              "Post each forecast as an element message lfm-forecast too", TRUE,
                              kAlways);
}

GParamSpec* MessageIntervalSpec() {
  return g_param_spec_uint64("message-interval", "Message interval",
                             "Least time between two messages, in nanoseconds of this machine's "
                             "clock; 0: every result",
                             0, G_MAXINT64, 0, kAlways);
}

GParamSpec* QosSpec() {
  return g_param_spec_boolean("qos", "QOS",
                              "Skip results that downstream says come too late; the state takes "
                              "in every frame all the same",
                              FALSE, kAlways);
}

GParamSpec* MaxObservedDelaySpec() {
  return g_param_spec_uint64(
      "max-observed-delay", "Max observed delay",
      "Greatest time between what a result is of and the result in a live pipeline, in nanoseconds",
      0, G_MAXUINT64, 0, static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

GParamSpec* LongestGapSpec() {
  return g_param_spec_uint64("longest-gap", "Longest gap",
                             "Nanoseconds of a GAP that is filled with silence; a longer one is a "
                             "jump in time",
                             0, G_MAXINT64, kUsualLongestGap, kAlways);
}

GParamSpec* ThreadsSpec() {
  return g_param_spec_uint("threads", "Threads",
                           "Threads that share the work; 0: a model of text has one a core, others "
                           "one",
                           0, static_cast<guint>(Workers::kMostThreads), 0, kInReady);
}

GParamSpec* AudioStatsSpec() {
  return g_param_spec_boxed(
      "stats", "Statistics", "Counts of the stream: frames, unsound-samples (not finite)",
      GST_TYPE_STRUCTURE, static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

void AddPadTemplate(GstElementClass* element_class, const char* name, GstPadDirection direction,
                    std::initializer_list<const char*> caps) {
  GstCaps* all = gst_caps_new_empty();
  for (const char* text : caps) gst_caps_append(all, gst_caps_from_string(text));
  gst_element_class_add_pad_template(element_class,
                                     gst_pad_template_new(name, direction, GST_PAD_ALWAYS, all));
  gst_caps_unref(all);
}

}  // namespace rill

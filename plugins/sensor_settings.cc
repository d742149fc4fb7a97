#include "plugins/sensor_settings.h"

#include "plugins/element.h"
#include "plugins/stage_properties.h"

namespace rill {
namespace {

struct Text {
  const char* name;
  const char* nick;
  const char* blurb;
};
enum TextIndex : size_t {
  kColumns,
  kTimeColumn,
  kTimeFormat,
  kTimezone,
  kNameColumn,
  kValueColumn,
  kMissing,
  kDelimiter,
  kDecimal,
};
constexpr Text kTextProperties[SensorSettings::kTexts] = {
    {"columns", "Columns",
     "Channels, by name or place from 0: A,B (empty: all columns of numbers)"},
    {"time-column", "Time column",
     "Columns that make the time, joined with a space: A,B (empty: found by name and content)"},
    {"time-format", "Time format",
     "iso8601, unix, unix-ms, unix-us, unix-ns or a strptime pattern (empty: by the first row)"},
    {"timezone", "Time zone",
     "Of times without an offset: +02:00 or a name such as Europe/Rome (empty: UTC)"},
    {"name-column", "Name column", "One value a line: the column that names the channel"},
    {"value-column", "Value column", "One value a line: the column that holds the value"},
    {"missing", "Missing", "Values that mean missing, beside empty, NA, NaN and null: -200,-999"},
    {"delimiter", "Delimiter", "Between cells of CSV: one character, tab or space (empty: found)"},
    {"decimal", "Decimal", "Decimal point of CSV: . or , (empty: a comma where cells end with ;)"},
};
constexpr guint kFirstText = 1;
constexpr guint kFormat = kFirstText + SensorSettings::kTexts;
constexpr guint kHeader = kFormat + 1;
constexpr guint kOnBadRow = kHeader + 1;
constexpr guint kInterval = kOnBadRow + 1;
constexpr guint kMaxGap = kInterval + 1;
constexpr guint kSkipLines = kMaxGap + 1;
constexpr guint kStats = kSkipLines + 1;

constexpr auto kReadyFlags =
    static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);

GType FormatType() {
  static const GEnumValue values[] = {
      {static_cast<int>(RowFormat::kAuto), "By caps, else by the first line", "auto"},
      {static_cast<int>(RowFormat::kCsv), "Comma (or otherwise) separated values", "csv"},
      {static_cast<int>(RowFormat::kNdjson), "One JSON object a line", "ndjson"},
      {static_cast<int>(RowFormat::kInflux), "InfluxDB line protocol", "influx"},
      {static_cast<int>(RowFormat::kNumbers), "One number a line", "numbers"},
      {0, nullptr, nullptr}};
  static const GType type = g_enum_register_static("LfmSensorFormat", values);
  return type;
}

GType HeaderType() {
  static const GEnumValue values[] = {
      {static_cast<int>(RowHeader::kAuto), "A first line without a number is one", "auto"},
      {static_cast<int>(RowHeader::kPresent), "The first line is one", "present"},
      {static_cast<int>(RowHeader::kAbsent), "The first line is data", "absent"},
      {0, nullptr, nullptr}};
  static const GType type = g_enum_register_static("LfmSensorHeader", values);
  return type;
}

}  // namespace

void SensorSettings::Install(GObjectClass* klass) {
  for (guint i = 0; i < kTexts; ++i) {
    const Text& text = kTextProperties[i];
    g_object_class_install_property(
        klass, kFirstText + i,
        g_param_spec_string(text.name, text.nick, text.blurb, "", kReadyFlags));
  }
  const auto add_enum = [&](guint id, const char* name, const char* nick, const char* blurb,
                            GType type) {
    g_object_class_install_property(klass, id,
                                    g_param_spec_enum(name, nick, blurb, type, 0, kReadyFlags));
  };
  add_enum(kFormat, "input-format", "Input format", "What the bytes are", FormatType());
  add_enum(kHeader, "header", "Header", "Whether CSV starts with the names of its columns",
           HeaderType());
  add_enum(kOnBadRow, "on-bad-row", "On bad row", "What to do with a line that cannot be read",
           BadRowType());
  g_object_class_install_property(
      klass, kInterval,
      gst_param_spec_fraction("interval", "Interval",
                              "Seconds between rows without a time: 1/360 (0/1: rows have a time)",
                              0, 1, G_MAXINT, 1, 0, 1, kReadyFlags));
  g_object_class_install_property(
      klass, kMaxGap,
      g_param_spec_uint64("max-gap", "Max gap",
                          "Nanoseconds that a row may come after the one before it; a row further "
                          "on is a bad one unless the next agrees with it (0: any)",
                          0, G_MAXINT64, 0, kReadyFlags));
  g_object_class_install_property(
      klass, kSkipLines,
      g_param_spec_uint("skip-lines", "Skip lines", "Lines before the header or the first row", 0,
                        G_MAXUINT, 0, kReadyFlags));
  g_object_class_install_property(
      klass, kStats,
      g_param_spec_boxed("stats", "Statistics", "Counts of rows, bad-rows, bytes; last-error",
                         GST_TYPE_STRUCTURE,
                         static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
}

bool SensorSettings::Set(guint id, const GValue* value) {
  if (id >= kFirstText && id < kFormat) {
    texts[id - kFirstText] = TextOf(value);
    return true;
  }
  switch (id) {
    case kFormat: format = static_cast<RowFormat>(g_value_get_enum(value)); return true;
    case kHeader: header = static_cast<RowHeader>(g_value_get_enum(value)); return true;
    case kOnBadRow: on_bad_row = static_cast<BadRow>(g_value_get_enum(value)); return true;
    case kInterval:
      interval = {gst_value_get_fraction_numerator(value),
                  gst_value_get_fraction_denominator(value)};
      return true;
    case kMaxGap: longest_gap_ns = g_value_get_uint64(value); return true;
    case kSkipLines: skip_lines = g_value_get_uint(value); return true;
    default: return false;
  }
}

bool SensorSettings::Get(guint id, GValue* value) const {
  if (id >= kFirstText && id < kFormat) {
    g_value_set_string(value, texts[id - kFirstText].c_str());
    return true;
  }
  switch (id) {
    case kFormat: g_value_set_enum(value, static_cast<int>(format)); return true;
    case kHeader: g_value_set_enum(value, static_cast<int>(header)); return true;
    case kOnBadRow: g_value_set_enum(value, static_cast<int>(on_bad_row)); return true;
    case kInterval:
      gst_value_set_fraction(value, interval.numerator, interval.denominator);
      return true;
    case kMaxGap: g_value_set_uint64(value, longest_gap_ns); return true;
    case kSkipLines: g_value_set_uint(value, skip_lines); return true;
    case kStats:
      g_value_take_boxed(
          value,
          gst_structure_new("lfm-sensor-stats", "rows", G_TYPE_UINT64, stats.rows, "bad-rows",
                            G_TYPE_UINT64, stats.bad_rows, "bytes", G_TYPE_UINT64, stats.bytes,
                            "last-error", G_TYPE_STRING, stats.last_error.c_str(), nullptr));
      return true;
    default: return false;
  }
}

Result<RowOptions> SensorSettings::Options() const {
  RowOptions options;
  options.format = format;
  options.header = header;
  options.on_bad_row = on_bad_row;
  options.interval = interval;
  options.longest_gap_ns = static_cast<int64_t>(longest_gap_ns);
  options.skip_lines = skip_lines;
  options.time_format = texts[kTimeFormat];
  options.timezone = texts[kTimezone];
  options.name_column = texts[kNameColumn];
  options.value_column = texts[kValueColumn];
  const auto fail = [](TextIndex index, const Error& error) {
    return Error{std::string(kTextProperties[index].name) + ": " + error.message};
  };
  struct List {
    TextIndex index;
    std::vector<std::string> RowOptions::*names;
  };
  for (const List& list :
       {List{kColumns, &RowOptions::columns}, List{kTimeColumn, &RowOptions::time_columns},
        List{kMissing, &RowOptions::missing}}) {
    const auto names = ParseNames(texts[list.index]);
    if (!names) return fail(list.index, names.error());
    options.*list.names = *names;
  }
  const Result<char> delimiter = ParseSeparator(texts[kDelimiter]);
  if (!delimiter) return fail(kDelimiter, delimiter.error());
  options.delimiter = *delimiter;
  const Result<char> decimal = ParseSeparator(texts[kDecimal]);
  if (!decimal) return fail(kDecimal, decimal.error());
  options.decimal = *decimal;
  return options;
}

}  // namespace rill

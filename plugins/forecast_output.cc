#include "plugins/forecast_output.h"

#include "pipeline/clock.h"
#include "pipeline/forecast_json.h"

namespace rill {
namespace {

void TakeArray(GstStructure* fields, const char* name, GValue* array) {
  gst_structure_take_value(fields, name, array);
}

void SetNumbers(GstStructure* fields, const char* name, std::span<const float> numbers) {
  GValue array = G_VALUE_INIT;
  gst_value_array_init(&array, static_cast<guint>(numbers.size()));
  for (const float number : numbers) {
    GValue value = G_VALUE_INIT;
    g_value_init(&value, G_TYPE_FLOAT);
    g_value_set_float(&value, number);
    gst_value_array_append_and_take_value(&array, &value);
  }
  TakeArray(fields, name, &array);
}

void SetTexts(GstStructure* fields, const char* name, const std::vector<std::string>& texts) {
  GValue array = G_VALUE_INIT;
  gst_value_array_init(&array, static_cast<guint>(texts.size()));
  for (const std::string& text : texts) {
    GValue value = G_VALUE_INIT;
    g_value_init(&value, G_TYPE_STRING);
    g_value_set_string(&value, text.c_str());
    gst_value_array_append_and_take_value(&array, &value);
  }
  TakeArray(fields, name, &array);
}

}  // namespace

GstCaps* ForecastCaps(ForecastFormat format, const TensorCaps& frames, const Model& model,
                      size_t horizon) {
  if (format == ForecastFormat::kJson) return gst_caps_new_empty_simple(kJsonCaps);
  TensorCaps forecasts = frames;
  forecasts.dimensions = {static_cast<uint32_t>(model.forecast()->levels().size()),
                          static_cast<uint32_t>(horizon), static_cast<uint32_t>(frames.Channels()),
                          1};
  forecasts.lfm_space = model.space() + "/forecast";
  return ToGstCaps(forecasts);
}

GstBuffer* ForecastBuffer(ForecastFormat format, const Forecast& forecast,
                          const std::vector<std::string>& columns) {
  GstBuffer* buffer = nullptr;
  if (format == ForecastFormat::kJson) {
    const std::string line = ToJson(forecast, columns) + "\n";
    buffer = gst_buffer_new_memdup(line.data(), line.size());
  } else {
    buffer = gst_buffer_new_memdup(forecast.values.data(), forecast.values.size() * sizeof(float));
  }
  // Of a step so long that the product overflows, the duration is unknown: the function saturates.
  GST_BUFFER_DURATION(buffer) = gst_util_uint64_scale(static_cast<guint64>(forecast.step_ns),
                                                      static_cast<guint64>(forecast.horizon), 1);
  return buffer;
}

GstMessage* ForecastMessage(GstObject* from, const Forecast& forecast,
                            const std::vector<std::string>& columns, GstClockTime running_time) {
  GstStructure* fields = gst_structure_new(
      "lfm-forecast", "horizon", G_TYPE_UINT, static_cast<guint>(forecast.horizon), "step-ns",
      G_TYPE_INT64, gint64{forecast.step_ns}, "running-time", G_TYPE_UINT64, running_time, "time",
      G_TYPE_STRING, Iso8601(forecast.last_ns).c_str(), "position", G_TYPE_INT64,
      gint64{forecast.position}, nullptr);
  SetTexts(fields, "columns", columns);
  SetNumbers(fields, "quantile-levels", forecast.levels);
  SetNumbers(fields, "values", forecast.values);
  return gst_message_new_element(from, fields);
}

}  // namespace rill

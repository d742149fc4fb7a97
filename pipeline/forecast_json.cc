#include "pipeline/forecast_json.h"

#include <cassert>

#include "pipeline/clock.h"
#include "pipeline/json_text.h"

namespace rill {

std::string ToJson(const Forecast& forecast, std::span<const std::string> columns) {
  assert(columns.empty() || columns.size() == forecast.channels);
  std::string json = "{\"time\":\"" + Iso8601(forecast.last_ns) +
                     "\",\"position\":" + std::to_string(forecast.position) +
                     ",\"step_ns\":" + std::to_string(forecast.step_ns) +
                     ",\"horizon\":" + std::to_string(forecast.horizon) + ",\"quantile_levels\":";
  AppendJson(json, forecast.levels);
  json += ",\"channels\":[";
  for (size_t c = 0; c < forecast.channels; ++c) {
    json += c > 0 ? ",{\"column\":" : "{\"column\":";
    AppendJson(json, columns.empty() ? std::to_string(c) : columns[c]);
    json += ",\"quantiles\":[";
    for (size_t h = 0; h < forecast.horizon; ++h) {
      if (h > 0) json += ',';
      AppendJson(json, forecast.at(c, h));
    }
    json += "]}";
  }
  return json + "]}";
}

}  // namespace rill

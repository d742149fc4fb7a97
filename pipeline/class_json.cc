#include "pipeline/class_json.h"

#include <algorithm>
#include <numeric>

#include "pipeline/json_text.h"

namespace rill {
namespace {

std::string Begin(std::optional<uint64_t> running_time, int64_t position) {
  return "{\"running_time\":" + (running_time ? std::to_string(*running_time) : "null") +
         ",\"position\":" + std::to_string(position);
}

void AppendLabel(std::string& to, const ClassifyStage& stage, size_t label, float confidence) {
  to += ",\"label\":";
  AppendJson(to, stage.labels()[label]);
  to += ",\"index\":" + std::to_string(label) + ",\"confidence\":";
  AppendJson(to, confidence);
}

}  // namespace

std::vector<size_t> Likeliest(std::span<const float> probabilities, size_t top) {
  std::vector<size_t> order(probabilities.size());
  std::iota(order.begin(), order.end(), size_t{0});
  top = std::min(top, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(top), order.end(),
                    [&](size_t a, size_t b) {
                      const float x = probabilities[a], y = probabilities[b];
                      return x != y ? x > y : a < b;
                    });
  order.resize(top);
  return order;
}

std::string ClassesJson(const std::vector<std::string>& labels,
                        std::span<const float> probabilities, size_t top) {
  std::string json = "{";
  for (const size_t label : Likeliest(probabilities, top)) {
    if (json.size() > 1) json += ',';
    AppendJson(json, labels[label]);
    json += ':';
    AppendJson(json, probabilities[label]);
  }
  return json + "}";
}

std::string ToJson(const ClassifyStage& stage, size_t top, std::optional<uint64_t> running_time,
                   int64_t position) {
  std::string json = Begin(running_time, position);
  AppendLabel(json, stage, stage.best(), stage.probabilities()[stage.best()]);
  return json + ",\"classes\":" + ClassesJson(stage.labels(), stage.probabilities(), top) + "}";
}

std::string ToJson(const ClassifyStage& stage, const ClassEvent& event,
                   std::optional<uint64_t> running_time, int64_t position) {
  std::string json =
      Begin(running_time, position) + ",\"event\":\"" + (event.begins ? "begin" : "end") + "\"";
  AppendLabel(json, stage, event.label, event.confidence);
  return json + "}";
}

}  // namespace rill

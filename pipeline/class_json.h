// What a classified frame or an event is, as one JSON object on one line: what the element and the
// command print.
//
//   {"running_time":80000000,"position":1280,"label":"dog","index":3,"confidence":0.93,
//    "classes":{"dog":0.93,"rain":0.04}}
//   {"running_time":80000000,"position":1280,"event":"begin","label":"dog","index":3,
//    "confidence":0.93}
//
// Numbers are the shortest text that reads back as the same float32.
#pragma once

#include <optional>
#include <string>

#include "pipeline/classify_stage.h"

namespace rill {

// The `top` likeliest labels; `position` counts samples or pictures up to the end of the frame, a
// running time is in nanoseconds.
std::string ToJson(const ClassifyStage& stage, size_t top, std::optional<uint64_t> running_time,
                   int64_t position);
std::string ToJson(const ClassifyStage& stage, const ClassEvent& event,
                   std::optional<uint64_t> running_time, int64_t position);

// Of the likeliest `top` of probabilities the indices, the likeliest first; of equal ones the
// first.
std::vector<size_t> Likeliest(std::span<const float> probabilities, size_t top);
// {"dog":0.93,"rain":0.04}: the likeliest labels.
std::string ClassesJson(const std::vector<std::string>& labels,
                        std::span<const float> probabilities, size_t top);

}  // namespace rill

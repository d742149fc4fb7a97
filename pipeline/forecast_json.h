// A forecast as one JSON object on one line: what the element and the command print.
//
//   {"time":"2018-06-26T19:00:00Z","position":17420,"step_ns":3600000000000,"horizon":2,
//    "quantile_levels":[0.1,0.5,0.9],
//    "channels":[{"column":"OT","quantiles":[[8.1,9.5,11.25],[7.9,9.4,11.5]]}]}
//
// quantiles[h][q] belongs to the time `time` + (h + 1) `step_ns`. Numbers are the shortest text
// that reads back as the same float32; what is not finite becomes null.
#pragma once

#include <span>
#include <string>

#include "pipeline/forecast.h"

namespace rill {

// `columns` names the channels, one each, or is empty: then they are "0", "1", ….
std::string ToJson(const Forecast& forecast, std::span<const std::string> columns);

}  // namespace rill

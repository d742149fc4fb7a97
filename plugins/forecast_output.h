// A forecast as a buffer, as caps and as a message.
#pragma once

#include <gst/gst.h>

#include <string>
#include <vector>

#include "pipeline/forecast.h"
#include "plugins/message_limit.h"
#include "plugins/stage_properties.h"
#include "plugins/tensor_caps.h"

namespace rill {

inline constexpr char kJsonCaps[] = "application/x-json";

// Caps of forecasts: application/x-json, or tensors of levels:horizon:channels:1 that keep the
// columns of `frames`. The caller owns them.
GstCaps* ForecastCaps(ForecastFormat format, const TensorCaps& frames, const Model& model,
                      size_t horizon);

// The forecast as JSON with a line feed, or its values; lasts `horizon` steps.
GstBuffer* ForecastBuffer(ForecastFormat format, const Forecast& forecast,
                          const std::vector<std::string>& columns);

// The element message lfm-forecast{horizon, step-ns, running-time, time, position, columns,
// quantile-levels, values}; values are in the order channel, step, level.
GstMessage* ForecastMessage(GstObject* from, const Forecast& forecast,
                            const std::vector<std::string>& columns, GstClockTime running_time);

}  // namespace rill

// What pipelines complain about, as one sentence.
#pragma once

#include <gst/gst.h>

#include <optional>
#include <string>

#include "pipeline/model.h"  // Error

namespace rill {

// The error on the pipeline's bus, if there is one; `name` is what the user calls the input.
std::optional<Error> BusError(GstElement* pipeline, const std::string& name);

// The same after the stream has ended, which it waits for.
std::optional<Error> WaitForEnd(GstElement* pipeline, const std::string& name);

}  // namespace rill

// Mono audio on a sink pad: its caps, and buffers as samples.
#pragma once

#include <gst/audio/audio.h>
#include <gst/gst.h>

#include <vector>

#include "operators/core/result.h"

namespace rill {

// Of any rate: which one a model takes is known when it is loaded.
inline constexpr char kMonoCaps[] =
    "audio/x-raw, format=(string){ " GST_AUDIO_NE(F32) ", " GST_AUDIO_NE(S16) " }, "
    "rate=(int)[1, max], channels=(int)1, layout=(string)interleaved";

// Answers CAPS with the template at that rate (0: any), so that converters upstream choose it, and
// ACCEPT_CAPS with the template at every rate, so that the element can say what is wrong with
// another one. False for other queries.
bool AnswerCaps(GstPad* pad, gint rate, GstQuery* query);

// The samples of a buffer, float32; those of integers divided by 32768.
Result<void> ReadSamples(GstBuffer* buffer, const GstAudioInfo& info, std::vector<float>& samples);

}  // namespace rill

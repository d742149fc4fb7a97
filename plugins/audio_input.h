// Audio of one channel on a sink pad: its caps, its times, and buffers as samples. Of channels
// without positions, which no converter can mix, the mean is taken.
#pragma once

#include <gst/audio/audio.h>
#include <gst/gst.h>

#include <memory>
#include <string>
#include <vector>

#include "operators/core/result.h"
#include "plugins/stage.h"

namespace rill {

// Of any rate: which one a model takes is known when it is loaded.
inline constexpr char kMonoCaps[] =
    "audio/x-raw, format=(string){ " GST_AUDIO_NE(F32) ", " GST_AUDIO_NE(S16) " }, "
    "rate=(int)[1, max], channels=(int)1, layout=(string)interleaved";
inline constexpr char kUnplacedCaps[] =
    "audio/x-raw, format=(string){ " GST_AUDIO_NE(F32) ", " GST_AUDIO_NE(S16) " }, "
    "rate=(int)[1, max], channels=(int)[2, max], channel-mask=(bitmask)0, "
    "layout=(string)interleaved";

// Answers CAPS with the template at that rate (0: any), so that converters upstream choose it, and
// ACCEPT_CAPS with the template at every rate, so that the element can say what is wrong with
// another one. False for other queries.
bool AnswerCaps(GstPad* pad, gint rate, GstQuery* query);

// A probe for events on a pad that leads to audioconvert: two channels that do not say where they
// are become left and right, which they are everywhere in GStreamer. The converter else takes them
// for channels without positions where those are wanted, too, and fails.
GstPadProbeReturn PlaceStereo(GstPad* pad, GstPadProbeInfo* info, gpointer);

// The format of caps of audio at that rate; an error says who wants it.
Result<GstAudioInfo> ReadAudioCaps(const GstCaps* caps, size_t rate_hz, const std::string& who);

// The part of a buffer that lies in the segment; null when none does.
BufferOwner ClipToSegment(BufferOwner buffer, const GstSegment& segment, const GstAudioInfo& info);

// The samples of a buffer, float32; those of integers divided by 32768.
Result<void> ReadSamples(GstBuffer* buffer, const GstAudioInfo& info, std::vector<float>& samples);

// Whether sound goes on from what came before, within what clocks drift and live sources jitter.
class SoundContinuity {
 public:
  explicit SoundContinuity(size_t rate_hz);

  // Takes in that many samples from that time on; false when they are not what the stream would
  // have had next, or are `marked` so.
  bool Take(GstClockTime time, size_t count, bool marked);
  // What comes next does not go on.
  void Break() { gst_audio_stream_align_mark_discont(align_.get()); }

 private:
  struct Free {
    void operator()(GstAudioStreamAlign* align) const { gst_audio_stream_align_free(align); }
  };
  std::unique_ptr<GstAudioStreamAlign, Free> align_;
};

}  // namespace rill

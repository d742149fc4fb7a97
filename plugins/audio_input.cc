#include "plugins/audio_input.h"

#include <cstring>

#include "plugins/element.h"

namespace rill {
namespace {

// The mean of the channels, divided by `full_scale`.
template <typename T>
void Mix(std::span<const std::byte> bytes, size_t channels, double full_scale,
         std::vector<float>& samples) {
  for (size_t i = 0; i < samples.size(); ++i) {
    double sum = 0;
    for (size_t c = 0; c < channels; ++c) {
      T value = 0;
      std::memcpy(&value, bytes.data() + (i * channels + c) * sizeof value, sizeof value);
      sum += static_cast<double>(value);
    }
    samples[i] = static_cast<float>(sum / (full_scale * static_cast<double>(channels)));
  }
}

}  // namespace

bool AnswerCaps(GstPad* pad, gint rate, GstQuery* query) {
  GstCaps* caps = gst_pad_get_pad_template_caps(pad);
  if (GST_QUERY_TYPE(query) == GST_QUERY_ACCEPT_CAPS) {
    GstCaps* offered = nullptr;
    gst_query_parse_accept_caps(query, &offered);
    gst_query_set_accept_caps_result(query, gst_caps_is_subset(offered, caps));
  } else if (GST_QUERY_TYPE(query) == GST_QUERY_CAPS) {
    GstCaps* filter = nullptr;
    gst_query_parse_caps(query, &filter);
    caps = gst_caps_make_writable(caps);
    if (rate > 0) gst_caps_set_simple(caps, "rate", G_TYPE_INT, rate, nullptr);
    GstCaps* both = filter == nullptr
                        ? gst_caps_ref(caps)
                        : gst_caps_intersect_full(filter, caps, GST_CAPS_INTERSECT_FIRST);
    gst_query_set_caps_result(query, both);
    gst_caps_unref(both);
  } else {
    gst_caps_unref(caps);
    return false;
  }
  gst_caps_unref(caps);
  return true;
}

GstPadProbeReturn PlaceStereo(GstPad*, GstPadProbeInfo* info, gpointer) {
  GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
  if (GST_EVENT_TYPE(event) != GST_EVENT_CAPS) return GST_PAD_PROBE_OK;
  GstCaps* caps = nullptr;
  gst_event_parse_caps(event, &caps);
  const GstStructure* fields = gst_caps_get_structure(caps, 0);
  gint channels = 0;
  if (!gst_structure_has_name(fields, "audio/x-raw") ||
      gst_structure_get_int(fields, "channels", &channels) == FALSE || channels != 2 ||
      gst_structure_has_field(fields, "channel-mask"))
    return GST_PAD_PROBE_OK;
  GstCaps* placed = gst_caps_copy(caps);
  gst_caps_set_simple(
      placed, "channel-mask", GST_TYPE_BITMASK,
      GST_AUDIO_CHANNEL_POSITION_MASK(FRONT_LEFT) | GST_AUDIO_CHANNEL_POSITION_MASK(FRONT_RIGHT),
      nullptr);
  GST_PAD_PROBE_INFO_DATA(info) = InPlaceOf(event, gst_event_new_caps(placed));
  gst_caps_unref(placed);
  return GST_PAD_PROBE_OK;
}

Result<GstAudioInfo> ReadAudioCaps(const GstCaps* caps, size_t rate_hz, const std::string& who) {
  GstAudioInfo info;
  if (gst_audio_info_from_caps(&info, caps) == FALSE || GST_AUDIO_INFO_BPF(&info) == 0)
    return Error{"audio caps that cannot be read"};
  if (static_cast<size_t>(GST_AUDIO_INFO_RATE(&info)) != rate_hz)
    return Error{who + " takes mono audio at " + std::to_string(rate_hz) + " Hz, " +
                 std::to_string(GST_AUDIO_INFO_RATE(&info)) +
                 " Hz were offered: put audioconvert ! audioresample before"};
  return info;
}

SoundContinuity::SoundContinuity(size_t rate_hz) {
  constexpr GstClockTime kTolerance = 200 * GST_MSECOND;
  align_.reset(gst_audio_stream_align_new(static_cast<gint>(rate_hz), kTolerance, 0));
}

bool SoundContinuity::Take(GstClockTime time, size_t count, bool marked) {
  if (!GST_CLOCK_TIME_IS_VALID(time)) return !marked;
  return gst_audio_stream_align_process(align_.get(), marked, time, static_cast<guint>(count),
                                        nullptr, nullptr, nullptr) == FALSE;
}

BufferOwner ClipToSegment(BufferOwner buffer, const GstSegment& segment, const GstAudioInfo& info) {
  if (segment.format != GST_FORMAT_TIME) return buffer;
  return BufferOwner(gst_audio_buffer_clip(buffer.release(), &segment, GST_AUDIO_INFO_RATE(&info),
                                           GST_AUDIO_INFO_BPF(&info)));
}

Result<void> ReadSamples(GstBuffer* buffer, const GstAudioInfo& info, std::vector<float>& samples) {
  const MappedBuffer map(buffer, GST_MAP_READ);
  const std::span<const std::byte> bytes = map.bytes();
  const size_t size = static_cast<size_t>(GST_AUDIO_INFO_BPF(&info));
  if (!map || bytes.size() % size != 0)
    return Error{"a buffer of " + std::to_string(bytes.size()) +
                 " bytes does not hold whole samples of " + std::to_string(size)};
  const size_t channels = static_cast<size_t>(GST_AUDIO_INFO_CHANNELS(&info));
  samples.resize(bytes.size() / size);
  if (GST_AUDIO_INFO_FORMAT(&info) == GST_AUDIO_FORMAT_F32)
    Mix<float>(bytes, channels, 1, samples);
  else
    Mix<int16_t>(bytes, channels, 32768, samples);
  return {};
}

}  // namespace rill

#include "plugins/audio_input.h"

#include <cstring>

#include "plugins/element.h"

namespace rill {

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

Result<void> ReadSamples(GstBuffer* buffer, const GstAudioInfo& info, std::vector<float>& samples) {
  const MappedBuffer map(buffer, GST_MAP_READ);
  const std::span<const std::byte> bytes = map.bytes();
  const size_t size = static_cast<size_t>(GST_AUDIO_INFO_BPF(&info));
  if (!map || bytes.size() % size != 0)
    return Error{"a buffer of " + std::to_string(bytes.size()) +
                 " bytes does not hold whole samples of " + std::to_string(size)};
  samples.resize(bytes.size() / size);
  if (GST_AUDIO_INFO_FORMAT(&info) == GST_AUDIO_FORMAT_F32) {
    if (!bytes.empty()) std::memcpy(samples.data(), bytes.data(), bytes.size());
    return {};
  }
  constexpr float kFullScale = 32768;
  for (size_t i = 0; i < samples.size(); ++i) {
    int16_t sample = 0;
    std::memcpy(&sample, bytes.data() + i * sizeof sample, sizeof sample);
    samples[i] = static_cast<float>(sample) / kFullScale;
  }
  return {};
}

}  // namespace rill

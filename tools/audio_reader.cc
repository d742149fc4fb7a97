#include "tools/audio_reader.h"

#include "tools/media_pipeline.h"

namespace rill {
namespace {

std::string Converters(size_t rate_hz) {
  return std::string("audioconvert ! audioresample ! audio/x-raw,format=") +
         (G_BYTE_ORDER == G_LITTLE_ENDIAN ? "F32LE" : "F32BE") +
         ",channels=1,rate=" + std::to_string(rate_hz);
}

}  // namespace

struct AudioReader::Source {
  Source(MediaPipeline media, bool live) : media(std::move(media)), live(live) {}
  ~Source() { Unmap(); }
  void Unmap() {
    if (buffer != nullptr) gst_buffer_unmap(std::exchange(buffer, nullptr), &map);
  }

  MediaPipeline media;
  bool live, has_begun = false;
  GstClockTime first_pts = 0;
  GstBuffer* buffer = nullptr;  // mapped; the pipeline's
  GstMapInfo map{};
};

AudioReader::AudioReader(std::unique_ptr<Source> source) : source_(std::move(source)) {}
AudioReader::AudioReader(AudioReader&&) noexcept = default;
AudioReader& AudioReader::operator=(AudioReader&&) noexcept = default;
AudioReader::~AudioReader() = default;

Result<AudioReader> AudioReader::OpenFile(const std::string& path, size_t rate_hz) {
  Result<MediaPipeline> media = MediaPipeline::OpenFile(path, Converters(rate_hz), "sound");
  if (!media) return media.error();
  return AudioReader(std::make_unique<Source>(std::move(*media), false));
}

Result<AudioReader> AudioReader::OpenLive(const std::string& source, size_t rate_hz) {
  constexpr size_t kKept = 6000;  // buffers of 10 ms, mostly: a minute
  Result<MediaPipeline> media =
      MediaPipeline::OpenLive(source.empty() ? "autoaudiosrc" : source,
                              source.empty() ? "microphone" : source, Converters(rate_hz), kKept);
  if (!media) return media.error();
  return AudioReader(std::make_unique<Source>(std::move(*media), true));
}

Result<std::optional<std::span<const float>>> AudioReader::Next() {
  source_->Unmap();
  const Result<GstSample*> sample = source_->media.Next();
  if (!sample) return sample.error();
  if (*sample == nullptr) return std::optional<std::span<const float>>();
  GstBuffer* buffer = gst_sample_get_buffer(*sample);
  if (gst_buffer_map(buffer, &source_->map, GST_MAP_READ) == FALSE)
    return Error{source_->media.name() + ": a buffer cannot be read"};
  source_->buffer = buffer;
  const GstClockTime pts = GST_BUFFER_PTS(buffer);
  if (!std::exchange(source_->has_begun, true) && GST_CLOCK_TIME_IS_VALID(pts))
    source_->first_pts = source_->live ? 0 : pts;
  return std::optional(std::span(reinterpret_cast<const float*>(source_->map.data),
                                 source_->map.size / sizeof(float)));
}

double AudioReader::offset_seconds() const {
  return static_cast<double>(source_->first_pts) / static_cast<double>(GST_SECOND);
}

double AudioReader::seconds() const { return source_->media.seconds(); }

}  // namespace rill

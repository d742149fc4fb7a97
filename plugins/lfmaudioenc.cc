// SPDX-License-Identifier: Apache-2.0
/**
 * SECTION:element-lfmaudioenc
 *
 * Mono audio to the frames of a model, at the rate that the model wants; audioconvert and
 * audioresample bring other streams there. A frame is stamped with its first sample and leaves with
 * its last one, whatever the sizes of the buffers. At the end of the stream silence follows until
 * the last word has come out of the model.
 *
 * Sound before and after a jump in time is never spliced: what came before is brought to its end as
 * at the end of the stream, and the next frame is marked DISCONT. A GAP of at most `longest-gap` is
 * filled with silence. A sample that is not finite counts as silence, with one warning a stream.
 *
 * |[
 * gst-launch-1.0 -q filesrc location=speech.ogg ! decodebin ! audioconvert ! audioresample !
 *     lfmaudioenc ! lfmbackbone model-path=speech-en ! lfmtranscribe output=line newline=true !
 *     fdsink
 * gst-launch-1.0 -q filesrc location=speech.wav ! wavparse ! audioconvert ! audioresample !
 *     lfmaudioenc ! filesink location=embeddings.f32
 * ]|
 */
#include "pipeline/audio_stage.h"
#include "plugins/audio_input.h"
#include "plugins/element.h"
#include "plugins/frame_meta.h"
#include "plugins/stage_element.h"
#include "plugins/stage_properties.h"

GST_DEBUG_CATEGORY_STATIC(lfm_audio_enc_debug);
#define GST_CAT_DEFAULT lfm_audio_enc_debug

namespace {

struct FreeAlign {
  void operator()(GstAudioStreamAlign* align) const { gst_audio_stream_align_free(align); }
};

struct Stream {
  std::optional<rill::AudioStage> audio;
  std::optional<rill::FrameBlock> block;
  GstAudioInfo info{};
  std::unique_ptr<GstAudioStreamAlign, FreeAlign> align;
  std::vector<float> samples;  // of the buffer at hand
  GstSegment segment{};
  int64_t anchor = 0;                             // this sample of the stream ...
  GstClockTime anchor_pts = GST_CLOCK_TIME_NONE;  // ... has that time
  bool discont = true;
  bool warned = false;
};

struct Impl {
  guint64 longest_gap = rill::kUsualLongestGap;  // GST_OBJECT_LOCK
  guint64 frames = 0;                            // GST_OBJECT_LOCK
  int64_t unsound = 0;                           // GST_OBJECT_LOCK
  GstClockTime hop = 0;                          // GST_OBJECT_LOCK
  gint rate = 0;                                 // GST_OBJECT_LOCK; 0 while no model is loaded
  Stream stream;  // streaming thread only; empty until caps are known
};

Impl& Of(gpointer element) { return rill::ImplOf<Impl>(element); }

enum : guint { kLongestGap = 1, kStats };

void Forget(GstElement* element) {
  Stream& stream = Of(element).stream;
  if (stream.audio) stream.audio->Reset();
  stream.anchor = 0;
  stream.anchor_pts = GST_CLOCK_TIME_NONE;
  stream.discont = true;
}

// Time of a sample of the stream. Only the frame in which a snapshot was taken begins before the
// anchor.
GstClockTime TimeOf(const Stream& stream, int64_t sample) {
  const auto duration = [&](int64_t samples) {
    return gst_util_uint64_scale(static_cast<guint64>(samples), GST_SECOND, stream.audio->rate());
  };
  if (sample >= stream.anchor) return stream.anchor_pts + duration(sample - stream.anchor);
  return stream.anchor_pts - std::min(stream.anchor_pts, duration(stream.anchor - sample));
}

GstFlowReturn SendFrame(GstElement* element, bool drained) {
  Stream& stream = Of(element).stream;
  const int64_t end = stream.audio->position();
  GstBuffer* buffer =
      rill::WriteFrame(*stream.block, {.due = true, .drained = drained, .position = end});
  if (GST_CLOCK_TIME_IS_VALID(stream.anchor_pts)) {
    GST_BUFFER_PTS(buffer) = TimeOf(stream, end - static_cast<int64_t>(stream.audio->hop()));
    GST_BUFFER_DURATION(buffer) = TimeOf(stream, end) - GST_BUFFER_PTS(buffer);
  }
  if (std::exchange(stream.discont, false)) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
  GST_OBJECT_LOCK(element);
  ++Of(element).frames;
  GST_OBJECT_UNLOCK(element);
  return gst_pad_push(rill::SourceOf(element), buffer);
}

void CountUnsound(GstElement* element) {
  Stream& stream = Of(element).stream;
  const int64_t unsound = stream.audio->unsound();
  GST_OBJECT_LOCK(element);
  Of(element).unsound = unsound;
  GST_OBJECT_UNLOCK(element);
  if (unsound == 0 || std::exchange(stream.warned, true)) return;
  GST_ELEMENT_WARNING(
      element, STREAM, DECODE,
      ("samples that are not finite count as silence, the first before sample %" G_GINT64_FORMAT,
       gint64{stream.audio->position()}),
      (nullptr));
}

// After a failure the rest is taken in but not sent, so that the state stays whole.
GstFlowReturn Feed(GstElement* element, std::span<const float> samples, bool drained) {
  Stream& stream = Of(element).stream;
  GstFlowReturn flow = GST_FLOW_OK;
  while (!samples.empty()) {
    const rill::AudioEncoder::Taken taken = stream.audio->Take(samples, *stream.block);
    samples = samples.subspan(taken.samples);
    if (taken.complete && flow == GST_FLOW_OK) flow = SendFrame(element, drained);
  }
  CountUnsound(element);
  return flow;
}

GstFlowReturn FeedSilence(GstElement* element, size_t count, bool drained) {
  constexpr std::array<float, 1024> kSilence{};
  GstFlowReturn flow = GST_FLOW_OK;
  for (; count > 0 && flow == GST_FLOW_OK; count -= std::min(count, kSilence.size()))
    flow = Feed(element, std::span(kSilence).first(std::min(count, kSilence.size())), drained);
  return flow;
}

void Drain(GstElement* element) {
  Stream& stream = Of(element).stream;
  if (!stream.audio || rill::StageOf(element).fresh) return;
  FeedSilence(element, stream.audio->FlushSamples(), true);
  rill::StageOf(element).fresh = true;  // until sound comes, there is nothing more to bring out
}

// What follows is not what the stream would have had next.
void Jump(GstElement* element) {
  Stream& stream = Of(element).stream;
  if (!rill::StageOf(element).fresh) {
    Drain(element);
    if (rill::WantsReset(element, rill::StageOf(element), rill::kResetOnDiscont)) Forget(element);
  }
  stream.anchor_pts = GST_CLOCK_TIME_NONE;
  stream.discont = true;
}

rill::Result<void> Restore(GstElement* element, const rill::Snapshot& snapshot) {
  Stream& stream = Of(element).stream;
  if (rill::Result<void> ok = stream.audio->Restore(snapshot); !ok) return ok;
  stream.anchor_pts = GST_CLOCK_TIME_NONE;
  return {};
}

GstFlowReturn Take(GstElement* element, rill::BufferOwner owner) {
  Stream& stream = Of(element).stream;
  GstBuffer* buffer = owner.get();
  if (const auto read = rill::ReadSamples(buffer, stream.info, stream.samples); !read)
    return rill::Fail(element, GST_STREAM_ERROR_FORMAT, read.error());
  if (stream.samples.empty()) return GST_FLOW_OK;
  const GstClockTime pts = GST_BUFFER_PTS(buffer);
  const bool marked =
      GST_BUFFER_IS_DISCONT(buffer) || GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_RESYNC);
  const bool jumped = GST_CLOCK_TIME_IS_VALID(pts) ? gst_audio_stream_align_process(
                                                         stream.align.get(), marked, pts,
                                                         static_cast<guint>(stream.samples.size()),
                                                         nullptr, nullptr, nullptr) == TRUE
                                                   : marked;
  if (jumped) Jump(element);
  if (!GST_CLOCK_TIME_IS_VALID(stream.anchor_pts)) {
    stream.anchor = stream.audio->position();
    stream.anchor_pts = pts;
  }
  rill::StageOf(element).fresh = false;
  return Feed(element, stream.samples, false);
}

rill::Result<GstCaps*> SetCaps(GstElement* element, const GstCaps* caps) {
  rill::Stage& stage = rill::StageOf(element);
  Stream& stream = Of(element).stream;
  GstAudioInfo info;
  if (gst_audio_info_from_caps(&info, caps) == FALSE || GST_AUDIO_INFO_CHANNELS(&info) != 1 ||
      GST_AUDIO_INFO_BPF(&info) == 0)
    return rill::Error{"audio caps that cannot be read"};
  const size_t rate = stage.model->audio()->rate();
  if (static_cast<size_t>(GST_AUDIO_INFO_RATE(&info)) != rate)
    return rill::Error{stage.model->name() + " takes mono audio at " + std::to_string(rate) +
                       " Hz, " + std::to_string(GST_AUDIO_INFO_RATE(&info)) +
                       " Hz were offered: put audioconvert ! audioresample before"};
  const uint32_t width = static_cast<uint32_t>(stage.model->backbone().width());
  if (!stream.audio) {
    rill::Result<rill::AudioStage> audio = rill::AudioStage::Open(stage.model);
    if (!audio) return audio.error();
    stream.audio.emplace(std::move(*audio));
    stream.block.emplace(1, width);
    constexpr GstClockTime kTolerance = 200 * GST_MSECOND;  // clocks drift, live sources jitter
    stream.align.reset(gst_audio_stream_align_new(static_cast<gint>(rate), kTolerance, 0));
  }
  stream.info = info;
  return rill::ToGstCaps({.dimensions = {width, 1, 1, 1},
                          .framerate_numerator = static_cast<int>(rate),
                          .framerate_denominator = static_cast<int>(stream.audio->hop()),
                          .lfm_space = stage.model->space() + "/embedding",
                          .modality = "audio"});
}

// Fills a short GAP with silence. False when there is nothing to fill: the GAP goes on downstream.
bool FillGap(GstElement* element, GstEvent* event) {
  Stream& stream = Of(element).stream;
  GstClockTime begin = 0, duration = 0;
  gst_event_parse_gap(event, &begin, &duration);
  GST_OBJECT_LOCK(element);
  const guint64 longest = Of(element).longest_gap;
  GST_OBJECT_UNLOCK(element);
  if (!stream.audio || rill::StageOf(element).fresh || !GST_CLOCK_TIME_IS_VALID(stream.anchor_pts))
    return false;
  // One that does not say how long it is says nothing that the next buffer's time does not.
  if (!GST_CLOCK_TIME_IS_VALID(duration)) return false;
  const guint64 count = gst_util_uint64_scale_round(duration, stream.audio->rate(), GST_SECOND);
  if (duration > longest ||
      gst_audio_stream_align_process(stream.align.get(), FALSE, begin, static_cast<guint>(count),
                                     nullptr, nullptr, nullptr) == TRUE) {
    Jump(element);
    gst_audio_stream_align_mark_discont(stream.align.get());
    return false;
  }
  FeedSilence(element, count, false);
  return true;
}

// A segment in which frames can have times: another format's, as of a file without a container,
// becomes one that starts at 0.
GstEvent* WithTimes(GstEvent* event) {
  const GstSegment* segment = nullptr;
  gst_event_parse_segment(event, &segment);
  if (segment->format == GST_FORMAT_TIME) return event;
  gst_event_unref(event);
  GstSegment times;
  gst_segment_init(&times, GST_FORMAT_TIME);
  return gst_event_new_segment(&times);
}

GstEvent* Event(GstElement* element, GstEvent* event) {
  Stream& stream = Of(element).stream;
  const GstSegment* segment = nullptr;
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_SEGMENT:
      event = WithTimes(event);
      gst_event_parse_segment(event, &segment);
      if (stream.segment.format != GST_FORMAT_UNDEFINED &&  // after a flush nothing can be sent yet
          !rill::IsSameTimeline(*segment, stream.segment))
        Jump(element);
      stream.segment = *segment;
      break;
    case GST_EVENT_FLUSH_STOP:
      gst_segment_init(&stream.segment, GST_FORMAT_UNDEFINED);
      stream.anchor_pts = GST_CLOCK_TIME_NONE;
      stream.discont = true;
      if (stream.align) gst_audio_stream_align_mark_discont(stream.align.get());
      break;
    case GST_EVENT_GAP:
      if (!FillGap(element, event)) break;
      gst_event_unref(event);
      return nullptr;
    case GST_EVENT_EOS:
    case GST_EVENT_SEGMENT_DONE: Drain(element); break;
    default: break;
  }
  if (!rill::IsEvent(event, rill::kSnapshotEvent) || !stream.audio) return event;
  const rill::Stage& stage = rill::StageOf(element);
  int64_t position = stream.audio->position();
  event = rill::AddPart(event, rill::PartToSave(element, stage, stream.audio->Save(), &position));
  rill::SetOrigin(event, stage.model->fingerprint(), position);
  return event;
}

bool Answer(GstElement* element, GstPad* sink, GstQuery* query) {
  GST_OBJECT_LOCK(element);
  const gint rate = Of(element).rate;
  GST_OBJECT_UNLOCK(element);
  return rill::AnswerCaps(sink, rate, query);
}

GstClockTime Latency(GstElement* element) { return Of(element).hop; }

rill::Result<void> Open(GstElement* element) {
  const rill::Model& model = *rill::StageOf(element).model;
  if (model.audio() == nullptr) return model.weights().Complain("the model has no audio encoder");
  Impl& self = Of(element);
  gst_segment_init(&self.stream.segment, GST_FORMAT_UNDEFINED);
  GST_OBJECT_LOCK(element);
  self.frames = 0;
  self.unsound = 0;
  self.rate = static_cast<gint>(model.audio()->rate());
  self.hop = gst_util_uint64_scale(model.audio()->hop(), GST_SECOND, model.audio()->rate());
  GST_OBJECT_UNLOCK(element);
  return {};
}

void Close(GstElement* element) {
  Of(element).stream = {};
  GST_OBJECT_LOCK(element);
  Of(element).rate = 0;
  GST_OBJECT_UNLOCK(element);
}

void SetProperty(GstElement* element, guint id, const GValue* value) {
  if (id == kLongestGap) Of(element).longest_gap = g_value_get_uint64(value);
}

void GetProperty(GstElement* element, guint id, GValue* value) {
  const Impl& self = Of(element);
  if (id == kLongestGap) g_value_set_uint64(value, self.longest_gap);
  if (id == kStats)
    g_value_take_boxed(
        value, gst_structure_new("stats", "frames", G_TYPE_UINT64, self.frames, "unsound-samples",
                                 G_TYPE_INT64, gint64{self.unsound}, nullptr));
}

void Describe(GstElementClass* element_class) {
  GST_DEBUG_CATEGORY_INIT(lfm_audio_enc_debug, "lfmaudioenc", 0, "audio to frames");
  GObjectClass* object = G_OBJECT_CLASS(element_class);
  g_object_class_install_property(object, kLongestGap, rill::LongestGapSpec());
  g_object_class_install_property(object, kStats, rill::AudioStatsSpec());
  rill::AddPadTemplate(element_class, "sink", GST_PAD_SINK, {rill::kMonoCaps});
  rill::AddPadTemplate(element_class, "src", GST_PAD_SRC, {rill::kFloat32TensorCaps});
  gst_element_class_set_static_metadata(element_class, "Audio encoder", "Filter/Converter/Audio",
                                        "Turns audio into the frames of a model", "Rill");
}

constexpr rill::StageInfo kInfo = {.impl = rill::kImpl<Impl>,
                                   .usual_model = rill::kDefaultSpeechModel,
                                   .describe = Describe,
                                   .open = Open,
                                   .close = Close,
                                   .forget = Forget,
                                   .restore = Restore,
                                   .set_caps = SetCaps,
                                   .take = Take,
                                   .event = Event,
                                   .set_property = SetProperty,
                                   .get_property = GetProperty,
                                   .latency = Latency,
                                   .answer = Answer};

GType Type() {
  static const GType type = rill::RegisterStage("LfmAudioEnc", kInfo);
  return type;
}

}  // namespace

GST_ELEMENT_REGISTER_DEFINE(lfmaudioenc, "lfmaudioenc", GST_RANK_NONE, Type())

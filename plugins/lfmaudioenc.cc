// SPDX-License-Identifier: Apache-2.0
/**
 * SECTION:element-lfmaudioenc
 *
 * Mono audio to the frames of a model, at the rate that the model wants; audioconvert and
 * audioresample bring other streams there. Channels without positions, as of an array of
 * microphones, are taken as their mean. A frame is stamped with its first sample and leaves with
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
#include "plugins/audio_frames.h"
#include "plugins/audio_input.h"
#include "plugins/element.h"
#include "plugins/stage_element.h"
#include "plugins/stage_properties.h"
#include "plugins/tensor_caps.h"

GST_DEBUG_CATEGORY_STATIC(lfm_audio_enc_debug);
#define GST_CAT_DEFAULT lfm_audio_enc_debug

namespace {

struct Stream {
  std::optional<rill::AudioFrames> frames;
  std::optional<rill::SoundContinuity> continuity;
  GstAudioInfo info{};
  std::vector<float> samples;  // of the buffer at hand
  GstSegment segment{};
  bool warned = false;
};

struct Impl {
  guint64 longest_gap = rill::kUsualLongestGap;  // GST_OBJECT_LOCK
  int64_t frames = 0;                            // GST_OBJECT_LOCK
  int64_t unsound = 0;                           // GST_OBJECT_LOCK
  GstClockTime hop = 0;                          // GST_OBJECT_LOCK
  gint rate = 0;                                 // GST_OBJECT_LOCK; 0 while no model is loaded
  Stream stream;  // streaming thread only; empty until caps are known
};

Impl& Of(gpointer element) { return rill::ImplOf<Impl>(element); }

enum : guint { kLongestGap = 1, kStats };

void Forget(GstElement* element) {
  if (Of(element).stream.frames) Of(element).stream.frames->Reset();
}

// Keeps what `stats` tells, and warns of the first sample that is not finite.
void Count(GstElement* element) {
  Stream& stream = Of(element).stream;
  const rill::AudioStage& audio = stream.frames->audio();
  GST_OBJECT_LOCK(element);
  Of(element).frames = stream.frames->sent();
  Of(element).unsound = audio.unsound();
  GST_OBJECT_UNLOCK(element);
  if (audio.unsound() == 0 || std::exchange(stream.warned, true)) return;
  GST_ELEMENT_WARNING(
      element, STREAM, DECODE,
      ("samples that are not finite count as silence, the first before sample %" G_GINT64_FORMAT,
       gint64{audio.position()}),
      (nullptr));
}

void Drain(GstElement* element, GstClockTime until) {
  Stream& stream = Of(element).stream;
  if (!stream.frames || rill::StageOf(element).fresh) return;
  stream.frames->Drain(until);
  Count(element);
  rill::StageOf(element).fresh = true;  // until sound comes, there is nothing more to bring out
}

// What follows, from `time` on, is not what the stream would have had next.
void Jump(GstElement* element, GstClockTime time) {
  Stream& stream = Of(element).stream;
  if (!stream.frames) return;
  if (!rill::StageOf(element).fresh) {
    Drain(element, time);
    if (rill::WantsReset(element, rill::StageOf(element), rill::kResetOnDiscont)) Forget(element);
  }
  stream.frames->Jump();
}

rill::Result<void> Restore(GstElement* element, const rill::Snapshot& snapshot) {
  return Of(element).stream.frames->Restore(snapshot);
}

GstFlowReturn Take(GstElement* element, rill::BufferOwner buffer) {
  Stream& stream = Of(element).stream;
  buffer = rill::ClipToSegment(std::move(buffer), stream.segment, stream.info);
  if (!buffer) return GST_FLOW_OK;
  if (const auto read = rill::ReadSamples(buffer.get(), stream.info, stream.samples); !read)
    return rill::Fail(element, GST_STREAM_ERROR_FORMAT, read.error());
  if (stream.samples.empty()) return GST_FLOW_OK;
  const GstClockTime pts = GST_BUFFER_PTS(buffer.get());
  const bool marked = GST_BUFFER_IS_DISCONT(buffer.get()) ||
                      GST_BUFFER_FLAG_IS_SET(buffer.get(), GST_BUFFER_FLAG_RESYNC);
  if (!stream.continuity->Take(pts, stream.samples.size(), marked)) Jump(element, pts);
  stream.frames->Begin(pts);
  rill::StageOf(element).fresh = false;
  const GstFlowReturn flow = stream.frames->Take(stream.samples);
  Count(element);
  return flow;
}

rill::Result<GstCaps*> SetCaps(GstElement* element, const GstCaps* caps) {
  rill::Stage& stage = rill::StageOf(element);
  Stream& stream = Of(element).stream;
  const size_t rate = stage.model->audio()->rate();
  const rill::Result<GstAudioInfo> info = rill::ReadAudioCaps(caps, rate, stage.model->name());
  if (!info) return info.error();
  const uint32_t width = static_cast<uint32_t>(stage.model->backbone().width());
  if (!stream.frames) {
    rill::Result<rill::AudioStage> audio = rill::AudioStage::Open(stage.model);
    if (!audio) return audio.error();
    stream.frames.emplace(std::move(*audio), width, rill::SourceOf(element));
    stream.continuity.emplace(rate);
  }
  stream.info = *info;
  return rill::ToGstCaps({.dimensions = {width, 1, 1, 1},
                          .framerate_numerator = static_cast<int>(rate),
                          .framerate_denominator = static_cast<int>(stage.model->audio()->hop()),
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
  if (!stream.frames || rill::StageOf(element).fresh || !stream.frames->has_times()) return false;
  // One that does not say how long it is says nothing that the next buffer's time does not.
  if (!GST_CLOCK_TIME_IS_VALID(duration)) return false;
  const guint64 count =
      gst_util_uint64_scale_round(duration, stream.frames->audio().rate(), GST_SECOND);
  if (duration > longest || !stream.continuity->Take(begin, count, false)) {
    Jump(element, begin + duration);
    stream.continuity->Break();
    return false;
  }
  stream.frames->TakeSilence(count);
  Count(element);
  return true;
}

GstEvent* Event(GstElement* element, GstEvent* event) {
  Stream& stream = Of(element).stream;
  const GstSegment* segment = nullptr;
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_SEGMENT:
      event = rill::WithTimes(event);
      gst_event_parse_segment(event, &segment);
      if (stream.segment.format != GST_FORMAT_UNDEFINED &&  // after a flush nothing can be sent yet
          !rill::IsSameTimeline(*segment, stream.segment))
        Jump(element, stream.segment.stop);
      stream.segment = *segment;
      break;
    case GST_EVENT_FLUSH_STOP:
      gst_segment_init(&stream.segment, GST_FORMAT_UNDEFINED);
      if (!stream.frames) break;
      stream.frames->Jump();
      stream.continuity->Break();
      break;
    case GST_EVENT_GAP:
      if (!FillGap(element, event)) break;
      gst_event_unref(event);
      return nullptr;
    case GST_EVENT_EOS:
    case GST_EVENT_SEGMENT_DONE: Drain(element, stream.segment.stop); break;
    default: break;
  }
  if (!rill::IsEvent(event, rill::kSnapshotEvent) || !stream.frames) return event;
  const rill::Stage& stage = rill::StageOf(element);
  const rill::AudioStage& audio = stream.frames->audio();
  int64_t position = audio.position();
  event = rill::AddPart(event, rill::PartToSave(element, stage, audio.Save(), &position));
  rill::SetOrigin(event, stage.model->fingerprint(), position);
  return event;
}

bool Answer(GstElement* element, GstQuery* query) {
  GST_OBJECT_LOCK(element);
  const gint rate = Of(element).rate;
  GST_OBJECT_UNLOCK(element);
  return rill::AnswerCaps(rill::SinkOf(element), rate, query);
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
        value,
        gst_structure_new("stats", "frames", G_TYPE_UINT64, static_cast<guint64>(self.frames),
                          "unsound-samples", G_TYPE_INT64, gint64{self.unsound}, nullptr));
}

void Describe(GstElementClass* element_class) {
  GST_DEBUG_CATEGORY_INIT(lfm_audio_enc_debug, "lfmaudioenc", 0, "audio to frames");
  GObjectClass* object = G_OBJECT_CLASS(element_class);
  g_object_class_install_property(object, kLongestGap, rill::LongestGapSpec());
  g_object_class_install_property(object, kStats, rill::AudioStatsSpec());
  rill::AddPadTemplate(element_class, "sink", GST_PAD_SINK, {rill::kMonoCaps, rill::kUnplacedCaps});
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
                                   .part = "audio",
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

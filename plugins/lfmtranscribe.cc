// SPDX-License-Identifier: Apache-2.0
/**
 * SECTION:element-lfmtranscribe
 *
 * Hidden frames of speech to text. Words that are final leave as text/x-raw buffers, one a word or
 * one a line, with the time at which they were spoken and GAPs between; they never change. What is
 * not final yet is told by messages lfm-transcript. A pause ends an utterance: its last words
 * become final, and the event rstranscribe/final-transcript follows them.
 *
 * A word becomes final after it was spoken, so its buffer comes later than the reported latency,
 * which is that of a frame: sinks that show text at once want sync=false, others a `latency`.
 *
 * |[
 * gst-launch-1.0 -q filesrc location=speech.ogg ! decodebin ! audioconvert ! audioresample !
 *     lfmaudioenc ! lfmbackbone model-path=speech-en ! lfmtranscribe newline=true ! fdsink
 * gst-launch-1.0 -m filesrc location=speech.ogg ! decodebin ! audioconvert ! audioresample !
 *     lfmaudioenc ! lfmbackbone model-path=speech-en ! lfmtranscribe decoder=greedy ! fakesink
 * ]|
 */
#include "pipeline/transcribe_stage.h"

#include "pipeline/language.h"
#include "plugins/element.h"
#include "plugins/frame_meta.h"
#include "plugins/punctuality.h"
#include "plugins/stage_element.h"
#include "plugins/stage_properties.h"
#include "plugins/transcribe_properties.h"
#include "plugins/transcript_output.h"

namespace {

struct Stream {
  std::optional<rill::TranscribeStage> head;
  std::optional<rill::FrameBlock> block;
  std::optional<rill::TranscriptOutput> output;
  GstSegment segment{};
};

struct Impl {
  rill::TranscribeSettings settings;  // GST_OBJECT_LOCK
  size_t lookahead = 0;               // GST_OBJECT_LOCK; of the model that is loaded
  GstClockTime hop = 0;               // GST_OBJECT_LOCK
  rill::TranscribeOptions options;    // from READY to PAUSED and back
  Stream stream;                      // streaming thread only; empty until caps are known
  rill::Punctuality punctuality;
};

Impl& Of(gpointer element) { return rill::ImplOf<Impl>(element); }

enum : guint { kFirst = 1, kMaxObservedDelay = kFirst + rill::kTranscribeProperties };

rill::TranscribeSettings Copy(gpointer object) {
  GST_OBJECT_LOCK(object);
  rill::TranscribeSettings settings = Of(object).settings;
  GST_OBJECT_UNLOCK(object);
  return settings;
}

void Forget(GstElement* element) {
  Stream& stream = Of(element).stream;
  if (!stream.head) return;
  stream.head->Reset();
  stream.output->Reset();
}

// What was heard has come to its end.
GstFlowReturn Drain(GstElement* element) {
  Stream& stream = Of(element).stream;
  if (!stream.head || rill::StageOf(element).fresh) return GST_FLOW_OK;
  stream.head->EndUtterance();
  stream.output->ForgetPartial();
  return stream.output->Send(stream.head->Take(), Copy(element));
}

rill::Result<void> Restore(GstElement* element, const rill::Snapshot& snapshot) {
  Stream& stream = Of(element).stream;
  if (rill::Result<void> ok = stream.head->Restore(snapshot); !ok) return ok;
  stream.output->Restore(snapshot);
  return {};
}

// The number of samples of that many frames.
int64_t Samples(GstElement* element, int64_t frames) {
  return frames * static_cast<int64_t>(rill::StageOf(element).model->audio()->hop());
}

// Ends what a jump parts, and takes in when the frame is.
void Prepare(GstElement* element, GstBuffer* buffer) {
  rill::Stage& stage = rill::StageOf(element);
  Stream& stream = Of(element).stream;
  if (GST_BUFFER_IS_DISCONT(buffer)) {
    if (!stage.fresh) {
      Drain(element);
      if (rill::WantsReset(element, stage, rill::kResetOnDiscont)) Forget(element);
    }
    stream.output->Jump();
  }
  stream.output->Begin(Samples(element, stream.head->frames()), GST_BUFFER_PTS(buffer));
  const bool timed = GST_BUFFER_PTS_IS_VALID(buffer) && GST_BUFFER_DURATION_IS_VALID(buffer);
  stream.output->HeardUntil(timed ? GST_BUFFER_PTS(buffer) + GST_BUFFER_DURATION(buffer)
                                  : GST_CLOCK_TIME_NONE);
  stage.fresh = false;
}

// Running time of the frame that the result of a frame is about, which is lookahead frames earlier.
GstClockTime ResultTime(GstElement* element, GstClockTime pts) {
  GST_OBJECT_LOCK(element);
  const GstClockTime ahead = Of(element).lookahead * Of(element).hop;
  GST_OBJECT_UNLOCK(element);
  if (!GST_CLOCK_TIME_IS_VALID(pts) || pts < ahead) return GST_CLOCK_TIME_NONE;
  return gst_segment_to_running_time(&Of(element).stream.segment, GST_FORMAT_TIME, pts - ahead);
}

GstFlowReturn Take(GstElement* element, rill::BufferOwner buffer) {
  Stream& stream = Of(element).stream;
  const rill::Result<rill::FrameNotes> notes = rill::ReadFrame(buffer.get(), *stream.block);
  if (!notes) return rill::Fail(element, GST_STREAM_ERROR_FORMAT, notes.error());
  if (notes->modality != rill::Modality::kAudio) return GST_FLOW_OK;
  Prepare(element, buffer.get());
  const rill::TranscribeSettings settings = Copy(element);
  stream.head->Run(*stream.block);
  const GstClockTime running_time = ResultTime(element, GST_BUFFER_PTS(buffer.get()));
  if (!notes->drained && Of(element).punctuality.Send(element, running_time))
    g_object_notify(G_OBJECT(element), "max-observed-delay");
  const GstFlowReturn flow = stream.output->Send(stream.head->Take(), settings);
  if (flow != GST_FLOW_OK) return flow;
  std::vector<rill::TimedWord> partial = stream.head->Partial();
  const bool quiet = partial.empty() && stream.head->is_quiet();
  stream.output->Tell(std::move(partial), settings);
  const int64_t decided = stream.head->frames() - static_cast<int64_t>(stream.head->lookahead());
  if (quiet) stream.output->Advance(Samples(element, decided));
  return GST_FLOW_OK;
}

rill::Result<GstCaps*> SetCaps(GstElement* element, const GstCaps* caps) {
  rill::Stage& stage = rill::StageOf(element);
  Stream& stream = Of(element).stream;
  const rill::Result<rill::TensorCaps> frames = rill::CheckHiddenCaps(caps, *stage.model, "audio");
  if (!frames) return frames.error();
  if (frames->Channels() != 1)
    return rill::Error{std::to_string(frames->Channels()) +
                       " channels of frames were offered, speech has one"};
  if (!stream.head) {
    rill::Result<rill::TranscribeStage> head =
        rill::TranscribeStage::Open(stage.model, Of(element).options);
    if (!head) return head.error();
    stream.head.emplace(std::move(*head));
    stream.block.emplace(1, stage.model->backbone().width());
    stream.output.emplace(element, rill::SourceOf(element), stage.model->audio()->rate(),
                          stream.segment);
    stage.fresh = true;
  }
  return gst_caps_from_string(rill::kTextCaps);
}

// The encoder has brought what was heard to its end, unless it could not say how much is missing;
// the text has GAPs of its own.
void TakeGap(GstElement* element, GstEvent* event) {
  Stream& stream = Of(element).stream;
  GstClockTime begin = 0, duration = 0;
  gst_event_parse_gap(event, &begin, &duration);
  gst_event_unref(event);
  if (!GST_CLOCK_TIME_IS_VALID(duration)) return;
  Drain(element);
  if (stream.output) stream.output->Gap(begin, duration);
}

// Gives the segment of the text, in which a live stream runs later by `lateness`.
GstEvent* NewSegment(GstElement* element, GstEvent* event) {
  Stream& stream = Of(element).stream;
  GstSegment segment;
  gst_event_copy_segment(event, &segment);
  if (!rill::IsSameTimeline(segment, stream.segment)) {
    Drain(element);
    if (stream.output) stream.output->Reset();
  }
  stream.segment = segment;
  Of(element).punctuality.NewSegment(element);
  const GstClockTime lateness = Copy(element).lateness_ms * GST_MSECOND;
  if (lateness == 0 || !rill::IsLive(rill::SinkOf(element))) return event;
  return rill::DelaySegment(event, lateness);
}

std::vector<rill::Snapshot::Part> Parts(GstElement* element) {
  const Stream& stream = Of(element).stream;
  const rill::Stage& stage = rill::StageOf(element);
  if (!stream.head) return {};
  return {rill::PartToSave(element, stage, stream.head->Save()),
          rill::PartToSave(element, stage, stream.output->Save())};
}

GstEvent* Event(GstElement* element, GstEvent* event) {
  Stream& stream = Of(element).stream;
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_SEGMENT: event = NewSegment(element, event); break;
    case GST_EVENT_FLUSH_STOP:
      if (stream.head) {  // words of before the flush are not to be seen any more
        stream.head->EndUtterance();
        stream.head->Take();
        stream.output->Reset();
      }
      Of(element).punctuality.Flush(element);
      break;
    case GST_EVENT_GAP: TakeGap(element, event); return nullptr;
    case GST_EVENT_EOS:
    case GST_EVENT_SEGMENT_DONE: Drain(element); break;
    default: break;
  }
  if (rill::IsEvent(event, rill::kSnapshotEvent))
    rill::PostSnapshot(element, gst_event_get_structure(event), Parts(element));
  if (rill::IsEvent(event, rill::kMarkerEvent))
    rill::PostMarker(element, gst_event_get_structure(event));
  return event;
}

GstEvent* Hear(GstElement* element, GstEvent* event) {
  Of(element).punctuality.Hear(element, rill::SinkOf(element), event);
  return event;
}

GstClockTime Latency(GstElement* element) {
  const Impl& self = Of(element);
  return self.lookahead * self.hop + self.settings.latency_ms * GST_MSECOND;
}

// What can be said before a stream: the model has the head, and the options suit it.
rill::Result<void> Open(GstElement* element) {
  Impl& self = Of(element);
  const rill::Model& model = *rill::StageOf(element).model;
  const rill::TranscribeSettings settings = Copy(element);
  const rill::Result<std::vector<std::string>> languages = rill::Languages(model);
  if (!languages) return languages.error();
  if (const auto ok = rill::CheckLanguage(settings.language, *languages); !ok) return ok.error();
  rill::Result<rill::TranscribeOptions> options = rill::ToOptions(settings);
  if (!options) return options.error();
  const auto stage = rill::TranscribeStage::Open(rill::StageOf(element).model, *options);
  if (!stage) return stage.error();
  self.options = std::move(*options);
  gst_segment_init(&self.stream.segment, GST_FORMAT_TIME);
  GST_OBJECT_LOCK(element);
  self.lookahead = stage->lookahead();
  self.hop = gst_util_uint64_scale(model.audio()->hop(), GST_SECOND, model.audio()->rate());
  GST_OBJECT_UNLOCK(element);
  return {};
}

void Close(GstElement* element) {
  Of(element).stream = {};
  Of(element).options = {};
  Of(element).punctuality.Reset(element);
}

void SetProperty(GstElement* element, guint id, const GValue* value) {
  rill::SetTranscribeProperty(Of(element).settings, id - kFirst, value);
}

void GetProperty(GstElement* element, guint id, GValue* value) {
  const Impl& self = Of(element);
  if (id == kMaxObservedDelay) return g_value_set_uint64(value, self.punctuality.max_delay());
  rill::GetTranscribeProperty(self.settings, id - kFirst, value);
}

void Describe(GstElementClass* element_class) {
  GObjectClass* object = G_OBJECT_CLASS(element_class);
  rill::InstallTranscribeProperties(object, kFirst);
  g_object_class_install_property(object, kMaxObservedDelay, rill::MaxObservedDelaySpec());
  rill::AddPadTemplate(element_class, "sink", GST_PAD_SINK, {rill::kFloat32TensorCaps});
  rill::AddPadTemplate(element_class, "src", GST_PAD_SRC, {rill::kTextCaps});
  gst_element_class_set_static_metadata(element_class, "Transcribe head", "Filter/Converter/Text",
                                        "Turns hidden frames of speech into text", "Rill");
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
                                   .hear = Hear};

GType Type() {
  static const GType type = rill::RegisterStage("LfmTranscribe", kInfo);
  return type;
}

}  // namespace

GST_ELEMENT_REGISTER_DEFINE(lfmtranscribe, "lfmtranscribe", GST_RANK_NONE, Type())

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

#include "plugins/element.h"
#include "plugins/forecast_output.h"
#include "plugins/frame_meta.h"
#include "plugins/punctuality.h"
#include "plugins/stage_element.h"
#include "plugins/stage_properties.h"
#include "plugins/transcribe_properties.h"

namespace {

struct Stream {
  std::optional<rill::TranscribeStage> head;
  std::optional<rill::FrameBlock> block;
  std::optional<rill::TextWriter> text;
  GstSegment segment{};
  int64_t anchor = 0;                             // this sample of the stream ...
  GstClockTime anchor_pts = GST_CLOCK_TIME_NONE;  // ... has that time
  std::vector<rill::TimedWord> partial;           // as last told
  rill::MessageLimit limit;
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
  if (stream.head) stream.head->Reset();
  if (stream.text) stream.text->Reset();
  stream.anchor_pts = GST_CLOCK_TIME_NONE;
  stream.partial.clear();
}

// Time of a sample of the stream; what lies before the anchor is stamped with it.
GstClockTime TimeOf(GstElement* element, int64_t sample) {
  const Stream& stream = Of(element).stream;
  const size_t rate = rill::StageOf(element).model->audio()->rate();
  const guint64 since = static_cast<guint64>(std::max<int64_t>(0, sample - stream.anchor));
  return stream.anchor_pts + gst_util_uint64_scale(since, GST_SECOND, rate);
}

std::vector<rill::StampedWord> Stamp(GstElement* element, std::span<const rill::TimedWord> words) {
  std::vector<rill::StampedWord> stamped;
  for (const rill::TimedWord& word : words)
    stamped.push_back(
        {word.text, TimeOf(element, word.start), TimeOf(element, word.end), word.confidence});
  return stamped;
}

void PostTranscript(GstElement* element, std::span<const rill::TimedWord> words, bool is_final) {
  gst_element_post_message(
      element, rill::TranscriptMessage(GST_OBJECT(element), Stamp(element, words), is_final,
                                       Of(element).stream.segment));
}

// Sends what became final; `sent` says whether anything did.
GstFlowReturn SendFinal(GstElement* element, const rill::TranscribeSettings& settings, bool& sent) {
  Stream& stream = Of(element).stream;
  GstFlowReturn flow = GST_FLOW_OK;
  for (const rill::TranscriptEvent& event : stream.head->Take()) {
    sent = true;
    if (flow != GST_FLOW_OK) break;
    if (!event.word) {
      flow = stream.text->EndUtterance(settings.text);
      continue;
    }
    const std::vector<rill::StampedWord> word = Stamp(element, std::span(&*event.word, 1));
    if (settings.messages) PostTranscript(element, std::span(&*event.word, 1), true);
    flow = stream.text->Take(word[0], settings.text);
  }
  return flow;
}

// Tells what is not final yet, when it has changed and may be told. What was told and is nothing
// any more has become final, which `sent` says and was told, too, or is taken back.
void TellPartial(GstElement* element, const rill::TranscribeSettings& settings, bool sent) {
  Stream& stream = Of(element).stream;
  std::vector<rill::TimedWord> partial = stream.head->Partial();
  const auto same = [](const rill::TimedWord& a, const rill::TimedWord& b) {
    return a.text == b.text;
  };
  if (!settings.messages || std::ranges::equal(partial, stream.partial, same) ||
      !stream.limit.Allows(settings.message_interval_ns))
    return;
  stream.partial = std::move(partial);
  if (!stream.partial.empty() || !sent) PostTranscript(element, stream.partial, false);
}

// Where nothing is on its way, time goes on without text.
void Advance(GstElement* element) {
  Stream& stream = Of(element).stream;
  if (!stream.text->empty() || !stream.head->Partial().empty()) return;
  const size_t hop = rill::StageOf(element).model->audio()->hop();
  const int64_t decided = (stream.head->frames() - static_cast<int64_t>(stream.head->lookahead())) *
                          static_cast<int64_t>(hop);
  constexpr GstClockTime kStep = 200 * GST_MSECOND;  // a GAP a frame would be a nuisance
  if (decided > 0) stream.text->Advance(TimeOf(element, decided) / kStep * kStep);
}

GstFlowReturn Drain(GstElement* element) {
  Stream& stream = Of(element).stream;
  if (!stream.head || rill::StageOf(element).fresh) return GST_FLOW_OK;
  stream.head->EndUtterance();
  stream.partial.clear();
  bool sent = false;
  return SendFinal(element, Copy(element), sent);
}

rill::Result<void> Restore(GstElement* element, const rill::Snapshot& snapshot) {
  Stream& stream = Of(element).stream;
  if (rill::Result<void> ok = stream.head->Restore(snapshot); !ok) return ok;
  stream.text->Restore(snapshot);
  stream.anchor_pts = GST_CLOCK_TIME_NONE;
  return {};
}

// Ends what a jump parts, and finds out when the frame is.
void Prepare(GstElement* element, GstBuffer* buffer) {
  rill::Stage& stage = rill::StageOf(element);
  Stream& stream = Of(element).stream;
  if (GST_BUFFER_IS_DISCONT(buffer)) {
    if (!stage.fresh) {
      Drain(element);
      if (rill::WantsReset(element, stage, rill::kResetOnDiscont)) Forget(element);
    }
    stream.text->Jump();
    stream.anchor_pts = GST_CLOCK_TIME_NONE;
  }
  if (!GST_CLOCK_TIME_IS_VALID(stream.anchor_pts)) {
    stream.anchor = stream.head->frames() * static_cast<int64_t>(stage.model->audio()->hop());
    stream.anchor_pts = GST_BUFFER_PTS_IS_VALID(buffer) ? GST_BUFFER_PTS(buffer) : 0;
    stream.text->Begin(stream.anchor_pts);
  }
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
  Prepare(element, buffer.get());
  const rill::Result<rill::FrameNotes> notes = rill::ReadFrame(buffer.get(), *stream.block);
  if (!notes) return rill::Fail(element, GST_STREAM_ERROR_FORMAT, notes.error());
  const rill::TranscribeSettings settings = Copy(element);
  stream.head->Run(*stream.block);
  const GstClockTime running_time = ResultTime(element, GST_BUFFER_PTS(buffer.get()));
  if (!notes->drained && Of(element).punctuality.Send(element, running_time))
    g_object_notify(G_OBJECT(element), "max-observed-delay");
  bool sent = false;
  const GstFlowReturn flow = SendFinal(element, settings, sent);
  if (flow != GST_FLOW_OK) return flow;
  TellPartial(element, settings, sent);
  Advance(element);
  return GST_FLOW_OK;
}

rill::Result<GstCaps*> SetCaps(GstElement* element, const GstCaps* caps) {
  rill::Stage& stage = rill::StageOf(element);
  Stream& stream = Of(element).stream;
  const rill::Result<rill::TensorCaps> frames = rill::CheckFrameCaps(caps, *stage.model, "hidden");
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
    stream.text.emplace(rill::SourceOf(element));
    stage.fresh = true;
  }
  return gst_caps_from_string(rill::kTextCaps);
}

// The encoder has brought what was heard to its end; the text has GAPs of its own.
void TakeGap(GstElement* element, GstEvent* event) {
  Stream& stream = Of(element).stream;
  GstClockTime begin = 0, duration = 0;
  gst_event_parse_gap(event, &begin, &duration);
  gst_event_unref(event);
  Drain(element);
  if (!stream.text) return;
  stream.text->Begin(begin);
  if (GST_CLOCK_TIME_IS_VALID(duration)) stream.text->Advance(begin + duration);
}

void NewSegment(GstElement* element, GstEvent* event) {
  Stream& stream = Of(element).stream;
  GstSegment segment;
  gst_event_copy_segment(event, &segment);
  if (!rill::IsSameTimeline(segment, stream.segment)) {
    Drain(element);
    if (stream.text) stream.text->Reset();
  }
  stream.segment = segment;
  Of(element).punctuality.NewSegment(element);
}

std::vector<rill::Snapshot::Part> Parts(GstElement* element) {
  const Stream& stream = Of(element).stream;
  const rill::Stage& stage = rill::StageOf(element);
  if (!stream.head) return {};
  return {rill::PartToSave(element, stage, stream.head->Save()),
          rill::PartToSave(element, stage, stream.text->Save())};
}

GstEvent* Event(GstElement* element, GstEvent* event) {
  Stream& stream = Of(element).stream;
  const GstStructure* fields = gst_event_get_structure(event);
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_SEGMENT: NewSegment(element, event); break;
    case GST_EVENT_FLUSH_STOP:
      if (stream.head) {  // words of before the flush are not to be seen any more
        stream.head->EndUtterance();
        stream.head->Take();
        stream.text->Reset();
      }
      stream.partial.clear();
      stream.anchor_pts = GST_CLOCK_TIME_NONE;
      Of(element).punctuality.Flush(element);
      break;
    case GST_EVENT_GAP: TakeGap(element, event); return nullptr;
    case GST_EVENT_EOS:
    case GST_EVENT_SEGMENT_DONE: Drain(element); break;
    default: break;
  }
  if (rill::IsEvent(event, rill::kSnapshotEvent))
    rill::PostSnapshot(element, fields, Parts(element));
  if (rill::IsEvent(event, rill::kMarkerEvent)) rill::PostMarker(element, fields);
  return event;
}

void Hear(GstElement* element, GstPad* sink, GstEvent* event) {
  Of(element).punctuality.Hear(element, sink, event);
}

GstClockTime Latency(GstElement* element) {
  const Impl& self = Of(element);
  return self.lookahead * self.hop + self.settings.latency_ms * GST_MSECOND;
}

// What can be said before a stream: the model has the head, and the options suit it.
rill::Result<void> Open(GstElement* element) {
  Impl& self = Of(element);
  const rill::Model& model = *rill::StageOf(element).model;
  rill::Result<rill::TranscribeOptions> options = rill::ToOptions(Copy(element));
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

// SPDX-License-Identifier: Apache-2.0
/**
 * SECTION:element-lfmclassifier
 *
 * Video or audio of any format in, labels out: lfmimageenc or lfmaudioenc, as the caps say, then
 * lfmbackbone ! lfmclassify in one element. `src` gives lines of JSON. The request pad `media`
 * gives the video or audio as it came in, each buffer with the newest label in a GstCustomMeta
 * LfmClassMeta{label, index, confidence, running-time, position}, for overlays to draw. Either may
 * be left unlinked; the messages lfm-class come anyway. Where both are linked, one of them needs a
 * queue, as behind every tee.
 *
 * With `state-location` the stream survives its process, as that of lfmforecaster does.
 *
 * |[
 * gst-launch-1.0 -q filesrc location=video.mkv ! decodebin ! lfmclassifier model-path=pictures !
 *     fdsink
 * gst-launch-1.0 -m autoaudiosrc ! lfmclassifier model-path=sounds report=events ! fakesink
 * gst-launch-1.0 v4l2src ! lfmclassifier name=labels model-path=pictures max-rate=5 format=text
 *     labels.media ! queue ! videoconvert ! textoverlay name=overlay wait-text=false !
 * autovideosink labels. ! overlay.text_sink
 * ]|
 */
#include <gst/audio/audio.h>

#include "plugins/audio_input.h"
#include "plugins/class_meta.h"
#include "plugins/classify_properties.h"
#include "plugins/element.h"
#include "plugins/forecast_output.h"
#include "plugins/model_bin.h"
#include "plugins/stage_properties.h"
#include "plugins/text_output.h"

namespace {

// The elements before the backbone that a kind of media needs.
struct Chain {
  const char* media;  // name of its caps
  std::vector<GstElement*> elements;
};

// What the bin knows beside what every bin of a model does. The bin owns the elements but for the
// tee, whose pads may be released after the bin has let its elements go.
struct Classifier {
  GstElement* bin;
  GstElement* media;  // the tee at the entry, a reference of our own
  GstPad* branch;     // the tee's pad towards the model, its first: results come before the media
  GstElement* backbone;
  std::vector<Chain> chains;
  const Chain* chosen = nullptr;  // streaming thread, or while nothing streams
  rill::Fields newest;            // the same: what was said last
  bool complained = false;        // the same: of missing caps
};

constexpr auto kBuffers =
    static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST);
constexpr auto kEvents = static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM |
                                                      GST_PAD_PROBE_TYPE_EVENT_FLUSH);
constexpr char kClassifier[] = "lfm-classifier";  // of the bin's data

Classifier& Of(gpointer bin) {
  return *static_cast<Classifier*>(g_object_get_data(G_OBJECT(bin), kClassifier));
}

// A chain that is not needed is not started, since the model may lack its encoder.
void SetLocked(const Chain& chain, gboolean locked) {
  for (GstElement* element : chain.elements) gst_element_set_locked_state(element, locked);
}

// The next stream may be of the other kind.
void Unchoose(Classifier& self) {
  self.newest.reset();
  self.complained = false;
  if (self.chosen == nullptr) return;
  const Chain& chain = *std::exchange(self.chosen, nullptr);
  GstPad* sink = gst_element_get_static_pad(chain.elements.front(), "sink");
  gst_pad_unlink(self.branch, sink);
  gst_object_unref(sink);
  gst_element_unlink(chain.elements.back(), self.backbone);
  SetLocked(chain, TRUE);
  for (GstElement* element : chain.elements) gst_element_set_state(element, GST_STATE_NULL);
}

// False, with an error on the bus, if the chain does not take such caps.
bool Choose(Classifier& self, const Chain& chain, const GstCaps* caps) {
  self.chosen = &chain;
  gst_element_link(chain.elements.back(), self.backbone);
  SetLocked(chain, FALSE);
  for (auto element = chain.elements.rbegin(); element != chain.elements.rend(); ++element)
    gst_element_sync_state_with_parent(*element);
  // Once all of them can answer what they take. Upstream need not negotiate anew, since a converter
  // comes first; while sinks preroll it would wait for ever for a queue behind `media`.
  GstPad* sink = gst_element_get_static_pad(chain.elements.front(), "sink");
  constexpr auto kNoNews =
      static_cast<GstPadLinkCheck>(GST_PAD_LINK_CHECK_DEFAULT | GST_PAD_LINK_CHECK_NO_RECONFIGURE);
  const GstPadLinkReturn linked = gst_pad_link_full(self.branch, sink, kNoNews);
  gst_object_unref(sink);
  if (linked != GST_PAD_LINK_OK) {
    Unchoose(self);
    gchar* text = gst_caps_to_string(caps);
    rill::Fail(self.bin, GST_STREAM_ERROR_FORMAT,
               rill::Error{"no converter takes " + std::string(text)});
    g_free(text);
    return false;
  }
  gst_element_post_message(self.bin, gst_message_new_latency(GST_OBJECT(self.bin)));
  return true;
}

GstPadProbeReturn TakeCaps(Classifier& self, GstEvent* event) {
  GstCaps* caps = nullptr;
  gst_event_parse_caps(event, &caps);
  const gchar* media = gst_structure_get_name(gst_caps_get_structure(caps, 0));
  if (self.chosen != nullptr && !g_str_equal(self.chosen->media, media)) {
    rill::Fail(self.bin, GST_STREAM_ERROR_FORMAT,
               rill::Error{std::string("the stream was ") + self.chosen->media + " and became " +
                           media + ", which another element has to classify"});
    return GST_PAD_PROBE_DROP;
  }
  if (self.chosen != nullptr) return GST_PAD_PROBE_OK;
  for (const Chain& chain : self.chains)
    if (g_str_equal(chain.media, media) && !Choose(self, chain, caps)) return GST_PAD_PROBE_DROP;
  return GST_PAD_PROBE_OK;
}

// What nobody would say otherwise: the tee leads nowhere yet.
GstFlowReturn SayThatCapsAreMissing(Classifier& self, const char* what) {
  if (std::exchange(self.complained, true)) return GST_FLOW_NOT_NEGOTIATED;
  rill::Fail(self.bin, GST_STREAM_ERROR_FORMAT,
             rill::Error{std::string(what) + " before caps that say whether it is video or sound"});
  return GST_FLOW_NOT_NEGOTIATED;
}

GstPadProbeReturn EnterBuffers(GstPad*, GstPadProbeInfo* info, gpointer data) {
  Classifier& self = *static_cast<Classifier*>(data);
  if (self.chosen != nullptr) return GST_PAD_PROBE_OK;
  gst_mini_object_unref(GST_MINI_OBJECT_CAST(GST_PAD_PROBE_INFO_DATA(info)));
  GST_PAD_PROBE_INFO_DATA(info) = nullptr;
  GST_PAD_PROBE_INFO_FLOW_RETURN(info) = SayThatCapsAreMissing(self, "a buffer came");
  return GST_PAD_PROBE_HANDLED;
}

GstPadProbeReturn Enter(GstPad*, GstPadProbeInfo* info, gpointer data) {
  Classifier& self = *static_cast<Classifier*>(data);
  GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
  if (GST_EVENT_TYPE(event) == GST_EVENT_CAPS) return TakeCaps(self, event);
  if (GST_EVENT_TYPE(event) == GST_EVENT_EOS && self.chosen == nullptr)
    SayThatCapsAreMissing(self, "the stream ended");
  return GST_PAD_PROBE_OK;
}

// Behind what the head still says of the stream that ends.
GstPadProbeReturn ForgetResult(GstPad*, GstPadProbeInfo* info, gpointer data) {
  GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
  if (GST_EVENT_TYPE(event) == GST_EVENT_STREAM_START ||
      GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_STOP || rill::IsEvent(event, rill::kResetEvent))
    static_cast<Classifier*>(data)->newest.reset();
  return GST_PAD_PROBE_OK;
}

GstPadProbeReturn KeepResult(GstPad*, GstPadProbeInfo* info, gpointer data) {
  const GstStructure* fields = rill::ClassOf(GST_PAD_PROBE_INFO_BUFFER(info));
  if (fields != nullptr) static_cast<Classifier*>(data)->newest.reset(gst_structure_copy(fields));
  return GST_PAD_PROBE_OK;
}

GstPadProbeReturn MarkMedia(GstPad*, GstPadProbeInfo* info, gpointer data) {
  const GstStructure* newest = static_cast<Classifier*>(data)->newest.get();
  if (newest == nullptr) return GST_PAD_PROBE_OK;
  if ((GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER) != 0) {
    GstBuffer* buffer = gst_buffer_make_writable(GST_PAD_PROBE_INFO_BUFFER(info));
    rill::SetClass(buffer, newest);
    GST_PAD_PROBE_INFO_DATA(info) = buffer;
    return GST_PAD_PROBE_OK;
  }
  GstBufferList* list = gst_buffer_list_make_writable(GST_PAD_PROBE_INFO_BUFFER_LIST(info));
  for (guint i = 0; i < gst_buffer_list_length(list); ++i)
    rill::SetClass(gst_buffer_list_get_writable(list, i), newest);
  GST_PAD_PROBE_INFO_DATA(info) = list;
  return GST_PAD_PROBE_OK;
}

GstPad* RequestPad(GstElement* bin, GstPadTemplate* pad_template, const gchar*, const GstCaps*) {
  Classifier& self = Of(bin);
  if (GstPad* present = gst_element_get_static_pad(bin, "media")) {
    gst_object_unref(present);
    return nullptr;
  }
  // Active before it has a target: the tee takes a pad that leads nowhere yet, while a stream stops
  // at one that leads to an inactive pad.
  GstPad* ghost = gst_ghost_pad_new_no_target_from_template("media", pad_template);
  gst_pad_set_active(ghost, TRUE);
  gst_element_add_pad(bin, ghost);
  GstPad* target = gst_element_request_pad_simple(self.media, "src_%u");
  gst_pad_add_probe(target, kBuffers, MarkMedia, &self, nullptr);
  gst_ghost_pad_set_target(GST_GHOST_PAD(ghost), target);
  gst_object_unref(target);
  return ghost;
}

void ReleasePad(GstElement* bin, GstPad* pad) {
  GstPad* target = gst_ghost_pad_get_target(GST_GHOST_PAD(pad));
  if (target == nullptr) return;
  // The tee first: from then on it does not mind what becomes of its buffers there.
  gst_element_release_request_pad(Of(bin).media, target);
  gst_object_unref(target);
  gst_pad_set_active(pad, FALSE);
  gst_element_remove_pad(bin, pad);
}

gpointer parent_class = nullptr;  // set once, in Describe

GstStateChangeReturn ChangeState(GstElement* bin, GstStateChange transition) {
  const GstStateChangeReturn changed =
      GST_ELEMENT_CLASS(parent_class)->change_state(bin, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) Unchoose(Of(bin));
  // A start that fails takes locked elements along to READY, from where nothing brings them back.
  if (transition == GST_STATE_CHANGE_READY_TO_NULL)
    for (const Chain& chain : Of(bin).chains)
      for (GstElement* element : chain.elements) gst_element_set_state(element, GST_STATE_NULL);
  return changed;
}

rill::ModelStages Fill(GstBin* bin) {
  const auto add = [bin](const char* factory, const char* name) {
    return rill::AddElement(bin, factory, name);
  };
  GstElement* media = add("tee", "media");
  GstElement* floats = add("capsfilter", "floats");
  gst_util_set_object_arg(G_OBJECT(floats), "caps", "audio/x-raw,format=" GST_AUDIO_NE(F32));
  GstElement* results = add("tee", "results");
  for (GstElement* tee : {media, results}) g_object_set(tee, "allow-not-linked", TRUE, nullptr);
  rill::ModelStages stages = {
      .encoders = {add("lfmimageenc", "image-encoder"), add("lfmaudioenc", "audio-encoder")},
      .backbone = add("lfmbackbone", "backbone"),
      .head = add("lfmclassify", "head"),
      .entry = media};
  for (GstElement* stage : {stages.encoders[1], stages.backbone})
    g_object_set(stage, "model-path", rill::kDefaultImageModel, nullptr);

  auto* self = new Classifier{
      .bin = GST_ELEMENT(bin),
      .media = GST_ELEMENT(gst_object_ref(media)),
      .branch = gst_element_request_pad_simple(media, "src_%u"),
      .backbone = stages.backbone,
      .chains = {{"video/x-raw", {add("videoconvert", "image-convert"), stages.encoders[0]}},
                 {"audio/x-raw",
                  {add("audioconvert", "audio-convert"), floats, add("audioresample", "resample"),
                   stages.encoders[1]}}},
      .newest = {}};
  g_object_set_data_full(G_OBJECT(bin), kClassifier, self, [](gpointer data) {
    auto* old = static_cast<Classifier*>(data);
    gst_object_unref(old->branch);
    gst_object_unref(old->media);
    delete old;
  });
  for (const Chain& chain : self->chains) {
    for (size_t i = 1; i < chain.elements.size(); ++i)
      gst_element_link(chain.elements[i - 1], chain.elements[i]);
    SetLocked(chain, TRUE);
  }
  gst_element_link_many(stages.backbone, stages.head, results, nullptr);
  rill::AddProbe(stages.head, "src", GST_PAD_PROBE_TYPE_BUFFER, KeepResult, self);
  rill::AddProbe(stages.head, "src", kEvents, ForgetResult, self);

  rill::AddGhostPad(GST_ELEMENT(bin), media, "sink");
  rill::AddProbe(GST_ELEMENT(bin), "sink", GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, rill::PlaceStereo);
  rill::AddProbe(GST_ELEMENT(bin), "sink", GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, Enter, self);
  rill::AddProbe(GST_ELEMENT(bin), "sink", kBuffers, EnterBuffers, self);
  GstPad* out = gst_element_request_pad_simple(results, "src_%u");
  gst_element_add_pad(
      GST_ELEMENT(bin),
      gst_ghost_pad_new_from_template(
          "src", out, gst_element_class_get_pad_template(GST_ELEMENT_GET_CLASS(bin), "src")));
  gst_object_unref(out);
  return stages;
}

void Describe(GstElementClass* element_class) {
  constexpr char kMedia[] = "video/x-raw; audio/x-raw";
  parent_class = g_type_class_peek_parent(element_class);
  element_class->change_state = ChangeState;
  element_class->request_new_pad = RequestPad;
  element_class->release_pad = ReleasePad;
  rill::InstallForwarded(
      element_class, {rill::LongestGapSpec(), rill::MaxRateSpec(), rill::MaxObservedDelaySpec()});
  rill::InstallClassifyProperties(G_OBJECT_CLASS(element_class), rill::kForwardedProperty);
  rill::AddPadTemplate(element_class, "sink", GST_PAD_SINK, {kMedia});
  rill::AddPadTemplate(element_class, "src", GST_PAD_SRC, {rill::kJsonCaps, rill::kTextCaps});
  GstCaps* caps = gst_caps_from_string(kMedia);
  gst_element_class_add_pad_template(
      element_class, gst_pad_template_new("media", GST_PAD_SRC, GST_PAD_REQUEST, caps));
  gst_caps_unref(caps);
  gst_element_class_set_static_metadata(element_class, "Classifier", "Filter/Analyzer/Video/Audio",
                                        "Says what a video shows or what a sound is", "Rill");
}

constexpr rill::ModelBinInfo kInfo = {
    .describe = Describe, .fill = Fill, .check = rill::CheckClassSnapshot};

GType Type() {
  static const GType type = rill::RegisterModelBin("LfmClassifier", kInfo);
  return type;
}

}  // namespace

GST_ELEMENT_REGISTER_DEFINE(lfmclassifier, "lfmclassifier", GST_RANK_NONE, Type())

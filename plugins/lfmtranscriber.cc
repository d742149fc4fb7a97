// SPDX-License-Identifier: Apache-2.0
/**
 * SECTION:element-lfmtranscriber
 *
 * audioconvert ! audioresample ! lfmaudioenc ! lfmbackbone ! lfmtranscribe in one element: audio of
 * any rate and any number of channels in, text out.
 *
 * With `state-location` the stream survives its process: the file is written at the end of the
 * stream and every `state-interval` buffers, atomically and in the streaming thread, and when the
 * element starts the stream goes on from it. The message lfm-restored{position} says how many
 * samples at the model's rate it had taken; sound is expected from there on.
 *
 * |[
 * gst-launch-1.0 -q autoaudiosrc ! lfmtranscriber newline=true ! fdsink sync=false
 * gst-launch-1.0 filesrc location=video.mp4 ! decodebin name=media
 *     media. ! queue ! videoconvert ! textoverlay name=captions wait-text=false ! autovideosink
 *     media. ! queue ! tee name=sound ! queue ! autoaudiosink
 *     sound. ! queue ! lfmtranscriber output=line latency=2000 ! captions.text_sink
 * ]|
 */
#include <gst/audio/audio.h>

#include "plugins/element.h"
#include "plugins/stage_element.h"
#include "plugins/stage_properties.h"
#include "plugins/state_keeper.h"
#include "plugins/transcribe_properties.h"

GST_DEBUG_CATEGORY_STATIC(lfm_transcriber_debug);
#define GST_CAT_DEFAULT lfm_transcriber_debug

namespace {

struct Impl {
  GstElement* encoder = nullptr;
  GstElement* backbone = nullptr;
  GstElement* head = nullptr;
  std::optional<rill::StateKeeper> keeper;
};

struct LfmTranscriber {
  GstBin parent;
  Impl* impl;
};
struct LfmTranscriberClass {
  GstBinClass parent;
};

G_DEFINE_TYPE(LfmTranscriber, lfm_transcriber, GST_TYPE_BIN)

Impl& Of(gpointer object) { return *static_cast<LfmTranscriber*>(object)->impl; }

enum : guint {
  kLongestGap = rill::kStagePropertyEnd,
  kStats,
  kHead,  // the first of lfmtranscribe's
  kMaxObservedDelay = kHead + rill::kTranscribeProperties,
  kKeeper,  // the first of its
};

void TakeSnapshot(GstElement* bin) { Of(bin).keeper->Send(rill::kSnapshotEvent); }
void ResetState(GstElement* bin) { Of(bin).keeper->Send(rill::kResetEvent); }

void HandleMessage(GstBin* bin, GstMessage* message) {
  if (Of(bin).keeper) Of(bin).keeper->Handle(message);  // linking in init posts messages, too
  GST_BIN_CLASS(lfm_transcriber_parent_class)->handle_message(bin, message);
}

GstStateChangeReturn ChangeState(GstElement* element, GstStateChange transition) {
  // The model, until the elements have it.
  rill::StateKeeper::ModelResult model = std::shared_ptr<const rill::Model>();
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    model = Of(element).keeper->Restore();
    if (!model) {
      rill::Fail(element, GST_RESOURCE_ERROR_READ, model.error());
      return GST_STATE_CHANGE_FAILURE;
    }
  }
  return GST_ELEMENT_CLASS(lfm_transcriber_parent_class)->change_state(element, transition);
}

// The elements inside that have the property, the one to read it from first.
std::vector<GstElement*> Owners(const Impl& self, guint id) {
  if (id < rill::kStagePropertyEnd) return {self.encoder, self.backbone, self.head};
  return {id <= kStats ? self.encoder : self.head};
}

void SetProperty(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
  Impl& self = Of(object);
  if (id >= kKeeper) return self.keeper->SetProperty(id - kKeeper, value);
  for (GstElement* owner : Owners(self, id))
    g_object_set_property(G_OBJECT(owner), spec->name, value);
}

void GetProperty(GObject* object, guint id, GValue* value, GParamSpec* spec) {
  Impl& self = Of(object);
  if (id >= kKeeper) return self.keeper->GetProperty(id - kKeeper, value);
  g_object_get_property(G_OBJECT(Owners(self, id)[0]), spec->name, value);
}

void lfm_transcriber_init(LfmTranscriber* bin) {
  bin->impl = new Impl;
  Impl& self = *bin->impl;
  GstElement* convert = gst_element_factory_make("audioconvert", "convert");
  GstElement* resample = gst_element_factory_make("audioresample", "resample");
  self.encoder = gst_element_factory_make("lfmaudioenc", "encoder");
  self.backbone = gst_element_factory_make("lfmbackbone", "backbone");
  self.head = gst_element_factory_make("lfmtranscribe", "head");
  g_object_set(self.backbone, "model-path", rill::kDefaultSpeechModel, nullptr);
  // Without it the converters may choose 16 bits, and the words might differ from rill
  // transcribe's.
  GstElement* floats = gst_element_factory_make("capsfilter", "floats");
  gst_util_set_object_arg(G_OBJECT(floats), "caps", "audio/x-raw,format=" GST_AUDIO_NE(F32));
  gst_bin_add_many(GST_BIN(bin), convert, floats, resample, self.encoder, self.backbone, self.head,
                   nullptr);
  gst_element_link_many(convert, floats, resample, self.encoder, self.backbone, self.head, nullptr);
  g_signal_connect_object(self.head, "notify::max-observed-delay", G_CALLBACK(+[](GObject* of) {
                            g_object_notify(of, "max-observed-delay");
                          }),
                          bin, G_CONNECT_SWAPPED);
  rill::AddGhostPad(GST_ELEMENT(bin), convert, "sink");
  rill::AddGhostPad(GST_ELEMENT(bin), self.head, "src");
  self.keeper.emplace(GST_ELEMENT(bin), self.encoder,
                      std::vector{self.encoder, self.backbone, self.head},
                      rill::CheckSpeechSnapshot);
}

void Finalize(GObject* object) {
  delete &Of(object);
  G_OBJECT_CLASS(lfm_transcriber_parent_class)->finalize(object);
}

void lfm_transcriber_class_init(LfmTranscriberClass* bin_class) {
  GST_DEBUG_CATEGORY_INIT(lfm_transcriber_debug, "lfmtranscriber", 0, "audio to text");
  GObjectClass* object = G_OBJECT_CLASS(bin_class);
  object->set_property = SetProperty;
  object->get_property = GetProperty;
  object->finalize = Finalize;
  rill::InstallStageProperties(object);
  g_object_class_install_property(object, kLongestGap, rill::LongestGapSpec());
  g_object_class_install_property(object, kStats, rill::AudioStatsSpec());
  rill::InstallTranscribeProperties(object, kHead);
  g_object_class_install_property(object, kMaxObservedDelay, rill::MaxObservedDelaySpec());
  rill::StateKeeper::InstallProperties(object, kKeeper);
  rill::StateKeeper::InstallSignals(G_TYPE_FROM_CLASS(bin_class), TakeSnapshot, ResetState);
  GST_BIN_CLASS(bin_class)->handle_message = HandleMessage;
  GstElementClass* base = GST_ELEMENT_CLASS(bin_class);
  base->change_state = ChangeState;
  rill::AddPadTemplate(base, "sink", GST_PAD_SINK, {"audio/x-raw"});
  rill::AddPadTemplate(base, "src", GST_PAD_SRC, {rill::kTextCaps});
  gst_element_class_set_static_metadata(base, "Transcriber", "Filter/Converter/Audio/Text",
                                        "Transcribes English speech as it is spoken", "Rill");
}

}  // namespace

GST_ELEMENT_REGISTER_DEFINE(lfmtranscriber, "lfmtranscriber", GST_RANK_NONE,
                            lfm_transcriber_get_type())

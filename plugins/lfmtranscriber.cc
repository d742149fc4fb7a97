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

#include "plugins/audio_input.h"
#include "plugins/element.h"
#include "plugins/model_bin.h"
#include "plugins/stage_properties.h"
#include "plugins/transcribe_properties.h"

namespace {

rill::ModelStages Fill(GstBin* bin) {
  GstElement* convert = rill::AddElement(bin, "audioconvert", "convert");
  // Without it the converters may choose 16 bits, and the words might differ from rill
  // transcribe's.
  GstElement* floats = rill::AddElement(bin, "capsfilter", "floats");
  gst_util_set_object_arg(G_OBJECT(floats), "caps", "audio/x-raw,format=" GST_AUDIO_NE(F32));
  GstElement* resample = rill::AddElement(bin, "audioresample", "resample");
  rill::ModelStages stages = rill::AddStages(bin, "lfmaudioenc", "lfmtranscribe");
  g_object_set(stages.backbone, "model-path", rill::kDefaultSpeechModel, nullptr);
  gst_element_link_many(convert, floats, resample, stages.entry, nullptr);
  rill::AddGhostPad(GST_ELEMENT(bin), convert, "sink");
  rill::AddProbe(GST_ELEMENT(bin), "sink", GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, rill::PlaceStereo);
  return stages;
}

void Describe(GstElementClass* element_class) {
  rill::InstallForwarded(element_class, {rill::LongestGapSpec(), rill::AudioStatsSpec(),
                                         rill::MaxObservedDelaySpec()});
  rill::InstallTranscribeProperties(G_OBJECT_CLASS(element_class), rill::kForwardedProperty);
  rill::AddPadTemplate(element_class, "sink", GST_PAD_SINK, {"audio/x-raw"});
  rill::AddPadTemplate(element_class, "src", GST_PAD_SRC, {rill::kTextCaps});
  gst_element_class_set_static_metadata(element_class, "Transcriber", "Filter/Converter/Audio/Text",
                                        "Transcribes English speech as it is spoken", "Rill");
}

constexpr rill::ModelBinInfo kInfo = {
    .describe = Describe, .fill = Fill, .check = rill::CheckSpeechSnapshot};

GType Type() {
  static const GType type = rill::RegisterModelBin("LfmTranscriber", kInfo);
  return type;
}

}  // namespace

GST_ELEMENT_REGISTER_DEFINE(lfmtranscriber, "lfmtranscriber", GST_RANK_NONE, Type())

// SPDX-License-Identifier: Apache-2.0
/**
 * SECTION:element-lfmgenerator
 *
 * lfmtextenc ! lfmbackbone ! lfmgenerate in one element: prompts in, answers out as they come.
 *
 * With `state-location` the conversation survives its process, as the stream of lfmforecaster does;
 * `rill generate --resume` goes on from the same file.
 *
 * |[
 * echo "Why is the sky blue?" | gst-launch-1.0 -q fdsrc ! text/x-raw,format=utf8 !
 *     lfmgenerator model-path=LFM2-1.2B-Q4_0.gguf newline=true ! fdsink sync=false
 * gst-launch-1.0 -q autoaudiosrc ! lfmtranscriber output=line ! queue !
 *     lfmgenerator model-path=LFM2-1.2B-Q4_0.gguf window=2048 sinks=4 newline=true !
 *     fdsink sync=false
 * ]|
 */
#include "plugins/element.h"
#include "plugins/generate_properties.h"
#include "plugins/model_bin.h"
#include "plugins/stage_properties.h"
#include "plugins/text_output.h"

namespace {

rill::ModelStages Fill(GstBin* bin) {
  rill::ModelStages stages = rill::AddStages(bin, "lfmtextenc", "lfmgenerate");
  g_object_set(stages.backbone, "model-path", rill::kDefaultTextModel, nullptr);
  rill::AddGhostPad(GST_ELEMENT(bin), stages.entry, "sink");
  return stages;
}

void Describe(GstElementClass* element_class) {
  rill::InstallPromptProperties(G_OBJECT_CLASS(element_class), rill::kForwardedProperty);
  rill::InstallGenerateProperties(G_OBJECT_CLASS(element_class),
                                  rill::kForwardedProperty + rill::kPromptProperties);
  rill::AddPadTemplate(element_class, "sink", GST_PAD_SINK, {rill::kTextCaps});
  rill::AddPadTemplate(element_class, "src", GST_PAD_SRC, {rill::kTextCaps});
  gst_element_class_set_static_metadata(element_class, "Generator", "Filter/Converter/Text",
                                        "Answers what it is asked, in text", "Rill");
}

constexpr rill::ModelBinInfo kInfo = {
    .describe = Describe, .fill = Fill, .check = rill::CheckTextSnapshot};

GType Type() {
  static const GType type = rill::RegisterModelBin("LfmGenerator", kInfo);
  return type;
}

}  // namespace

GST_ELEMENT_REGISTER_DEFINE(lfmgenerator, "lfmgenerator", GST_RANK_NONE, Type())

// SPDX-License-Identifier: Apache-2.0
/**
 * SECTION:element-lfmforecaster
 *
 * lfmsensorenc ! lfmbackbone ! lfmforecast in one element: rows of sensors in, forecasts out, as
 * JSON lines unless `format` says otherwise.
 *
 * With `state-location` the stream survives its process: the file is written at the end of the
 * stream and every `state-interval` buffers, atomically and in the streaming thread, and when the
 * element starts the stream goes on from it. The message lfm-restored{position, time} says where;
 * rows up to there may come again and are passed over.
 *
 * |[
 * gst-launch-1.0 -q filesrc location=ETTh1.csv ! lfmsensorparse !
 *     lfmforecaster horizon=24 every=168 ! fdsink
 * gst-launch-1.0 -q lfmsensorsrc port=9000 caps=text/csv ! lfmsensorparse !
 *     lfmforecaster every=60 state-location=stream.state state-interval=600 ! fdsink sync=false
 * ]|
 */
#include "plugins/element.h"
#include "plugins/forecast_output.h"
#include "plugins/model_bin.h"
#include "plugins/row_input.h"
#include "plugins/stage_properties.h"

namespace {

rill::ModelStages Fill(GstBin* bin) {
  rill::ModelStages stages = rill::AddStages(bin, "lfmsensorenc", "lfmforecast");
  g_object_set(stages.head, "format", static_cast<gint>(rill::ForecastFormat::kJson), nullptr);
  rill::AddGhostPad(GST_ELEMENT(bin), stages.entry, "sink");
  return stages;
}

void Describe(GstElementClass* element_class) {
  rill::InstallForwarded(
      element_class,
      {rill::EverySpec(), rill::OnBadRowSpec(), rill::StatsSpec(), rill::HorizonSpec(),
       rill::StepSpec(), rill::FormatSpec(rill::ForecastFormat::kJson), rill::MessagesSpec(),
       rill::MessageIntervalSpec(), rill::QosSpec(), rill::MaxObservedDelaySpec()});
  rill::AddPadTemplate(element_class, "sink", GST_PAD_SINK, {rill::kAnyTensorCaps, rill::kRowCaps});
  rill::AddPadTemplate(element_class, "src", GST_PAD_SRC,
                       {rill::kFloat32TensorCaps, rill::kJsonCaps});
  gst_element_class_set_static_metadata(element_class, "Forecaster", "Filter/Converter/Sensor",
                                        "Forecasts the channels of a stream of sensor rows",
                                        "Rill");
}

constexpr rill::ModelBinInfo kInfo = {
    .describe = Describe, .fill = Fill, .check = rill::CheckSensorSnapshot};

GType Type() {
  static const GType type = rill::RegisterModelBin("LfmForecaster", kInfo);
  return type;
}

}  // namespace

GST_ELEMENT_REGISTER_DEFINE(lfmforecaster, "lfmforecaster", GST_RANK_NONE, Type())

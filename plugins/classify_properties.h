// Properties of lfmclassify and lfmimageenc, which lfmclassifier has as well.
#pragma once

#include <gst/gst.h>

#include <string>

#include "pipeline/classify_stage.h"

namespace rill {

// When a result leaves: for every frame, when another label is the likeliest, or when a label's
// event begins or ends.
enum class ClassReport { kFrames, kChanges, kEvents };
// Lines of JSON, or a few words for an overlay to draw.
enum class ClassFormat { kJson, kText };

struct ClassifySettings {
  std::string head;  // empty: the model's only one
  ClassReport report = ClassReport::kFrames;
  ClassFormat format = ClassFormat::kJson;
  guint top = 5;
  EventRules events;
  bool messages = true;
  guint64 message_interval_ns = 0;
};

// In the order of InstallClassifyProperties, from `first` on.
enum ClassifyProperty : guint {
  kHead,
  kReport,
  kClassFormat,
  kTop,
  kOnThreshold,
  kOffThreshold,
  kOnFrames,
  kOffFrames,
  kClassMessages,
  kClassMessageInterval,
  kClassifyProperties,
};

void InstallClassifyProperties(GObjectClass* object_class, guint first);
void SetClassifyProperty(ClassifySettings& settings, guint property, const GValue* value);
void GetClassifyProperty(const ClassifySettings& settings, guint property, GValue* value);

GParamSpec* MaxRateSpec();     // double
GParamSpec* ImageStatsSpec();  // GstStructure, read only

}  // namespace rill

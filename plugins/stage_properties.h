// Properties that an element and the bin around it both have, described once; and pad
// templates.
#pragma once

#include <gst/gst.h>

#include <initializer_list>

#include "modalities/row_options.h"

namespace rill {

// Rows between two forecasts when nobody says: the patch of the shipped model, which then computes
// nothing twice.
inline constexpr guint kDefaultEvery = 24;

// Longer GAPs between sound than this are jumps in time.
inline constexpr guint64 kUsualLongestGap = 2 * GST_SECOND;

enum class ForecastFormat { kTensors, kJson };

GType BadRowType();  // enum BadRow, for every element that meets bad rows

GParamSpec* EverySpec();                            // uint
GParamSpec* OnBadRowSpec();                         // enum BadRow
GParamSpec* StatsSpec();                            // GstStructure, read only
GParamSpec* HorizonSpec();                          // uint
GParamSpec* StepSpec();                             // uint64
GParamSpec* FormatSpec(ForecastFormat by_default);  // enum ForecastFormat
GParamSpec* MessagesSpec();                         // boolean
GParamSpec* MessageIntervalSpec();                  // uint64
GParamSpec* QosSpec();                              // boolean
GParamSpec* MaxObservedDelaySpec();                 // uint64, read only

GParamSpec* LongestGapSpec();  // uint64
GParamSpec* ThreadsSpec();     // uint
GParamSpec* AudioStatsSpec();  // GstStructure, read only

// Adds an always-pad template of the caps.
void AddPadTemplate(GstElementClass* element_class, const char* name, GstPadDirection direction,
                    std::initializer_list<const char*> caps);

}  // namespace rill

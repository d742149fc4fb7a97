// The order in which frames of several pads are taken: by their running times, those of the same
// time in the order of the pads. It does not depend on who comes first.
#pragma once

#include "plugins/fusion_snapshot.h"

namespace rill {

// A GAP comes as a buffer without bytes.
bool IsGap(GstBuffer* buffer);

// The frame or GAP that is next of those that are there; no pad when nothing is.
struct NextFrame {
  GstAggregatorPad* pad = nullptr;          // a reference of the caller's
  GstClockTime time = GST_CLOCK_TIME_NONE;  // running time of the frame
  GstClockTime rank = 0;                    // up to which all must be known before it is taken
  bool kept = false;                        // it is the first that `position` keeps of that pad
};

NextFrame EarliestFrame(GstElement* fusion, const FusedPosition& position);

}  // namespace rill

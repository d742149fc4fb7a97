// Snapshots of a stream that several encoders share.
//
// lfm/snapshot comes to each pad of the fusion at another moment. The first one makes the *cut*:
// the state of the fusion and of the heads is saved as it is then. What the others still bring
// before their own event has left their encoders, so those frames are kept and become part of the
// snapshot; meanwhile the stream goes on. Heads learn of both in order:
//
//   lfm/snapshot{id, cut=TRUE}      save your state
//   lfm/snapshot{id, …, cut=FALSE}  here are the parts of all others, post the snapshot
//
// A restored fusion takes the frames kept before those of its pads that are later.
#pragma once

#include <gst/base/gstaggregator.h>

#include <deque>
#include <set>
#include <string>
#include <vector>

#include "plugins/element.h"
#include "plugins/own_events.h"
#include "plugins/stage.h"

namespace rill {

// A frame on its way from a pad's queue to the backbone.
struct FusedFrame {
  std::string pad;  // its name
  BufferOwner buffer;
  GstClockTime time = GST_CLOCK_TIME_NONE;  // running time

  FusedFrame Share() const { return {pad, BufferOwner(gst_buffer_ref(buffer.get())), time}; }
};

// The part `fusion`: frames taken so far, and those that are kept, of embeddings of `width`.
Snapshot::Part SaveFrames(int64_t taken, const std::vector<FusedFrame>& kept, size_t width);
struct RestoredFrames {
  int64_t taken = 0;
  std::deque<FusedFrame> kept;  // in the order in which they were taken
};
Result<RestoredFrames> RestoreFrames(const Snapshot& snapshot, size_t width);

class SnapshotCut {
 public:
  using Pads = std::set<GstAggregatorPad*>;

  // Frames that are kept for one snapshot at most: so much later another pad may bring its event.
  static constexpr size_t kMostKept = 4096;

  // `pads` are all that have not ended; `backbone` is the fusion's own part, after `taken` frames;
  // `kept` are frames of a restored snapshot that are still to be taken.
  SnapshotCut(Pads pads, int64_t taken, Snapshot::Part backbone, std::vector<FusedFrame> kept);

  // What to tell the heads of the cut.
  GstEvent* CutEvent(const GstStructure* fields) const;
  // A pad's event, or its end. An error ends the attempt.
  Result<void> Bring(GstAggregatorPad* pad, const GstStructure* fields);
  void End(GstAggregatorPad* pad) { waiting_.erase(pad); }
  bool waits_for(GstAggregatorPad* pad) const { return waiting_.contains(pad); }
  // A frame that was taken from a pad that is waited for.
  Result<void> Keep(FusedFrame frame);
  // Whether every pad has brought its event; then what to tell the heads.
  bool complete() const { return waiting_.empty(); }
  GstEvent* CompleteEvent(uint64_t model, size_t width) const;

 private:
  Pads waiting_;
  int64_t taken_;
  Snapshot::Part backbone_;
  std::vector<FusedFrame> kept_;
  Fields brought_;  // the encoders' parts, and the id
};

}  // namespace rill

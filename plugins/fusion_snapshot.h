// Snapshots of a stream that several encoders share.
//
// lfm/snapshot comes to each pad of the fusion at another moment. The first one makes the *cut*:
// the state of the fusion and of the heads is saved as it is then. What the others still bring
// before their own event has left their encoders, so those frames are kept and become part of the
// snapshot; meanwhile the stream goes on. Heads learn of both in order:
//
//   lfm/snapshot{id, cut=TRUE}      save your state
//   lfm/snapshot{id, …, cut=FALSE}  here are the parts of all others, post the snapshot
#pragma once

#include <gst/base/gstaggregator.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "plugins/element.h"
#include "plugins/own_events.h"
#include "plugins/stage.h"

namespace rill {

struct PadUnref {
  void operator()(GstAggregatorPad* pad) const { gst_object_unref(pad); }
};
// Keeps a pad's address from becoming another's.
using PadOwner = std::unique_ptr<GstAggregatorPad, PadUnref>;
inline PadOwner Own(GstAggregatorPad* pad) {
  return PadOwner(GST_AGGREGATOR_PAD(gst_object_ref(pad)));
}

// The order of a set or map of owned pads, in which pads are looked up as they come.
struct ByAddress {
  using is_transparent = void;
  static const GstAggregatorPad* Of(const GstAggregatorPad* pad) { return pad; }
  static const GstAggregatorPad* Of(const PadOwner& pad) { return pad.get(); }
  bool operator()(const auto& a, const auto& b) const { return std::less<>()(Of(a), Of(b)); }
};
using AggregatorPads = std::set<PadOwner, ByAddress>;

// A frame on its way from a pad's queue to the backbone.
struct FusedFrame {
  std::string pad;  // its name
  BufferOwner buffer;
  GstClockTime time = GST_CLOCK_TIME_NONE;  // running time

  FusedFrame Share() const { return {pad, BufferOwner(gst_buffer_ref(buffer.get())), time}; }
};

// Where a fused stream stands, but for the state of its backbone: the part `fusion`.
struct FusedPosition {
  int64_t taken = 0;        // frames
  GstClockTime newest = 0;  // running time of the last of them that came from a queue
  // Frames that have left their encoders and are to be taken before those of their pads' queues.
  std::map<std::string, std::deque<FusedFrame>> kept;

  FusedPosition Share() const;
  const FusedFrame* Front(const char* pad) const;
  FusedFrame Pop(const char* pad);  // of one that has a front

  Snapshot::Part Save(const Model& model) const;
  static Result<FusedPosition> Restore(const Snapshot& snapshot, const Model& model);
};

// The snapshots of one fusion, one at a time. Called by its streaming thread.
class FusionSnapshots {
 public:
  // Frames after a cut within which every pad must have brought its request.
  static constexpr int64_t kMostFrames = 4096;

  struct Now {
    Snapshot::Part backbone;
    FusedPosition position;
  };

  // A pad brings a request. `pads` are all that have not ended; `now` is called for the cut.
  void Ask(GstAggregator* fusion, const Model& model, GstAggregatorPad* pad,
           const GstStructure* fields, AggregatorPads pads, const std::function<Now()>& now);
  // A frame is taken from the pad's queue; before it is run.
  void Pass(GstAggregator* fusion, GstAggregatorPad* pad, const FusedFrame& frame);
  // A pad has come to its end, or was removed.
  void End(GstAggregator* fusion, const Model& model, GstAggregatorPad* pad);
  void Prune(GstAggregator* fusion, const Model& model, const AggregatorPads& present);
  // Ends the attempt, if there is one, with a WARNING.
  void GiveUp(GstAggregator* fusion, const std::string& why);

 private:
  struct Cut {
    AggregatorPads waiting;
    Now now;
    int64_t frames = 0;  // since
    Fields brought;      // the id and the encoders' parts
  };

  void Bring(GstAggregator* fusion, const Model& model, GstAggregatorPad* pad,
             const GstStructure* fields);
  void FinishIfComplete(GstAggregator* fusion, const Model& model);

  std::optional<Cut> cut_;
  Fields given_up_;  // the request that was given up last: what other pads bring of it is ignored
};

}  // namespace rill

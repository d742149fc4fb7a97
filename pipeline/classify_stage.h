// The last stage of a classified stream: hidden frames to the probabilities of labels, and to
// events, which begin and end.
//
// A label's event begins with the first of `on_frames` frames in a row in which it is at least as
// probable as `on`, and ends with the first of `off_frames` in a row in which it is less probable
// than `off`. With `off` below `on` a label between the two stays what it is.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/stages.h"

namespace rill {

struct EventRules {
  float on = 0.6f, off = 0.4f;            // 0 < off <= on <= 1
  int64_t on_frames = 1, off_frames = 1;  // 1 to 100,000
};

struct ClassifyOptions {
  std::string head = {};  // `classify`, `classify.NAME` or NAME; empty: the model's only one
  EventRules events = {};
};

// A label's event began or ended with the frame.
struct ClassEvent {
  size_t label = 0;
  bool begins = false;
  int64_t frame = 0;     // counted from the start of the stream
  float confidence = 0;  // the label's greatest probability in the event so far
};

class ClassifyStage {
 public:
  static Result<ClassifyStage> Open(std::shared_ptr<const Model> model,
                                    const ClassifyOptions& options);

  const ClassifyHead& head() const { return *head_; }
  const std::vector<std::string>& labels() const { return head_->labels(); }
  // Takes a frame of one channel.
  void Run(const FrameBlock& hidden);
  // Ends the events that go on, as at the end of the stream.
  void Finish();
  // Forgets the stream; events that were not taken too.
  void Reset();

  // After the last frame, [labels]; zeros before the first.
  std::span<const float> probabilities() const { return probabilities_; }
  // The likeliest label.
  size_t best() const;
  // The mean over all frames, [labels]; zeros before the first.
  std::vector<float> Mean() const;
  // The events of the frames since the last call, in order.
  std::vector<ClassEvent> Take();
  // Whether the label's event goes on.
  bool IsOn(size_t label) const;
  int64_t frames() const { return Counters()[kFrames]; }  // taken

  size_t state_bytes() const { return state_.bytes().size(); }
  Snapshot::Part Save() const;
  Result<void> Restore(const Snapshot& snapshot);

 private:
  // Of the stream, then of each label: whether its event goes on, and frames in a row that speak
  // for a change.
  enum Counter { kFrames, kFirstLabel };
  static constexpr size_t kOn = 0, kRun = 1, kOfLabel = 2;

  ClassifyStage(std::shared_ptr<const Model> model, const ClassifyHead& head, std::string name,
                const EventRules& rules);
  std::span<int64_t> Counters() const { return state_.lane(0).Integers(counters_); }
  void Turn(size_t label, bool on, int64_t frame);
  Result<void> Check(const State& state) const;

  std::shared_ptr<const Model> model_;
  const ClassifyHead* head_;
  std::string name_;  // the head's
  EventRules rules_;
  StateLayout layout_;
  Slot counters_;  // [1 + 2 labels]
  Slot most_;      // greatest probability of each event, [labels]
  Slot sums_;      // of the probabilities of all frames, [labels]
  State state_;
  Scratch scratch_;
  std::vector<float> probabilities_;
  std::vector<ClassEvent> events_;
};

}  // namespace rill

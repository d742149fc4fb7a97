// Which frames leave a sensor encoder, and what the stages after it do with each.
//
//   kKept      a complete frame: every stage takes it into its state
//   kPeeked    the unfinished frame a forecast is due on: stages work on a fork
//   kRepeated  no slot has elapsed since the last complete frame, which a forecast is due on: the
//              head has kept it; the frame holds no numbers
//
// A forecast is due after every `every`-th row and, if rows came after the last one, at the end.
// So forecasts equal those of a Session over the same rows, wherever the stages run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "pipeline/stages.h"

namespace rill {

enum class FrameUse { kKept, kPeeked, kRepeated };

// What a frame was made of. In a stream that several encoders share, a head takes those it is for.
enum class Modality { kSensor, kAudio, kImage, kText };

// What a frame carries beside its numbers.
struct FrameNotes {
  Modality modality = Modality::kSensor;
  FrameUse use = FrameUse::kKept;
  bool due = false;      // a result is wanted after it
  bool drained = false;  // it is the last one: no row made it due, the end of the rows did
  int64_t position = 0;  // rows, samples, pictures or tokens seen
  int32_t token = -1;    // of text: what it is the frame of
};

class SensorFrames {
 public:
  static Result<SensorFrames> Open(std::shared_ptr<const Model> model, size_t channels);

  size_t channels() const { return stage_.channels(); }
  int64_t rows() const { return stage_.rows(); }
  int64_t last_ns() const { return stage_.last_ns(); }

  // Takes a row; then Next() until it returns false. An error leaves the stream as it was. Rows not
  // later than a restored snapshot are passed over: true when the row was taken.
  Result<bool> Push(int64_t time_ns, std::span<const double> row, size_t every);
  // Makes a forecast due if rows came after the last one; then Next() until it returns false.
  void Finish() { due_ = finishing_ = rows() > 0 && rows() != due_at_; }
  bool Next(FrameBlock& block, FrameNotes& notes);
  void Reset();

  Snapshot::Part Save() const { return stage_.Save(); }
  Result<void> Restore(const Snapshot& snapshot, size_t every);

 private:
  SensorFrames(SensorStage stage, size_t channels, size_t width)
      : stage_(std::move(stage)), ahead_(channels, width) {}

  SensorStage stage_;
  FrameBlock ahead_;  // the next complete frame, when ready_
  bool ready_ = false;
  bool due_ = false;
  bool finishing_ = false;  // what is due is due to Finish()
  bool restored_ = false;   // no row newer than the snapshot has come
  int64_t due_at_ = 0;      // rows seen when the last forecast became due
};

}  // namespace rill

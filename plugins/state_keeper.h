// The file that a bin keeps its stream's state in: written at the end of the stream and every so
// many buffers, atomically and in the streaming thread, and gone on from when the bin starts.
//
// Properties state-location and state-interval, action signals snapshot and reset-state, the
// message lfm-restored{position, time}.
#pragma once

#include <gst/gst.h>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "pipeline/stream_snapshot.h"

namespace rill {

struct UnrefBytes {
  void operator()(GBytes* bytes) const { g_bytes_unref(bytes); }
};

class StateKeeper {
 public:
  // Whether bytes restore into a model, and where the stream goes on.
  using Check = Result<ResumePoint> (*)(const std::shared_ptr<const Model>& model,
                                        std::span<const std::byte> bytes);
  using ModelResult = Result<std::shared_ptr<const Model>>;

  enum Property : guint { kStateLocation, kStateInterval, kProperties };
  // From the id `first` on.
  static void InstallProperties(GObjectClass* object_class, guint first);
  // The signals; their handlers get the bin.
  static void InstallSignals(GType type, void (*snapshot)(GstElement*), void (*reset)(GstElement*));

  // The stream comes in on the sink pad of `entry`; `stages`, in its order, hold the state, and the
  // last of them says which model.
  StateKeeper(GstElement* bin, GstElement* entry, std::vector<GstElement*> stages, Check check);
  ~StateKeeper();
  StateKeeper(const StateKeeper&) = delete;
  StateKeeper& operator=(const StateKeeper&) = delete;

  void SetProperty(guint property, const GValue* value);
  void GetProperty(guint property, GValue* value) const;

  // The stages go on from that snapshot, or from what they hold if it is null, from the next buffer
  // or serialised event on: in between two, so that all of them do.
  void SetState(GBytes* state);
  // After PAUSED: what a stage was handed and has not taken was meant for the stream that has
  // ended.
  void TakeStateBack() const;
  // Sends an event of our own into the stream, behind what came so far.
  void Send(const char* event) const;
  // Before PAUSED: sets the state to the file's snapshot; a file that is not there yet is a
  // stream that begins. Gives the model, if it had to be loaded, so that it is not loaded twice.
  ModelResult Restore();
  // For every message of the bin: writes a snapshot that was taken.
  void Handle(GstMessage* message);

 private:
  static GstPadProbeReturn Watch(GstPad* pad, GstPadProbeInfo* info, gpointer keeper);
  std::string location() const;
  void HandOutState();
  ModelResult OpenTheirModel() const;
  Result<void> Write(const std::string& location, const GstStructure* fields) const;

  GstElement* bin_;
  GstPad* sink_;  // of the entry, a reference of our own
  gulong probe_;
  std::vector<GstElement*> stages_;
  Check check_;
  std::unique_ptr<GBytes, UnrefBytes> state_;  // GST_OBJECT_LOCK of the bin; not handed out yet
  std::string location_;                       // GST_OBJECT_LOCK of the bin
  guint interval_ = 0;                         // GST_OBJECT_LOCK of the bin
  bool failing_ = false;  // streaming thread only: the last write failed, and that was said
  guint taken_ = 0;       // streaming thread only: buffers since the last write
};

}  // namespace rill

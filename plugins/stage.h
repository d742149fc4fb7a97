// What the elements of a model have in common: the model and its properties, and when a stream's
// state is forgotten or restored.
#pragma once

#include <gst/gst.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/model_instance.h"
#include "pipeline/snapshot.h"
#include "plugins/own_events.h"

namespace rill {

enum ResetOn : guint {
  kResetOnStreamStart = 1,
  kResetOnFlush = 2,
  kResetOnDiscont = 4,
  kResetOnNonFinite = 8,
};

struct Stage {
  std::string model_path = kDefaultModel;                // GST_OBJECT_LOCK
  std::string instance;                                  // GST_OBJECT_LOCK
  Model::Options options;                                // GST_OBJECT_LOCK
  guint reset_on = kResetOnStreamStart | kResetOnFlush;  // GST_OBJECT_LOCK
  std::optional<std::vector<std::byte>> restore;  // GST_OBJECT_LOCK; a snapshot to go on from
  std::shared_ptr<const Model> model;             // from READY to PAUSED and back
  std::string stream_id;                          // streaming thread only
  bool negotiated = false;                        // streaming thread only: caps were taken
  bool refused = false;                           // and the last ones were not, which was said
  bool fresh = true;  // streaming thread only: nothing taken in since the start, reset or restore

  // The sink pad's event is the STREAM_START of another stream than before.
  bool IsNewStream(GstEvent* event);
};

// Properties common to all.
enum : guint {
  kModelPath = 1,
  kModelInstanceId,
  kKvPrecision,
  kContext,
  kWindow,
  kSinks,
  kResetOn,
  kState,
  kStagePropertyEnd
};
void InstallStageProperties(GObjectClass* object_class);
// The caller holds GST_OBJECT_LOCK.
void SetStageProperty(Stage& stage, guint id, const GValue* value);
void GetStageProperty(const Stage& stage, guint id, GValue* value);

// Opens the model as the properties say, with PROGRESS messages of code "loading"; posts an ERROR
// and returns false when it cannot.
bool OpenStage(GstElement* element, Stage& stage);
// Whether `reset-on` names the reason.
bool WantsReset(GstElement* element, const Stage& stage, ResetOn reason);
// Whether it names numbers that are not finite, of which the error tells: then that becomes a
// WARNING.
bool ForgivesNonFinite(GstElement* element, const Stage& stage, const Error& error);
// What a stage is to save: its own part, or, while the snapshot that `state` was set to has not
// been taken in, the same part of that. `position`, if given, becomes that of the snapshot as well.
Snapshot::Part PartToSave(GstElement* element, const Stage& stage, Snapshot::Part own,
                          int64_t* position = nullptr);
// The snapshot that the property `state` was set to since the last call.
std::optional<Result<Snapshot>> TakeRestore(GstElement* element, Stage& stage);

struct BufferUnref {
  void operator()(GstBuffer* buffer) const { gst_buffer_unref(buffer); }
};
// Gives a buffer back when the function that took it returns.
using BufferOwner = std::unique_ptr<GstBuffer, BufferUnref>;
struct BufferListUnref {
  void operator()(GstBufferList* list) const { gst_buffer_list_unref(list); }
};
using BufferListOwner = std::unique_ptr<GstBufferList, BufferListUnref>;

// Answers ALLOCATION: buffers 64-byte aligned, and a pool of such for caps whose buffers have one
// size. False for other queries.
bool AnswerAllocation(GstQuery* query);
// Adds an element's own latency to an answered LATENCY query.
void AddLatency(GstQuery* query, GstClockTime own);

// A property's flags: readable and writable, to be changed at most in the state READY or at any
// time.
inline constexpr GParamFlags kInReady =
    static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
inline constexpr GParamFlags kAlways = static_cast<GParamFlags>(
    G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING);

}  // namespace rill

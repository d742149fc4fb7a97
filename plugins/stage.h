// What the elements of a model have in common: the model and its properties, when a stream's state
// is forgotten or restored, and the events of our own.
//
//   lfm/marker{id}     passes in stream order; the head posts the element message lfm-marker{id}
//   lfm/snapshot{id}   each stage adds its state; the head posts lfm-snapshot{id, position, state}
//   lfm/reset          each stage forgets the stream
//
// All are GST_EVENT_CUSTOM_DOWNSTREAM, serialised.
#pragma once

#include <gst/gst.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/model_instance.h"
#include "pipeline/snapshot.h"

namespace rill {

inline constexpr char kMarkerEvent[] = "lfm/marker";
inline constexpr char kSnapshotEvent[] = "lfm/snapshot";
inline constexpr char kResetEvent[] = "lfm/reset";

enum ResetOn : guint { kResetOnStreamStart = 1, kResetOnFlush = 2, kResetOnDiscont = 4 };

// One in the Impl of each element.
struct Stage {
  std::string model_path = kDefaultModel;                // GST_OBJECT_LOCK
  std::string instance;                                  // GST_OBJECT_LOCK
  guint reset_on = kResetOnStreamStart | kResetOnFlush;  // GST_OBJECT_LOCK
  std::optional<std::vector<std::byte>> restore;  // GST_OBJECT_LOCK; a snapshot to go on from
  std::shared_ptr<const Model> model;             // from READY to PAUSED and back
  std::string stream_id;                          // streaming thread only
  bool fresh = true;  // streaming thread only: nothing taken in since the start, reset or restore

  // The sink pad's event is the STREAM_START of another stream than before.
  bool IsNewStream(GstEvent* event);
};

// Properties common to all; an element's own follow from kStagePropertyEnd.
enum : guint { kModelPath = 1, kModelInstanceId, kResetOn, kState, kStagePropertyEnd };
void InstallStageProperties(GObjectClass* object_class);
// The caller holds GST_OBJECT_LOCK. False when the property is not one of the common ones.
bool SetStageProperty(Stage& stage, guint id, const GValue* value);
bool GetStageProperty(const Stage& stage, guint id, GValue* value);

// Opens the model as the properties say; posts an ERROR and returns false when it cannot.
bool OpenStage(GstElement* element, Stage& stage);
// Whether `reset-on` names the reason.
bool WantsReset(GstElement* element, const Stage& stage, ResetOn reason);
// The snapshot that the property `state` was set to since the last call.
std::optional<Result<Snapshot>> TakeRestore(GstElement* element, Stage& stage);

// Whether the event is one of our own of that name.
bool IsEvent(GstEvent* event, const char* name);
// Adds a stage's state; takes the event and gives a writable one.
GstEvent* AddPart(GstEvent* event, const Snapshot::Part& part);
// The snapshot of an event that has passed encoder and backbone.
Result<Snapshot> ReadParts(const GstStructure* fields);
// Fields of lfm/snapshot that the encoder adds.
void SetOrigin(GstEvent* event, uint64_t model, int64_t position);

struct BufferUnref {
  void operator()(GstBuffer* buffer) const { gst_buffer_unref(buffer); }
};
// Gives a buffer back when the function that took it returns.
using BufferOwner = std::unique_ptr<GstBuffer, BufferUnref>;

// Answers ALLOCATION: buffers 64-byte aligned. False for other queries.
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

// Base class of the elements that hold one stage of a stream: one sink pad, one source pad, the
// upstream thread, the common properties, events and queries. What is an element's own, it says in
// a table of functions; its members are those of an object `Impl`.
//
//   constexpr rill::StageInfo kInfo = {.impl = rill::kImpl<Impl>, .describe = Describe, ...};
//
//   GType Type() {
//     static const GType type = rill::RegisterStage("LfmBackbone", kInfo);
//     return type;
//   }
#pragma once

#include <gst/gst.h>

#include "plugins/stage.h"

namespace rill {

struct StageElement {
  GstElement parent;
  GstPad* sink;
  GstPad* source;
  Stage* stage;  // made in init, deleted in finalize
  void* impl;    // the same
};

// How an element's own object is made and deleted.
struct ImplType {
  void* (*make)();
  void (*drop)(void* impl);
};
template <typename Impl>
inline constexpr ImplType kImpl = {
    []() -> void* { return new Impl; },
    [](void* impl) { delete static_cast<Impl*>(impl); },
};

// What an element says of itself.
struct StageInfo {
  ImplType impl;
  const char* usual_model = kDefaultModel;
  // Installs the properties of its own, from the id 1 on, adds pad templates and metadata.
  void (*describe)(GstElementClass* element_class);

  // The streaming thread, or while nothing streams.
  // After the model was opened: what else must hold, and values of a new stream.
  Result<void> (*open)(GstElement* element) = nullptr;
  // Before READY: gives back what a stream needs.
  void (*close)(GstElement* element);
  // The stream is at its end and about to be forgotten: sends what is still to be said of it.
  void (*drain)(GstElement* element) = nullptr;
  // Forgets the stream.
  void (*forget)(GstElement* element);
  // An encoder's part of snapshots. One that had nothing to bring to a fusion's snapshot, at its
  // end or before its first caps, begins afresh when that is restored.
  const char* part = nullptr;
  // Goes on from a snapshot.
  Result<void> (*restore)(GstElement* element, const Snapshot& snapshot);
  // New caps; gives those of the source pad, which the caller then owns.
  Result<GstCaps*> (*set_caps)(GstElement* element, const GstCaps* caps);
  // A buffer, of the caps that were set.
  GstFlowReturn (*take)(GstElement* element, BufferOwner buffer);
  // Buffers that come together; without it each is taken alone.
  GstFlowReturn (*take_all)(GstElement* element, BufferListOwner buffers) = nullptr;
  // Any other event before it is passed on; gives the one to pass on, null for none.
  GstEvent* (*event)(GstElement* element, GstEvent* event) = nullptr;

  // Any thread; the caller holds GST_OBJECT_LOCK.
  void (*set_property)(GstElement* element, guint id, const GValue* value) = nullptr;
  void (*get_property)(GstElement* element, guint id, GValue* value) = nullptr;
  // What it adds to the latency of a stream.
  GstClockTime (*latency)(GstElement* element) = nullptr;

  // Any thread.
  // An event from downstream before it is passed on; null if it is not.
  GstEvent* (*hear)(GstElement* element, GstEvent* event) = nullptr;
  // Makes a take() that waits return: the pad is being flushed or stopped.
  void (*interrupt)(GstElement* element) = nullptr;
  // Answers a query of upstream; false for others.
  bool (*answer)(GstElement* element, GstQuery* query) = nullptr;
};

// Registers an element's type, once a name; `info` must outlive it.
GType RegisterStage(const char* name, const StageInfo& info);

inline Stage& StageOf(gpointer element) { return *static_cast<StageElement*>(element)->stage; }
inline GstPad* SinkOf(gpointer element) { return static_cast<StageElement*>(element)->sink; }
inline GstPad* SourceOf(gpointer element) { return static_cast<StageElement*>(element)->source; }
template <typename Impl>
Impl& ImplOf(gpointer element) {
  return *static_cast<Impl*>(static_cast<StageElement*>(element)->impl);
}

}  // namespace rill

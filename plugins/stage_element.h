// Base class of the elements that hold one stage of a stream: one sink pad, one source pad, the
// upstream thread, the common properties and events. What is the stage's own, it says in a few
// functions.
#pragma once

#include <gst/gst.h>

#include "plugins/stage.h"

namespace rill {

struct StageElement {
  GstElement parent;
  GstPad* source;
  Stage* stage;  // made in init, deleted in finalize
};

// All run in the streaming thread or while nothing streams. `open` and
// `event` may be null.
struct StageElementClass {
  GstElementClass parent;
  // After the model was opened: what else must hold, and values of a new stream.
  Result<void> (*open)(GstElement* element);
  // Before READY: gives back what a stream needs.
  void (*close)(GstElement* element);
  // Forgets the stream.
  void (*forget)(GstElement* element);
  // New caps; gives those of the source pad, which the caller then owns.
  Result<GstCaps*> (*set_caps)(GstElement* element, const GstCaps* caps);
  // A buffer, owned by the callee.
  GstFlowReturn (*take)(GstElement* element, GstBuffer* buffer);
  // Any other event before it is passed on; gives the one to pass on, null for none.
  GstEvent* (*event)(GstElement* element, GstEvent* event);
};

GType StageElementType();

inline Stage& StageOf(gpointer element) { return *static_cast<StageElement*>(element)->stage; }
inline GstPad* SourceOf(gpointer element) { return static_cast<StageElement*>(element)->source; }

}  // namespace rill

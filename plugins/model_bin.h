// Base class of the bins that are a whole model: an encoder, a backbone and a head, media in and
// results out.
//
// It hands properties to the elements inside, keeps the stream's state in a file (StateKeeper), and
// says why a file cannot be gone on from. Its elements, its own properties and its pads are a
// bin's own.
#pragma once

#include <gst/gst.h>

#include <initializer_list>
#include <vector>

#include "plugins/stage.h"
#include "plugins/state_keeper.h"

namespace rill {

// The elements that hold the state of the stream; the bin owns them.
struct ModelStages {
  std::vector<GstElement*> encoders;  // of which one works
  GstElement* backbone = nullptr;
  GstElement* head = nullptr;
  GstElement* entry = nullptr;  // whose sink pad the stream comes in on

  std::vector<GstElement*> all() const;  // in stream order
};

// What a bin says of itself.
struct ModelBinInfo {
  // Installs the properties of its own, adds pad templates and metadata.
  void (*describe)(GstElementClass* element_class);
  // Puts the elements into a new bin, links them and adds the pads.
  ModelStages (*fill)(GstBin* bin);
  StateKeeper::Check check;
};

// Registers a bin's type, once a name; `info` must outlive it.
GType RegisterModelBin(const char* name, const ModelBinInfo& info);

// Properties with this id or a greater one go to the elements inside that have one of the same
// name.
inline constexpr guint kForwardedProperty = kStagePropertyEnd + guint{StateKeeper::kProperties};
void InstallForwarded(GstElementClass* element_class, std::initializer_list<GParamSpec*> specs);

// A new element in the bin, which owns it.
GstElement* AddElement(GstBin* bin, const char* factory, const char* name);

// `encoder`, the backbone and `head`, linked, as the elements of those names; the head's source pad
// becomes that of the bin.
ModelStages AddStages(GstBin* bin, const char* encoder, const char* head);

}  // namespace rill

// The options of a network source as GObject properties, and its counters as a structure.
#pragma once

#include <gst/gst.h>

#include "pipeline/net_options.h"

namespace rill {

// Property ids 1 up to and without this one are the options; an element's own follow.
constexpr guint kNetPropertyEnd = 16;

void InstallNetProperties(GObjectClass* type);
// For ids below kNetPropertyEnd, with the lock of the options held.
void SetNetProperty(NetOptions& options, guint id, const GValue* value);
void GetNetProperty(const NetOptions& options, guint id, GValue* value);

// "lfm-network-stats" with the names of NetStats in kebab-case, all guint64.
GstStructure* ToStructure(const NetStats& stats);

}  // namespace rill

// The events of our own, all GST_EVENT_CUSTOM_DOWNSTREAM and serialised, and what a head makes of
// them.
//
//   lfm/marker{id}     passes in stream order; the head posts the element message lfm-marker{id}
//   lfm/snapshot{id}   each stage adds its state; the head posts lfm-snapshot{id, position, state};
//                      behind lfmfusion it comes twice (fusion_snapshot.h)
//   lfm/reset          each stage forgets the stream
//
// Text is fed back: lfmgenerate sends each token that it chooses upstream, and lfmtextenc makes the
// next frame of it. A query says whether there is anybody who does so.
//
//   lfm/token{id, last}   GST_EVENT_CUSTOM_UPSTREAM; `last`: the answer is over with it
//   lfm/unheard{flow}     GST_EVENT_CUSTOM_UPSTREAM; frames were refused further down: no token
//   comes lfm/generates         a custom query, which lfmgenerate answers
#pragma once

#include <gst/gst.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "pipeline/snapshot.h"

namespace rill {

inline constexpr char kMarkerEvent[] = "lfm/marker";
inline constexpr char kSnapshotEvent[] = "lfm/snapshot";
inline constexpr char kResetEvent[] = "lfm/reset";
inline constexpr char kTokenEvent[] = "lfm/token";
inline constexpr char kUnheardEvent[] = "lfm/unheard";
inline constexpr char kGeneratesQuery[] = "lfm/generates";

// Whether the event is one of our own of that name.
bool IsEvent(GstEvent* event, const char* name);
// Adds a stage's state; takes the event and gives a writable one.
GstEvent* AddPart(GstEvent* event, const Snapshot::Part& part);
// Fields of lfm/snapshot that the encoder adds.
void SetOrigin(GstEvent* event, uint64_t model, int64_t position);

inline constexpr char kCutField[] = "cut";  // TRUE: the first of two events, FALSE: the second
// The part that tells the snapshot of a stream that several encoders share.
inline constexpr char kFusionPart[] = "fusion";

// For a head, once it has taken in every frame before the event: posts the snapshot that the stages
// before it filled in, with its own parts, or a WARNING that says what is missing. Of a cut it only
// keeps the parts.
void PostSnapshot(GstElement* head, const GstStructure* fields, std::vector<Snapshot::Part> own);
void PostMarker(GstElement* head, const GstStructure* fields);

std::vector<std::byte> CopyBytes(GBytes* bytes);

}  // namespace rill

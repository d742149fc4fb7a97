#include "plugins/fusion_snapshot.h"

#include <cmath>
#include <cstring>

#include "operators/core/cursor.h"
#include "plugins/frame_meta.h"

namespace rill {
namespace {

constexpr char kPart[] = "fusion";

// A frame but for its pad and its numbers; no padding.
struct Header {
  uint64_t time, duration;
  int64_t unix_ns;  // kNoUnixTime: none
  int64_t position, last_ns, usual_ns;
  double location, scale;
  uint32_t elapsed;
  float dt;
  int32_t token;
  uint8_t modality, use;
  uint16_t flags;
};
static_assert(sizeof(Header) == 80);

constexpr int64_t kNoUnixTime = -1;
enum : uint16_t { kDue = 1, kDrained = 2, kDiscont = 4 };

Header HeaderOf(const FusedFrame& frame, const FrameNotes& notes, const FrameBlock& block) {
  GstBuffer* buffer = frame.buffer.get();
  const uint16_t flags = (notes.due ? kDue : 0) | (notes.drained ? kDrained : 0) |
                         (GST_BUFFER_IS_DISCONT(buffer) ? kDiscont : 0);
  return {.time = frame.time,
          .duration = GST_BUFFER_DURATION(buffer),
          .unix_ns = UnixTime(buffer).value_or(kNoUnixTime),
          .position = notes.position,
          .last_ns = block.frame.last_ns,
          .usual_ns = block.frame.usual_ns,
          .location = block.scales[0].location,
          .scale = block.scales[0].scale,
          .elapsed = static_cast<uint32_t>(block.frame.elapsed),
          .dt = block.frame.dt,
          .token = notes.token,
          .modality = static_cast<uint8_t>(notes.modality),
          .use = static_cast<uint8_t>(notes.use),
          .flags = flags};
}

bool IsSound(const Header& header) {
  return header.modality <= static_cast<uint8_t>(Modality::kText) &&
         header.use <= static_cast<uint8_t>(FrameUse::kRepeated) && std::isfinite(header.dt) &&
         std::isfinite(header.location) && std::isfinite(header.scale);
}

BufferOwner BufferOf(const Header& header, FrameBlock& block) {
  block.frame = {header.elapsed, header.dt, header.last_ns, header.usual_ns};
  block.scales[0] = {header.location, header.scale};
  BufferOwner buffer(WriteFrame(block, {.modality = static_cast<Modality>(header.modality),
                                        .use = static_cast<FrameUse>(header.use),
                                        .due = (header.flags & kDue) != 0,
                                        .drained = (header.flags & kDrained) != 0,
                                        .position = header.position,
                                        .token = header.token}));
  GST_BUFFER_DURATION(buffer.get()) = header.duration;
  if (header.unix_ns != kNoUnixTime) SetUnixTime(buffer.get(), header.unix_ns);
  if ((header.flags & kDiscont) != 0) GST_BUFFER_FLAG_SET(buffer.get(), GST_BUFFER_FLAG_DISCONT);
  return buffer;
}

uint64_t Layout(size_t width) {
  const uint64_t sizes[] = {sizeof(Header), width};
  return Hash(std::as_bytes(std::span(sizes)));
}

template <typename T>
void Put(std::vector<std::byte>& to, std::span<const T> values) {
  const auto bytes = std::as_bytes(values);
  to.insert(to.end(), bytes.begin(), bytes.end());
}

template <typename T>
void PutOne(std::vector<std::byte>& to, const T& value) {
  Put(to, std::span<const T>(&value, 1));
}

}  // namespace

Snapshot::Part SaveFrames(int64_t taken, const std::vector<FusedFrame>& kept, size_t width) {
  Snapshot::Part part{kPart, Layout(width), {}};
  PutOne(part.bytes, taken);
  PutOne(part.bytes, uint64_t{kept.size()});
  FrameBlock block(1, width);
  for (const FusedFrame& frame : kept) {
    const FrameNotes notes = *ReadFrame(frame.buffer.get(), block);  // which was read before
    PutOne(part.bytes, uint64_t{frame.pad.size()});
    Put(part.bytes, std::span<const char>(frame.pad));
    PutOne(part.bytes, HeaderOf(frame, notes, block));
    Put(part.bytes, std::span<const float>(block.values));
  }
  return part;
}

Result<RestoredFrames> RestoreFrames(const Snapshot& snapshot, size_t width) {
  const Snapshot::Part* part = snapshot.Find(kPart);
  if (part == nullptr) return Error{"the snapshot has no part fusion"};
  if (part->layout != Layout(width))
    return Error{"the snapshot's frames of fusion are of another width or build"};
  const Error damaged{"the snapshot's frames of fusion are damaged"};
  RestoredFrames restored;
  uint64_t count = 0;
  Cursor cursor(part->bytes);
  if (!cursor.Take(restored.taken) || !cursor.Take(count)) return damaged;
  FrameBlock block(1, width);
  for (uint64_t i = 0; i < count; ++i) {
    std::string_view pad;
    Header header;
    std::span<const std::byte> values;
    if (!cursor.Take(pad) || !cursor.Take(header) || !cursor.Take(width * sizeof(float), values) ||
        !IsSound(header))
      return damaged;
    std::memcpy(block.values.data(), values.data(), values.size());
    restored.kept.push_back({std::string(pad), BufferOf(header, block), header.time});
  }
  if (cursor.left() > 0) return damaged;
  return restored;
}

SnapshotCut::SnapshotCut(Pads pads, int64_t taken, Snapshot::Part backbone,
                         std::vector<FusedFrame> kept)
    : waiting_(std::move(pads)),
      taken_(taken),
      backbone_(std::move(backbone)),
      kept_(std::move(kept)),
      brought_(gst_structure_new_empty(kSnapshotEvent)) {}

GstEvent* SnapshotCut::CutEvent(const GstStructure* fields) const {
  GstStructure* cut = gst_structure_new(kSnapshotEvent, kCutField, G_TYPE_BOOLEAN, TRUE, nullptr);
  if (const GValue* id = gst_structure_get_value(fields, "id"))
    gst_structure_set_value(cut, "id", id);
  return gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, cut);
}

Result<void> SnapshotCut::Bring(GstAggregatorPad* pad, const GstStructure* fields) {
  waiting_.erase(pad);
  for (gint i = 0; i < gst_structure_n_fields(fields); ++i) {
    const gchar* name = gst_structure_nth_field_name(fields, static_cast<guint>(i));
    const GValue* value = gst_structure_get_value(fields, name);
    if (G_VALUE_HOLDS(value, G_TYPE_BYTES) && gst_structure_has_field(brought_.get(), name) == TRUE)
      return Error{"two pads brought the state of " + std::string(name) +
                   ", a snapshot holds one of each encoder"};
    gst_structure_set_value(brought_.get(), name, value);
  }
  return {};
}

Result<void> SnapshotCut::Keep(FusedFrame frame) {
  if (kept_.size() == kMostKept)
    return Error{"pad " + frame.pad + " did not bring the snapshot within " +
                 std::to_string(kMostKept) + " frames"};
  kept_.push_back(std::move(frame));
  return {};
}

GstEvent* SnapshotCut::CompleteEvent(uint64_t model, size_t width) const {
  GstStructure* fields = gst_structure_copy(brought_.get());
  gst_structure_set(fields, kCutField, G_TYPE_BOOLEAN, FALSE, nullptr);
  GstEvent* event = gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, fields);
  event = AddPart(AddPart(event, backbone_), SaveFrames(taken_, kept_, width));
  SetOrigin(event, model, taken_);
  return event;
}

}  // namespace rill

#include "plugins/fusion_snapshot.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "operators/core/cursor.h"
#include "plugins/frame_meta.h"

namespace rill {
namespace {

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
  const int flags = (notes.due ? kDue : 0) | (notes.drained ? kDrained : 0) |
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
          .flags = static_cast<uint16_t>(flags)};
}

bool IsSound(const Header& header, const Model& model, GstClockTime newest) {
  constexpr GstClockTime kFarthest = GST_SECOND * 3600;  // between pads at a cut
  const size_t patch = model.sensor() == nullptr ? 0 : model.sensor()->config().patch;
  const bool in_time = !GST_CLOCK_TIME_IS_VALID(header.time) || header.time <= newest ||
                       header.time - newest < kFarthest;
  return in_time && header.modality <= static_cast<uint8_t>(Modality::kText) &&
         header.use <= static_cast<uint8_t>(FrameUse::kRepeated) && header.elapsed <= patch &&
         header.usual_ns >= 0 && std::isfinite(header.dt) && header.dt >= 0 &&
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

bool SameId(const GstStructure* a, const GstStructure* b) {
  const GValue *left = gst_structure_get_value(a, "id"), *right = gst_structure_get_value(b, "id");
  if (left == nullptr || right == nullptr) return left == right;
  return gst_value_compare(left, right) == GST_VALUE_EQUAL;
}

// The fields of a request that heads are to be told in any case.
Fields IdOf(const GstStructure* fields) {
  Fields id(gst_structure_new_empty(kSnapshotEvent));
  if (const GValue* value = gst_structure_get_value(fields, "id"))
    gst_structure_set_value(id.get(), "id", value);
  return id;
}

GstEvent* ToEvent(const Fields& fields, bool is_cut) {
  GstStructure* copy = gst_structure_copy(fields.get());
  gst_structure_set(copy, kCutField, G_TYPE_BOOLEAN, is_cut ? TRUE : FALSE, nullptr);
  return gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, copy);
}

}  // namespace

FusedPosition FusedPosition::Share() const {
  FusedPosition shared{taken, newest, {}};
  for (const auto& [pad, frames] : kept)
    for (const FusedFrame& frame : frames) shared.kept[pad].push_back(frame.Share());
  return shared;
}

const FusedFrame* FusedPosition::Front(const char* pad) const {
  const auto found = kept.find(pad);
  return found == kept.end() ? nullptr : &found->second.front();
}

FusedFrame FusedPosition::Pop(const char* pad) {
  const auto found = kept.find(pad);
  FusedFrame frame = std::move(found->second.front());
  found->second.pop_front();
  if (found->second.empty()) kept.erase(found);
  return frame;
}

Snapshot::Part FusedPosition::Save(const Model& model) const {
  const size_t width = model.backbone().width();
  Snapshot::Part part{kFusionPart, Layout(width), {}};
  uint64_t count = 0;
  for (const auto& [pad, frames] : kept) count += frames.size();
  PutOne(part.bytes, taken);
  PutOne(part.bytes, newest);
  PutOne(part.bytes, count);
  FrameBlock block(1, width);
  for (const auto& [pad, frames] : kept)
    for (const FusedFrame& frame : frames) {
      const FrameNotes notes = *ReadFrame(frame.buffer.get(), block);  // which was read before
      PutOne(part.bytes, uint64_t{pad.size()});
      Put(part.bytes, std::span<const char>(pad));
      PutOne(part.bytes, HeaderOf(frame, notes, block));
      Put(part.bytes, std::span<const float>(block.values));
    }
  return part;
}

Result<FusedPosition> FusedPosition::Restore(const Snapshot& snapshot, const Model& model) {
  const size_t width = model.backbone().width();
  const Snapshot::Part* part = snapshot.Find(kFusionPart);
  if (part == nullptr) return Error{"the snapshot has no part fusion"};
  if (part->layout != Layout(width))
    return Error{"the snapshot's frames of fusion are of another width or build"};
  const Error damaged{"the snapshot's frames of fusion are damaged"};
  FusedPosition restored;
  uint64_t count = 0;
  Cursor cursor(part->bytes);
  if (!cursor.Take(restored.taken) || !cursor.Take(restored.newest) || !cursor.Take(count) ||
      restored.taken < 0)
    return damaged;
  FrameBlock block(1, width);
  for (uint64_t i = 0; i < count; ++i) {
    std::string_view pad;
    Header header;
    std::span<const std::byte> values;
    if (!cursor.Take(pad) || !cursor.Take(header) || !cursor.Take(width * sizeof(float), values) ||
        !IsSound(header, model, restored.newest))
      return damaged;
    std::memcpy(block.values.data(), values.data(), values.size());
    if (!std::ranges::all_of(block.values, [](float x) { return std::isfinite(x); }))
      return damaged;
    const std::string name(pad);
    restored.kept[name].push_back({name, BufferOf(header, block), header.time});
  }
  if (cursor.left() > 0) return damaged;
  return restored;
}

void FusionSnapshots::Ask(GstAggregator* fusion, const Model& model, GstAggregatorPad* pad,
                          const GstStructure* fields, AggregatorPads pads,
                          const std::function<Now()>& now) {
  if (cut_ && cut_->waiting.contains(pad) && SameId(cut_->brought.get(), fields))
    return Bring(fusion, model, pad, fields);
  if (given_up_ && gst_structure_has_field(fields, "id") == TRUE && SameId(given_up_.get(), fields))
    return;
  GiveUp(fusion, "another one was asked for");
  cut_ = Cut{std::move(pads), now(), 0, IdOf(fields)};
  gst_pad_push_event(fusion->srcpad, ToEvent(cut_->brought, true));
  Bring(fusion, model, pad, fields);
}

void FusionSnapshots::Bring(GstAggregator* fusion, const Model& model, GstAggregatorPad* pad,
                            const GstStructure* fields) {
  for (gint i = 0; i < gst_structure_n_fields(fields); ++i) {
    const gchar* name = gst_structure_nth_field_name(fields, static_cast<guint>(i));
    const GValue* value = gst_structure_get_value(fields, name);
    if (G_VALUE_HOLDS(value, G_TYPE_BYTES) &&
        gst_structure_has_field(cut_->brought.get(), name) == TRUE)
      return GiveUp(fusion, "two pads brought the state of " + std::string(name) +
                                ", a snapshot holds one of each encoder");
    gst_structure_set_value(cut_->brought.get(), name, value);
  }
  End(fusion, model, pad);
}

void FusionSnapshots::Pass(GstAggregator* fusion, GstAggregatorPad* pad, const FusedFrame& frame) {
  if (!cut_) return;
  if (cut_->waiting.contains(pad)) cut_->now.position.kept[frame.pad].push_back(frame.Share());
  if (++cut_->frames > kMostFrames)
    GiveUp(fusion, std::to_string(cut_->waiting.size()) +
                       " pads did not bring the request within " + std::to_string(kMostFrames) +
                       " frames");
}

void FusionSnapshots::End(GstAggregator* fusion, const Model& model, GstAggregatorPad* pad) {
  if (!cut_) return;
  if (const auto found = cut_->waiting.find(pad); found != cut_->waiting.end())
    cut_->waiting.erase(found);
  FinishIfComplete(fusion, model);
}

void FusionSnapshots::Prune(GstAggregator* fusion, const Model& model,
                            const AggregatorPads& present) {
  if (!cut_) return;
  std::erase_if(cut_->waiting, [&](const PadOwner& pad) { return !present.contains(pad); });
  FinishIfComplete(fusion, model);
}

void FusionSnapshots::FinishIfComplete(GstAggregator* fusion, const Model& model) {
  if (!cut_->waiting.empty()) return;
  GstEvent* event = AddPart(ToEvent(cut_->brought, false), cut_->now.backbone);
  event = AddPart(event, cut_->now.position.Save(model));
  SetOrigin(event, model.fingerprint(), cut_->now.position.taken);
  cut_.reset();
  gst_pad_push_event(fusion->srcpad, event);
}

void FusionSnapshots::GiveUp(GstAggregator* fusion, const std::string& why) {
  if (!cut_) return;
  GST_ELEMENT_WARNING(fusion, STREAM, FAILED, ("no snapshot was made: %s", why.c_str()), (nullptr));
  given_up_ = IdOf(cut_->brought.get());
  cut_.reset();
}

}  // namespace rill

#include "plugins/frame_meta.h"

#include <cstring>

#include "plugins/element.h"

namespace rill {
namespace {

struct Carrier {
  GstMeta meta;
  FrameMeta* content;
};

gboolean Begin(GstMeta* meta, gpointer, GstBuffer*) {
  reinterpret_cast<Carrier*>(meta)->content = new FrameMeta;  // freed with the buffer, in End
  return TRUE;
}

void End(GstMeta* meta, GstBuffer*) { delete reinterpret_cast<Carrier*>(meta)->content; }

gboolean Transform(GstBuffer* to, GstMeta* meta, GstBuffer*, GQuark type, gpointer data) {
  if (!GST_META_TRANSFORM_IS_COPY(type)) return FALSE;
  if (static_cast<GstMetaTransformCopy*>(data)->region) return FALSE;
  AddFrameMeta(to) = *reinterpret_cast<Carrier*>(meta)->content;
  return TRUE;
}

const GstMetaInfo* Info() {
  static const GstMetaInfo* const info = [] {
    static const gchar* tags[] = {nullptr};  // depends on nothing: kept whatever is changed
    const GType api = gst_meta_api_type_register("LfmFrameMetaAPI", tags);
    return gst_meta_register(api, "LfmFrameMeta", sizeof(Carrier), Begin, End, Transform);
  }();
  return info;
}

GstCaps* UnixCaps() {
  static GstStaticCaps caps = GST_STATIC_CAPS("timestamp/x-unix");
  return gst_static_caps_get(&caps);
}

}  // namespace

FrameMeta& AddFrameMeta(GstBuffer* buffer) {
  return *reinterpret_cast<Carrier*>(gst_buffer_add_meta(buffer, Info(), nullptr))->content;
}

const FrameMeta* GetFrameMeta(GstBuffer* buffer) {
  const GstMeta* meta = gst_buffer_get_meta(buffer, Info()->api);
  return meta == nullptr ? nullptr : reinterpret_cast<const Carrier*>(meta)->content;
}

Result<FrameNotes> ReadFrame(GstBuffer* buffer, FrameBlock& block) {
  const FrameMeta* meta = GetFrameMeta(buffer);
  if (meta == nullptr)
    return Error{"a frame has lost its LfmFrameMeta on the way from the encoder"};
  const MappedBuffer map(buffer, GST_MAP_READ);
  const size_t bytes = block.values.size() * sizeof(float);
  if (map.bytes().size() != bytes || meta->scales.size() != block.scales.size())
    return Error{"a frame has " + std::to_string(map.bytes().size()) + " bytes and " +
                 std::to_string(meta->scales.size()) + " scales, the caps say " +
                 std::to_string(bytes) + " and " + std::to_string(block.scales.size())};
  std::memcpy(block.values.data(), map.bytes().data(), bytes);
  block.scales = meta->scales;
  block.frame = meta->frame;
  return meta->notes;
}

GstBuffer* WriteFrame(const FrameBlock& block, const FrameNotes& notes) {
  GstAllocationParams aligned;
  gst_allocation_params_init(&aligned);
  aligned.align = 63;
  const size_t bytes = block.values.size() * sizeof(float);
  GstBuffer* buffer = gst_buffer_new_allocate(nullptr, bytes, &aligned);
  gst_buffer_fill(buffer, 0, block.values.data(), bytes);
  FrameMeta& meta = AddFrameMeta(buffer);
  meta.notes = notes;
  meta.frame = block.frame;
  meta.scales = block.scales;
  return buffer;
}

std::optional<int64_t> UnixTime(GstBuffer* buffer) {
  GstCaps* caps = UnixCaps();
  const GstReferenceTimestampMeta* meta = gst_buffer_get_reference_timestamp_meta(buffer, caps);
  gst_caps_unref(caps);
  if (meta == nullptr) return std::nullopt;
  return static_cast<int64_t>(meta->timestamp);
}

void SetUnixTime(GstBuffer* buffer, int64_t unix_ns) {
  GstCaps* caps = UnixCaps();
  gst_buffer_add_reference_timestamp_meta(buffer, caps, static_cast<GstClockTime>(unix_ns),
                                          GST_CLOCK_TIME_NONE);
  gst_caps_unref(caps);
}

Result<TensorCaps> CheckFrameCaps(const GstCaps* caps, const Model& model, const char* kind) {
  Result<TensorCaps> tensor = ParseTensorCaps(caps);
  if (!tensor) return tensor.error();
  const std::string space = model.space() + "/" + kind;
  if (tensor->lfm_space != space)
    return Error{"frames of \"" + tensor->lfm_space + "\" were offered, " + model.name() +
                 " takes those of \"" + space + "\""};
  const std::array<uint32_t, 4>& n = tensor->dimensions;
  if (tensor->type != TensorElement::kFloat32 || n[0] != model.backbone().width() || n[2] != 1 ||
      n[3] != 1)
    return Error{"frames of " + std::to_string(n[0]) + ":" + std::to_string(n[1]) + ":" +
                 std::to_string(n[2]) + ":" + std::to_string(n[3]) + " were offered, " +
                 model.name() + " takes float32 of " + std::to_string(model.backbone().width()) +
                 ":channels:1:1"};
  return tensor;
}

Result<TensorCaps> CheckHiddenCaps(const GstCaps* caps, const Model& model, const char* modality) {
  Result<TensorCaps> tensor = CheckFrameCaps(caps, model, "hidden");
  if (!tensor || tensor->modality.empty() || tensor->modality == modality ||
      tensor->modality == kFusedModality)
    return tensor;
  return Error{"frames of the encoder " + tensor->modality + " were offered, this head is for " +
               modality};
}

}  // namespace rill

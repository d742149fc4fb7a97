// How a GGUF file is read: every count, offset and type is checked before it is used.
#include <algorithm>
#include <cstring>
#include <optional>

#include "operators/core/cursor.h"
#include "operators/core/state.h"
#include "operators/core/text.h"
#include "operators/core/weights.h"

namespace rill {
namespace {

constexpr uint64_t kMostTensors = 1 << 20;  // published files hold under 1,000
constexpr uint64_t kMostKeys = 1 << 16;     // published files hold under 100
// Of the arrays of all keys; published files hold under 500,000.
constexpr uint64_t kMostElementsOfArrays = 1 << 22;
constexpr uint64_t kMostElements = 1ull << 40;

// Kinds of metadata values, numbers of the format.
enum class Kind : uint32_t {
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUint64,
  kInt64,
  kFloat64,
};

template <typename T, typename As>
bool TakeScalar(Cursor& cursor, Weights::Scalar& scalar) {
  T value{};
  if (!cursor.Take(value)) return false;
  scalar = static_cast<As>(value);
  return true;
}

bool Take(Cursor& cursor, Kind kind, Weights::Scalar& scalar) {
  switch (kind) {
    case Kind::kUint8: return TakeScalar<uint8_t, uint64_t>(cursor, scalar);
    case Kind::kInt8: return TakeScalar<int8_t, int64_t>(cursor, scalar);
    case Kind::kUint16: return TakeScalar<uint16_t, uint64_t>(cursor, scalar);
    case Kind::kInt16: return TakeScalar<int16_t, int64_t>(cursor, scalar);
    case Kind::kUint32: return TakeScalar<uint32_t, uint64_t>(cursor, scalar);
    case Kind::kInt32: return TakeScalar<int32_t, int64_t>(cursor, scalar);
    case Kind::kFloat32: return TakeScalar<float, double>(cursor, scalar);
    case Kind::kUint64: return TakeScalar<uint64_t, uint64_t>(cursor, scalar);
    case Kind::kInt64: return TakeScalar<int64_t, int64_t>(cursor, scalar);
    case Kind::kFloat64: return TakeScalar<double, double>(cursor, scalar);
    case Kind::kBool: {
      uint8_t value = 0;
      if (!cursor.Take(value) || value > 1) return false;
      scalar = value == 1;
      return true;
    }
    case Kind::kString: {
      std::string_view text;
      if (!cursor.Take(text)) return false;
      scalar = text;
      return true;
    }
    default: return false;
  }
}

bool Take(Cursor& cursor, Weights::Value& value, uint64_t& elements_left) {
  Kind kind{};
  if (!cursor.Take(kind)) return false;
  if (kind != Kind::kArray) {
    Weights::Scalar scalar;
    if (!Take(cursor, kind, scalar)) return false;
    value = scalar;
    return true;
  }
  uint64_t count = 0;
  if (!cursor.Take(kind) || !cursor.Take(count) || count > elements_left) return false;
  elements_left -= count;
  std::vector<Weights::Scalar> array;
  for (uint64_t i = 0; i < count; ++i)
    if (!Take(cursor, kind, array.emplace_back())) return false;
  value = std::move(array);
  return true;
}

}  // namespace

Result<void> Weights::Read() {
  Cursor cursor(bytes_);
  char magic[4] = {};
  uint32_t version = 0;
  uint64_t tensor_count = 0, key_count = 0;
  if (!cursor.Take(magic) || std::memcmp(magic, "GGUF", sizeof magic) != 0)
    return Complain("not a GGUF file: it does not start with \"GGUF\"");
  if (!cursor.Take(version) || version != 3)
    return Complain("GGUF version " + std::to_string(version) + ", only version 3 is read");
  if (!cursor.Take(tensor_count) || !cursor.Take(key_count))
    return Complain("truncated after " + std::to_string(bytes_.size()) + " bytes, in the header");
  if (tensor_count > kMostTensors || key_count > kMostKeys)
    return Complain("claims " + std::to_string(tensor_count) + " tensors and " +
                    std::to_string(key_count) + " keys, at most " + std::to_string(kMostTensors) +
                    " and " + std::to_string(kMostKeys) + " are read");
  uint64_t elements_left = kMostElementsOfArrays;
  for (uint64_t i = 0; i < key_count; ++i) {
    std::string_view key;
    Value value;
    const size_t at = cursor.at();
    if (!cursor.Take(key) || !Take(cursor, value, elements_left))
      return Complain("key " + std::to_string(i) + " of " + std::to_string(key_count) +
                      ", at byte " + std::to_string(at) + ", is malformed or cut off");
    if (!keys_.emplace(key, std::move(value)).second)
      return Complain("key " + Printable(key) + " occurs twice");
    raw_keys_.push_back({key, bytes_.subspan(at, cursor.at() - at)});
  }

  uint64_t alignment = 32;  // the format's default; numbers are read where they lie
  if (Has("general.alignment")) {
    const Result<int64_t> given = Integer("general.alignment", 8, 1 << 20);
    if (!given) return given.error();
    alignment = static_cast<uint64_t>(*given);
    if ((alignment & (alignment - 1)) != 0)
      return Complain("general.alignment is " + std::to_string(alignment) + ", no power of two");
  }

  std::vector<std::pair<Tensor*, uint64_t>> offsets;
  for (uint64_t i = 0; i < tensor_count; ++i) {
    std::string_view tensor_name;
    Tensor tensor;
    uint32_t rank = 0, type = 0;
    uint64_t offset = 0;
    bool whole = cursor.Take(tensor_name) && cursor.Take(rank) && rank >= 1 && rank <= 4;
    for (uint32_t axis = 0; whole && axis < rank; ++axis) whole = cursor.Take(tensor.extents[axis]);
    if (!whole || !cursor.Take(type) || !cursor.Take(offset))
      return Complain("tensor " + std::to_string(i) + " of " + std::to_string(tensor_count) + " (" +
                      Printable(tensor_name) + ", rank " + std::to_string(rank) +
                      ") is malformed or cut off");
    tensor.rank = rank;
    const std::string label = "tensor " + Printable(tensor_name);
    uint64_t elements = 1;
    for (const uint64_t extent : tensor.extents) {
      if (extent == 0 || extent > kMostElements / elements)
        return Complain(label + " has shape " + Shape(std::span(tensor.extents).first(rank)) +
                        ", no extent may be zero and the elements at most 2^40");
      elements *= extent;
    }
    const std::optional<TensorTypeInfo> info = InfoOf(type);
    if (!info) return Complain(label + " has the unknown type " + std::to_string(type));
    if (tensor.extents[0] % info->block_elements != 0)
      return Complain(label + " has rows of " + std::to_string(tensor.extents[0]) +
                      " elements, not a multiple of the " + std::to_string(info->block_elements) +
                      " in a block of " + std::string(info->name));
    tensor.type = info->type;
    const uint64_t count = elements / info->block_elements * info->block_bytes;
    tensor.bytes = {static_cast<const std::byte*>(nullptr), static_cast<size_t>(count)};
    const auto [where, fresh] = tensors_.emplace(tensor_name, tensor);
    if (!fresh) return Complain(label + " occurs twice");
    offsets.emplace_back(&where->second, offset);
  }

  const uint64_t data = (cursor.at() + alignment - 1) / alignment * alignment;
  for (auto& [tensor, offset] : offsets) {
    const uint64_t count = tensor->bytes.size();
    if (offset % alignment != 0 || data > bytes_.size() || offset > bytes_.size() - data ||
        count > bytes_.size() - data - offset) {
      std::string label;
      for (const auto& [known_name, known] : tensors_)
        if (&known == tensor) label = Printable(known_name);
      return Complain("tensor " + label + " lies at bytes " + std::to_string(offset) + " to " +
                      std::to_string(offset + count) + " of the data, which has " +
                      std::to_string(data > bytes_.size() ? 0 : bytes_.size() - data) +
                      " bytes aligned to " + std::to_string(alignment));
    }
    tensor->bytes = bytes_.subspan(data + offset, count);
  }
  fingerprint_ = Fingerprint();
  return {};
}

uint64_t Weights::Fingerprint() const {
  constexpr size_t kSampleBytes = 4096;  // of a tensor's start, middle and end
  uint64_t hash = 0xcbf29ce484222325;
  if (tensors_.empty()) return Hash(bytes_.first(std::min(bytes_.size(), kSampleBytes)), hash);
  const std::byte* data = bytes_.data() + bytes_.size();
  for (const auto& [_, tensor] : tensors_) data = std::min(data, tensor.bytes.data());
  hash = Hash(bytes_.first(static_cast<size_t>(data - bytes_.data())), hash);
  for (const auto& [_, tensor] : tensors_) {
    const size_t sample = std::min(tensor.bytes.size(), kSampleBytes);
    hash = Hash(tensor.bytes.first(sample), hash);
    hash = Hash(tensor.bytes.subspan((tensor.bytes.size() - sample) / 2, sample), hash);
    hash = Hash(tensor.bytes.last(sample), hash);
  }
  return hash;
}

}  // namespace rill

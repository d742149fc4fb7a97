// Writes GGUF files in memory for tests: well-formed ones, and the raw pieces to make malformed
// ones from.
#pragma once

#include <concepts>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "operators/core/quantize.h"

namespace rill::testing {

class GgufBuilder {
 public:
  void Key(std::string_view key, uint32_t value) { Begin(key, 4), Put(keys_, value); }
  void Key(std::string_view key, float value) { Begin(key, 6), Put(keys_, value); }
  void Key(std::string_view key, std::string_view value) { Begin(key, 8), PutText(keys_, value); }
  // Not of what can be made a bool, as text can.
  void Key(std::string_view key, std::same_as<bool> auto value) {
    Begin(key, 7), Put(keys_, static_cast<uint8_t>(value));
  }
  void Key(std::string_view key, const std::vector<float>& values) {
    Begin(key, 9), Put(keys_, uint32_t{6}), Put(keys_, uint64_t{values.size()});
    for (const float value : values) Put(keys_, value);
  }
  void Key(std::string_view key, const std::vector<int32_t>& values) {
    Begin(key, 9), Put(keys_, uint32_t{5}), Put(keys_, uint64_t{values.size()});
    for (const int32_t value : values) Put(keys_, value);
  }
  void Key(std::string_view key, const std::vector<bool>& values) {
    Begin(key, 9), Put(keys_, uint32_t{7}), Put(keys_, uint64_t{values.size()});
    for (const bool value : values) Put(keys_, static_cast<uint8_t>(value));
  }
  void Key(std::string_view key, const std::vector<std::string>& values) {
    Begin(key, 9), Put(keys_, uint32_t{8}), Put(keys_, uint64_t{values.size()});
    for (const std::string& value : values) PutText(keys_, value);
  }

  // Shape as written in documents, the last index contiguous.
  void Tensor(std::string_view name, std::vector<uint64_t> shape, const std::vector<float>& values,
              TensorType type = TensorType::kF32) {
    PutText(table_, name);
    Put(table_, static_cast<uint32_t>(shape.size()));
    for (size_t i = shape.size(); i-- > 0;) Put(table_, shape[i]);
    Put(table_, static_cast<uint32_t>(type));
    Put(table_, uint64_t{data_.size()});
    const TensorTypeInfo info = *InfoOf(static_cast<uint32_t>(type));
    const size_t at = data_.size();
    data_.resize(at + values.size() / info.block_elements * info.block_bytes);
    FromFloat(type, values, std::span(data_).subspan(at));
    data_.resize((data_.size() + 31) / 32 * 32);
    ++tensors_;
  }

  void Blocks(std::string_view name, std::vector<uint64_t> shape,
              const std::vector<std::byte>& blocks, TensorType type) {
    Tensor(name, std::move(shape), {}, type);
    data_.insert(data_.end(), blocks.begin(), blocks.end());
    data_.resize((data_.size() + 31) / 32 * 32);
  }

  // Data begins at a multiple of `alignment`.
  std::vector<std::byte> Bytes(size_t alignment = 32) const {
    std::vector<std::byte> file;
    for (const char c : std::string_view("GGUF")) file.push_back(static_cast<std::byte>(c));
    Put(file, uint32_t{3}), Put(file, tensors_), Put(file, key_count_);
    file.insert(file.end(), keys_.begin(), keys_.end());
    file.insert(file.end(), table_.begin(), table_.end());
    file.resize((file.size() + alignment - 1) / alignment * alignment);
    file.insert(file.end(), data_.begin(), data_.end());
    return file;
  }

 private:
  template <typename T>
  static void Put(std::vector<std::byte>& to, T value) {
    const size_t at = to.size();
    to.resize(at + sizeof value);
    std::memcpy(to.data() + at, &value, sizeof value);
  }
  static void PutText(std::vector<std::byte>& to, std::string_view text) {
    Put(to, uint64_t{text.size()});
    for (const char c : text) to.push_back(static_cast<std::byte>(c));
  }
  void Begin(std::string_view key, uint32_t kind) {
    PutText(keys_, key), Put(keys_, kind);
    ++key_count_;
  }
  std::vector<std::byte> keys_, table_, data_;
  uint64_t tensors_ = 0, key_count_ = 0;
};

}  // namespace rill::testing

// Takes values off the front of untrusted bytes; every read is checked against what is left.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace rill {

// Each Take returns false, and takes nothing, when fewer bytes are left than it needs.
class Cursor {
 public:
  explicit Cursor(std::span<const std::byte> bytes) : bytes_(bytes) {}

  // A value in the byte order of this machine.
  template <typename T>
  bool Take(T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    std::span<const std::byte> raw;
    if (!Take(sizeof value, raw)) return false;
    std::memcpy(&value, raw.data(), sizeof value);
    return true;
  }
  // So many bytes.
  bool Take(uint64_t count, std::span<const std::byte>& out) {
    if (count > left()) return false;
    out = bytes_.subspan(at_, static_cast<size_t>(count));
    at_ += out.size();
    return true;
  }
  // Text behind its length, a uint64.
  bool Take(std::string_view& text) {
    const size_t start = at_;
    uint64_t length = 0;
    std::span<const std::byte> raw;
    if (!Take(length) || !Take(length, raw)) {
      at_ = start;
      return false;
    }
    text = {reinterpret_cast<const char*>(raw.data()), raw.size()};
    return true;
  }

  size_t at() const { return at_; }  // bytes taken
  size_t left() const { return bytes_.size() - at_; }

 private:
  std::span<const std::byte> bytes_;
  size_t at_ = 0;
};

}  // namespace rill

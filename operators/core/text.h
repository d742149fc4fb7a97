// Words of error messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace rill {

// The first 80 bytes with everything but printable ASCII replaced: text of a hostile file, fit to
// show.
inline std::string Printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 80)) out += c >= ' ' && c <= '~' ? c : '?';
  return out;
}

// "[3, 64]": extents innermost first, written as in documents.
inline std::string Shape(std::span<const uint64_t> innermost_first) {
  std::string out = "[";
  for (size_t i = innermost_first.size(); i-- > 0;)
    out += std::to_string(innermost_first[i]) + (i > 0 ? ", " : "]");
  return out;
}

}  // namespace rill

// Where a text that comes in pieces is to end: before the first of some strings.
//
// What may be the beginning of such a string is held back until it is known. The held text is a
// value that a snapshot keeps.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rill {

class StopStrings {
 public:
  static constexpr size_t kMostBytes = 256;  // of a string

  // Of strings that are not empty and at most kMostBytes long.
  explicit StopStrings(std::vector<std::string> strings) : strings_(std::move(strings)) {}

  // Appends to `text` what can be shown of `held` and `piece`, and keeps the rest in `held`.
  // Whether a stop string came: what is before it is shown then, and nothing is held.
  bool Push(std::string_view piece, std::string& held, std::string& text) const;

 private:
  std::vector<std::string> strings_;
};

}  // namespace rill

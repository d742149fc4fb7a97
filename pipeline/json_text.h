// Pieces of JSON that are written by hand: numbers at their shortest, and any text as UTF-8.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace rill {

// The shortest text that reads back as the same float32; what is not finite becomes null.
void AppendJson(std::string& to, float value);
// An array of such.
void AppendJson(std::string& to, std::span<const float> values);
// A string; a byte that is not UTF-8 becomes U+FFFD.
void AppendJson(std::string& to, std::string_view text);

}  // namespace rill

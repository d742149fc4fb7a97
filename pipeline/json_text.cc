#include "pipeline/json_text.h"

#include <charconv>
#include <cmath>
#include <cstdio>

namespace rill {
namespace {

// Bytes of the UTF-8 character that `text` starts with; 0 when it starts with none.
size_t CharacterBytes(std::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t count = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || count > text.size()) return 0;
  for (size_t i = 1; i < count; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  const unsigned second = byte(1);  // too long a form, surrogates, beyond U+10FFFF
  if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) ||
      (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f))
    return 0;
  return count;
}

}  // namespace

void AppendJson(std::string& to, float value) {
  if (!std::isfinite(value)) {
    to += "null";
    return;
  }
  char text[32];  // a float's shortest form has at most 15 characters
  to.append(text, std::to_chars(text, text + sizeof text, value).ptr);
}

void AppendJson(std::string& to, std::span<const float> values) {
  to += '[';
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) to += ',';
    AppendJson(to, values[i]);
  }
  to += ']';
}

void AppendJson(std::string& to, std::string_view text) {
  to += '"';
  while (!text.empty()) {
    const size_t bytes = CharacterBytes(text);
    const unsigned char first = static_cast<unsigned char>(text[0]);
    if (bytes == 0) {
      to += "\xef\xbf\xbd";  // U+FFFD for a byte that is not text
    } else if (first == '"' || first == '\\') {
      to += '\\';
      to += text[0];
    } else if (first < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(first));
      to += escape;
    } else {
      to += text.substr(0, bytes);
    }
    text.remove_prefix(bytes == 0 ? 1 : bytes);
  }
  to += '"';
}

}  // namespace rill

// UTF-8 that comes in pieces: only whole characters leave.
//
// A token of a byte-level vocabulary may end within a character. What comes out is well-formed
// whatever goes in: bytes that cannot begin or continue a character become U+FFFD, one for each
// longest beginning of a character among them.
//
// Source: The Unicode Standard 15.0, section 3.9, table 3-7 and "U+FFFD Substitution of Maximal
// Subparts".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rill {

// What stands at the front of bytes that are not empty.
struct Utf8Front {
  enum class Kind {
    kWhole,    // a character
    kCutOff,   // all there is, the beginning of a character
    kInvalid,  // what no bytes behind it make a character
  };
  Kind kind = Kind::kWhole;
  size_t bytes = 0;  // of it, 1 to 4
};
Utf8Front ReadUtf8(std::string_view bytes);

// A value of a few bytes: copy it to fork a stream.
class Utf8Stream {
 public:
  Utf8Stream() = default;
  // A stream that has taken so much of a character; none where these bytes begin no character.
  static std::optional<Utf8Stream> Make(std::string_view pending);

  // Appends to `text` the characters that these bytes complete.
  void Push(std::string_view bytes, std::string& text);
  // Appends U+FFFD for what was left of a character, and starts anew.
  void Finish(std::string& text);

  // The beginning of a character that has not left yet, at most 3 bytes.
  std::string_view pending() const { return {pending_.data(), count_}; }
  friend bool operator==(const Utf8Stream&, const Utf8Stream&) = default;

 private:
  std::array<char, 3> pending_{};  // zeros behind its end
  uint8_t count_ = 0;
};

}  // namespace rill

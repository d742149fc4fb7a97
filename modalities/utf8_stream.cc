#include "modalities/utf8_stream.h"

#include <algorithm>

namespace rill {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// Bytes of a character by its first one, and the range its second one must be of.
struct Lead {
  size_t bytes = 0;  // 0: no character begins so
  unsigned char least = 0x80, most = 0xBF;
};

Lead LeadOf(unsigned char byte) {
  if (byte < 0x80) return {1};
  if (byte < 0xC2) return {0};
  if (byte < 0xE0) return {2};
  if (byte == 0xE0) return {3, 0xA0};        // shorter forms exist
  if (byte == 0xED) return {3, 0x80, 0x9F};  // surrogates
  if (byte < 0xF0) return {3};
  if (byte == 0xF0) return {4, 0x90};        // shorter forms exist
  if (byte == 0xF4) return {4, 0x80, 0x8F};  // beyond U+10FFFF
  return {byte < 0xF4 ? size_t{4} : 0};
}

}  // namespace

Utf8Front ReadUtf8(std::string_view bytes) {
  const Lead lead = LeadOf(static_cast<unsigned char>(bytes[0]));
  if (lead.bytes == 0) return {Utf8Front::Kind::kInvalid, 1};
  for (size_t i = 1; i < lead.bytes; ++i) {
    if (i == bytes.size()) return {Utf8Front::Kind::kCutOff, i};
    const auto byte = static_cast<unsigned char>(bytes[i]);
    if (byte < (i == 1 ? lead.least : 0x80) || byte > (i == 1 ? lead.most : 0xBF))
      return {Utf8Front::Kind::kInvalid, i};
  }
  return {Utf8Front::Kind::kWhole, lead.bytes};
}

std::optional<Utf8Stream> Utf8Stream::Make(std::string_view pending) {
  Utf8Stream stream;
  if (pending.empty()) return stream;
  if (ReadUtf8(pending).kind != Utf8Front::Kind::kCutOff) return std::nullopt;
  std::ranges::copy(pending, stream.pending_.begin());
  stream.count_ = static_cast<uint8_t>(pending.size());
  return stream;
}

void Utf8Stream::Push(std::string_view bytes, std::string& text) {
  std::string joined;
  if (count_ > 0) bytes = joined.append(pending()).append(bytes);
  *this = {};
  while (!bytes.empty()) {
    const Utf8Front front = ReadUtf8(bytes);
    if (front.kind == Utf8Front::Kind::kCutOff) {
      *this = *Make(bytes);
      return;
    }
    text += front.kind == Utf8Front::Kind::kWhole ? bytes.substr(0, front.bytes) : kReplacement;
    bytes.remove_prefix(front.bytes);
  }
}

void Utf8Stream::Finish(std::string& text) {
  if (count_ > 0) text += kReplacement;
  *this = {};
}

}  // namespace rill

#include "modalities/cell_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace rill {
namespace {

constexpr std::string_view kMissingWords[] = {"na", "n/a", "nan", "null", "none", "-", "?"};
constexpr size_t kLongestExcerpt = 40;
constexpr size_t kMostNames = 8;

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// The length of the UTF-8 sequence that starts here, 0 when none does.
size_t Utf8Length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  const size_t n = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (n == 0 || lead > 0xF4 || n > text.size()) return 0;
  for (size_t i = 1; i < n; ++i)
    if ((byte(i) & 0xC0) != 0x80) return 0;
  if (lead == 0xE0 && byte(1) < 0xA0) return 0;  // overlong
  if (lead == 0xED && byte(1) > 0x9F) return 0;  // surrogate
  if (lead == 0xF0 && byte(1) < 0x90) return 0;  // overlong
  if (lead == 0xF4 && byte(1) > 0x8F) return 0;  // beyond U+10FFFF
  return n;
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t n = Utf8Length(text);
    if (n == 0) return false;
    text.remove_prefix(n);
  }
  return true;
}

// The whole of `text` as a number with a decimal point.
NumberKind ReadPlain(std::string_view text, double& value) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size() || failure == std::errc::invalid_argument)
    return NumberKind::kNotANumber;
  if (failure != std::errc()) return NumberKind::kOutOfRange;
  if (std::isnan(value)) return NumberKind::kMissing;
  return std::isinf(value) ? NumberKind::kInfinite : NumberKind::kNumber;
}

}  // namespace

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\v\f";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return text.substr(text.size());
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return Lower(x) == Lower(y); });
}

std::string Excerpt(std::string_view text) {
  std::string shown = "\"";
  for (const char c : text.substr(0, kLongestExcerpt)) shown += c >= ' ' && c <= '~' ? c : '?';
  return shown + (text.size() > kLongestExcerpt ? "…\"" : "\"");
}

std::string ToUtf8(std::string_view text) {
  const bool is_utf8 = IsUtf8(text);
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < ' ' || byte == 0x7F) {
      out += '?';
    } else if (byte < 0x80 || is_utf8) {
      out += c;
    } else {
      out += static_cast<char>(0xC0 | byte >> 6);
      out += static_cast<char>(0x80 | (byte & 0x3F));
    }
  }
  return out;
}

std::string ListNames(const std::vector<std::string>& names) {
  std::string list;
  for (size_t i = 0; i < std::min(names.size(), kMostNames); ++i)
    list += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kMostNames)
    list += " and " + std::to_string(names.size() - kMostNames) + " more";
  return list;
}

NumberReader::NumberReader(char decimal, std::vector<std::string> missing)
    : decimal_(decimal), missing_(std::move(missing)) {
  for (const std::string& text : missing_) {
    double value = 0.0;
    if (ReadPlain(Trim(text), value) == NumberKind::kNumber) missing_values_.push_back(value);
  }
}

bool NumberReader::IsMissing(std::string_view text) const {
  if (text.empty()) return true;
  for (const std::string_view word : kMissingWords)
    if (EqualsIgnoringCase(text, word)) return true;
  return std::find(missing_.begin(), missing_.end(), text) != missing_.end();
}

NumberKind NumberReader::Read(std::string_view cell, double& value) const {
  constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
  const std::string_view text = Trim(cell);
  NumberKind kind = NumberKind::kNotANumber;
  if (decimal_ == '.' || text.find(',') == std::string_view::npos) {
    if (decimal_ != ',' || text.find('.') == std::string_view::npos) kind = ReadPlain(text, value);
  } else if (text.find('.') == std::string_view::npos) {
    std::string pointed(text);
    std::replace(pointed.begin(), pointed.end(), ',', '.');
    kind = ReadPlain(pointed, value);
  }
  if (kind == NumberKind::kNumber) {
    for (const double missing : missing_values_)
      if (value == missing) kind = NumberKind::kMissing;
  } else if (kind != NumberKind::kMissing && IsMissing(text)) {
    kind = NumberKind::kMissing;
  }
  if (kind != NumberKind::kNumber) value = kMissing;
  return kind;
}

const char* Complaint(NumberKind kind) {
  switch (kind) {
    case NumberKind::kNotANumber: return "is not a number";
    case NumberKind::kInfinite: return "is infinite";
    case NumberKind::kOutOfRange: return "does not fit in a float64";
    case NumberKind::kMissing: return "is missing";
    case NumberKind::kNumber: break;
  }
  return "is a number";
}

}  // namespace rill

#include "modalities/time_zone.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "modalities/cell_text.h"

namespace rill {
namespace {

constexpr char kDatabase[] = "/usr/share/zoneinfo/";
constexpr size_t kHeaderBytes = 44;         // RFC 8536, section 3.1
constexpr size_t kMostFileBytes = 1 << 16;  // the largest in use has 3,900
constexpr int32_t kMostOffset_s = 26 * 3600;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// A big-endian number of `bytes` bytes, with sign.
int64_t BigEndian(std::string_view file, size_t at, size_t bytes) {
  uint64_t value = static_cast<unsigned char>(file[at]) >= 0x80 ? ~uint64_t{0} : 0;
  for (size_t i = 0; i < bytes; ++i) value = value << 8 | static_cast<unsigned char>(file[at + i]);
  return static_cast<int64_t>(value);
}

// The counts of a TZif header and the bytes of the block behind it.
struct Block {
  Block(std::string_view file, size_t header, size_t time_bytes) {
    const auto count = [&](size_t i) {
      return static_cast<size_t>(BigEndian(file, header + 20 + 4 * i, 4)) & 0xFFFFFFFFu;
    };
    changes = count(3);
    types = count(4);
    bytes = changes * (time_bytes + 1) + types * 6 + count(5) + count(2) * (time_bytes + 4) +
            count(1) + count(0);
    begin = header + kHeaderBytes;
  }
  size_t changes, types, bytes, begin;
};

}  // namespace

Offset ReadOffset(std::string_view text) {
  if (!text.empty() && (text[0] == 'Z' || text[0] == 'z')) return {0, 1};
  if (text.size() < 2 || (text[0] != '+' && text[0] != '-') || !IsDigit(text[1])) return {};
  size_t at = 1;
  const auto two_digits = [&](size_t least) -> int32_t {
    int32_t value = 0;
    size_t n = 0;
    for (; n < 2 && at + n < text.size() && IsDigit(text[at + n]); ++n)
      value = value * 10 + (text[at + n] - '0');
    if (n < least) return -1;
    at += n;
    return value;
  };
  const int32_t hours = two_digits(1);
  int32_t minutes = 0;
  const size_t after_hours = at;
  if (at < text.size() && text[at] == ':') ++at;
  if (at < text.size() && IsDigit(text[at])) {
    minutes = two_digits(2);
  } else {
    at = after_hours;
  }
  if (hours > 18 || minutes < 0 || minutes > 59) return {};
  const int32_t seconds = hours * 3600 + minutes * 60;
  return {text[0] == '-' ? -seconds : seconds, at};
}

Result<TimeZone> TimeZone::Make(std::string_view name) {
  TimeZone zone;
  if (name.empty() || EqualsIgnoringCase(name, "utc") || EqualsIgnoringCase(name, "gmt"))
    return zone;
  const Offset offset = ReadOffset(name);
  if (offset.length == name.size()) {
    zone.first_offset_s_ = offset.seconds;
    return zone;
  }
  const bool safe = std::all_of(name.begin(), name.end(), [](char c) {
    return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '/' || c == '_' ||
           c == '-' || c == '+';
  });
  if (!safe || name[0] == '/')
    return Error{"timezone " + Excerpt(name) +
                 " is neither an offset such as +02:00 nor a name such as Europe/Rome"};
  return Load(std::string(name));
}

Result<TimeZone> TimeZone::Load(const std::string& name) {
  std::ifstream stream(kDatabase + name, std::ios::binary);
  std::string file(kMostFileBytes, '\0');
  stream.read(file.data(), static_cast<std::streamsize>(file.size()));
  file.resize(static_cast<size_t>(std::max<std::streamsize>(stream.gcount(), 0)));
  if (file.empty())
    return Error{"timezone " + Excerpt(name) + " is not in " + kDatabase +
                 ": give an offset such as +02:00"};
  const Error broken{kDatabase + name + " is not a time zone file of version 2"};
  if (file.size() < 2 * kHeaderBytes || file.compare(0, 4, "TZif") != 0 || file[4] < '2')
    return broken;
  const Block old(file, 0, 4);  // 32-bit times: skipped
  if (old.bytes > file.size() - 2 * kHeaderBytes) return broken;
  const Block block(file, kHeaderBytes + old.bytes, 8);
  if (block.types == 0 || block.begin > file.size() || block.bytes > file.size() - block.begin)
    return broken;
  const size_t indices = block.begin + block.changes * 8;
  const size_t types = indices + block.changes;
  TimeZone zone;
  zone.first_offset_s_ = static_cast<int32_t>(BigEndian(file, types, 4));
  for (size_t i = 0; i < block.changes; ++i) {
    const size_t type = static_cast<unsigned char>(file[indices + i]);
    if (type >= block.types) return broken;
    const int64_t offset_s = BigEndian(file, types + 6 * type, 4);
    if (offset_s < -kMostOffset_s || offset_s > kMostOffset_s) return broken;
    zone.changes_.push_back(
        {BigEndian(file, block.begin + 8 * i, 8), static_cast<int32_t>(offset_s)});
  }
  return zone;
}

int64_t TimeZone::ToUtc(int64_t local_s) const {
  // The first period whose end, on its own clock, is later than the local time.
  int32_t offset_s = first_offset_s_;
  size_t i = 0;
  if (changes_.size() > 4)  // skip what is certainly past
    i = static_cast<size_t>(std::partition_point(changes_.begin(), changes_.end(),
                                                 [&](const Change& change) {
                                                   return change.utc_s <
                                                          local_s - 2 * kMostOffset_s;
                                                 }) -
                            changes_.begin());
  if (i > 0) offset_s = changes_[i - 1].offset_s;
  for (; i < changes_.size(); ++i) {
    if (local_s - offset_s < changes_[i].utc_s) break;              // still before the change
    if (local_s - changes_[i].offset_s < changes_[i].utc_s) break;  // left out by it
    offset_s = changes_[i].offset_s;
  }
  return local_s - offset_s;
}

}  // namespace rill

#include "modalities/token_index.h"

#include <algorithm>
#include <cassert>

#include "modalities/sorted_ranges.h"

namespace rill {
namespace {

uint64_t Head(std::string_view bytes) {
  uint64_t head = 0;
  for (size_t i = 0; i < sizeof head; ++i)
    head = head << 8 | (i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0);
  return head;
}

}  // namespace

void TokenIndex::Add(std::string_view bytes, int32_t id) {
  assert(!bytes.empty());
  entries_.push_back({Head(bytes), bytes.data(), static_cast<uint32_t>(bytes.size()), id});
  begins_[static_cast<unsigned char>(bytes[0])] = true;
}

std::optional<std::pair<int32_t, int32_t>> TokenIndex::Sort() {
  std::ranges::sort(entries_, [](const Entry& a, const Entry& b) {
    if (a.head == b.head && a.bytes() == b.bytes()) return a.id < b.id;
    return a.Before(b.head, b.bytes());
  });
  const auto same = [](const Entry& a, const Entry& b) { return a.bytes() == b.bytes(); };
  const auto twice = std::ranges::adjacent_find(entries_, same);
  if (twice == entries_.end()) return std::nullopt;
  const std::pair<int32_t, int32_t> ids(twice->id, (twice + 1)->id);
  entries_.erase(std::unique(entries_.begin(), entries_.end(), same), entries_.end());
  return ids;
}

std::optional<int32_t> TokenIndex::Find(std::string_view bytes) const {
  const uint64_t head = Head(bytes);
  const auto found =
      std::partition_point(entries_.begin(), entries_.end(),
                           [&](const Entry& entry) { return entry.Before(head, bytes); });
  if (found == entries_.end() || found->bytes() != bytes) return std::nullopt;
  return found->id;
}

TokenIndex::Match TokenIndex::FindFirst(std::string_view text) const {
  for (size_t at = 0; at < text.size(); ++at) {
    if (!begins_[static_cast<unsigned char>(text[at])]) continue;
    const Match longest = Longest(text.substr(at));
    if (longest.bytes > 0) return {at, longest.bytes, longest.id};
  }
  return {.at = text.size()};
}

TokenIndex::Match TokenIndex::Longest(std::string_view text) const {
  const auto letter_at = [&](uint32_t entry, uint32_t k) {
    const std::string_view bytes = entries_[entry].bytes();
    return k < bytes.size() ? static_cast<unsigned char>(bytes[k]) : -1;
  };
  Match longest;
  PrefixRange range{0, static_cast<uint32_t>(entries_.size()), 0};
  for (const char c : text) {
    range = Narrow(range, static_cast<unsigned char>(c), letter_at);
    if (range.empty()) break;
    // The token that ends here is the first of those that begin so.
    const Entry& first = entries_[range.first];
    if (first.count == range.letters) longest = {0, range.letters, first.id};
  }
  return longest;
}

}  // namespace rill

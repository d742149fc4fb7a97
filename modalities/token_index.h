// Finds tokens by their bytes: a whole one, or the first in a text.
//
// Sorted, not hashed: no file can make it slow, and it is the same on every machine.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace rill {

class TokenIndex {
 public:
  // The bytes, of which there are some, must outlive the index.
  void Add(std::string_view bytes, int32_t id);
  // After the last Add, before any search. Of tokens with the same bytes only that of the lowest id
  // is found; these are two of them.
  std::optional<std::pair<int32_t, int32_t>> Sort();

  std::optional<int32_t> Find(std::string_view bytes) const;

  // Where a text has its first token, the longest of those that begin there: bytes [at, at + bytes)
  // of it. Without one, `at` is its end and `bytes` 0. Time grows with the length of the text times
  // that of the longest token.
  struct Match {
    size_t at = 0, bytes = 0;
    int32_t id = 0;
  };
  Match FindFirst(std::string_view text) const;

 private:
  struct Entry {
    uint64_t head = 0;  // the first eight bytes as a number that sorts as they do
    const char* data = nullptr;
    uint32_t count = 0;
    int32_t id = 0;

    std::string_view bytes() const { return {data, count}; }
    bool Before(uint64_t other_head, std::string_view other) const {
      return head != other_head ? head < other_head : bytes() < other;
    }
  };
  // The longest token the text begins with; its number of bytes is 0 where there is none.
  Match Longest(std::string_view text) const;

  std::vector<Entry> entries_;
  std::array<bool, 256> begins_{};  // a token begins with this byte
};

}  // namespace rill

// Whether a row's time can follow that of the row before it.
//
// Time does not go back. With a longest gap, a single stamp from the far future is refused too: had
// it been taken, every row until that future would be late. A real pause of that length shows in
// the next row, which follows the refused one within the gap and is taken. The first stamp of a
// stream has nothing to be compared with.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace rill {

class TimeOrder {
 public:
  // 0: a gap may have any length.
  explicit TimeOrder(int64_t longest_gap_ns) : longest_gap_ns_(longest_gap_ns) {}

  // Takes the time; or says why it is refused.
  std::optional<std::string> Refuse(int64_t unix_ns);
  // Any time may come next.
  void Reset() { last_ns_ = doubtful_ns_ = std::nullopt; }

 private:
  // Whether the later time is further from the earlier one than the longest gap.
  bool IsFar(int64_t earlier_ns, int64_t later_ns) const;

  int64_t longest_gap_ns_;
  std::optional<int64_t> last_ns_;
  std::optional<int64_t> doubtful_ns_;  // refused as too far, since the last row taken
};

}  // namespace rill

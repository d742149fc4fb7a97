#include "modalities/word_gate.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>

#include "modalities/ctc_word.h"

namespace rill {

bool WordGate::Opens(const std::vector<DecodedWord>& words) const {
  return std::ranges::any_of(
      words, [this](const DecodedWord& word) { return word.confidence >= min_confidence_; });
}

std::vector<DecodedWord> WordGate::Pass(std::vector<DecodedWord> words) {
  open_ = open_ || Opens(words);
  if (open_ && held_.empty()) return words;
  held_.insert(held_.end(), std::move_iterator(words.begin()), std::move_iterator(words.end()));
  return open_ ? std::exchange(held_, {}) : std::vector<DecodedWord>();
}

bool WordGate::Shows(const std::vector<DecodedWord>& partial) const {
  return open_ || Opens(partial);
}

bool WordGate::End() {
  held_.clear();
  return std::exchange(open_, false);
}

void WordGate::Save(std::vector<std::byte>& to) const {
  PutBytes(to, static_cast<uint8_t>(open_));
  PutBytes(to, held_);
}

bool WordGate::Restore(Cursor& cursor) {
  uint8_t open = 0;
  std::vector<DecodedWord> held;
  if (!cursor.Take(open) || open > 1 || !TakeSound(cursor, held) || (open == 1 && !held.empty()))
    return false;
  open_ = open == 1;
  held_ = std::move(held);
  return true;
}

}  // namespace rill

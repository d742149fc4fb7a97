#include "modalities/ctc_word.h"

namespace rill {

void PutBytes(std::vector<std::byte>& to, const SpelledWord& word) {
  PutBytes(to, word.count);
  const auto letters = std::as_bytes(std::span(word.text()));
  to.insert(to.end(), letters.begin(), letters.end());
}

void PutBytes(std::vector<std::byte>& to, const WordTrace& trace) {
  PutBytes(to, trace.first_frame);
  PutBytes(to, trace.last_frame);
  PutBytes(to, trace.pieces);
  PutBytes(to, trace.earlier);
  PutBytes(to, trace.last);
}

void PutBytes(std::vector<std::byte>& to, const std::vector<DecodedWord>& words) {
  PutBytes(to, static_cast<uint64_t>(words.size()));
  for (const DecodedWord& word : words) {
    SpelledWord spelled;
    for (const char letter : word.text) spelled.Append(letter);
    PutBytes(to, spelled);
    PutBytes(to, word.first_frame);
    PutBytes(to, word.last_frame);
    PutBytes(to, word.confidence);
  }
}

bool TakeFrame(Cursor& cursor, int64_t& frame) {
  constexpr int64_t kMost = int64_t{1} << 48;  // so that the samples before it can be counted
  return cursor.Take(frame) && frame >= -1 && frame <= kMost;
}

bool TakeSound(Cursor& cursor, SpelledWord& word) {
  std::span<const std::byte> letters;
  word = {};
  uint8_t count = 0;
  if (!cursor.Take(count) || count > word.letters.size() || !cursor.Take(count, letters))
    return false;
  for (const std::byte letter : letters) word.Append(static_cast<char>(letter));
  return true;
}

bool TakeSound(Cursor& cursor, WordTrace& trace) {
  return TakeFrame(cursor, trace.first_frame) && TakeFrame(cursor, trace.last_frame) &&
         trace.first_frame <= trace.last_frame && cursor.Take(trace.pieces) &&
         cursor.Take(trace.earlier) && cursor.Take(trace.last) && std::isfinite(trace.earlier) &&
         std::isfinite(trace.last) && trace.earlier <= 0 && trace.last <= 0;
}

bool TakeSound(Cursor& cursor, std::vector<DecodedWord>& words) {
  uint64_t count = 0;
  if (!cursor.Take(count) || count > cursor.left()) return false;
  words.clear();
  for (uint64_t i = 0; i < count; ++i) {
    SpelledWord spelled;
    DecodedWord word;
    if (!TakeSound(cursor, spelled) || spelled.empty() ||
        !std::ranges::all_of(spelled.text(), IsLetter) || !TakeFrame(cursor, word.first_frame) ||
        !TakeFrame(cursor, word.last_frame) || word.first_frame > word.last_frame ||
        !cursor.Take(word.confidence) || !(word.confidence >= 0 && word.confidence <= 1))
      return false;
    word.text = spelled.text();
    words.push_back(std::move(word));
  }
  return true;
}

}  // namespace rill

// What the CTC decoders have in common: a word that is being spelled, and states as bytes.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>

#include "modalities/ctc_decoder.h"
#include "operators/core/cursor.h"

namespace rill {

inline bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || c == '\''; }

// The letters of a word, or its phones.
struct SpelledWord {
  std::array<char, CtcPieces::kMostLetters> letters{};
  uint8_t count = 0;

  std::string_view text() const { return {letters.data(), count}; }
  bool empty() const { return count == 0; }
  bool Fits(std::string_view more) const { return count + more.size() <= letters.size(); }
  void Append(char letter) { letters[count++] = letter; }
};

// When the pieces of a word were emitted and how likely they were.
struct WordTrace {
  int64_t first_frame = 0, last_frame = 0;
  uint32_t pieces = 0;
  float earlier = 0;  // sum of the best log posteriors of all pieces but the last
  float last = 0;     // best log posterior of the last piece

  void Begin(int64_t frame, float log_prob) { *this = {frame, frame, 1, 0, log_prob}; }
  void Add(int64_t frame, float log_prob) {
    *this = {first_frame, frame, pieces + 1, earlier + last, log_prob};
  }
  // The last piece goes on.
  void Hold(int64_t frame, float log_prob) {
    last_frame = frame;
    last = std::max(last, log_prob);
  }
  DecodedWord Word(std::string_view text) const {
    const float mean = (earlier + last) / static_cast<float>(std::max(pieces, 1u));
    return {std::string(text), first_frame, last_frame, std::exp(std::min(mean, 0.0f))};
  }
};

// Log posteriors from outside, made to be numbers: at least -100, at most 0.
inline float SoundLog(float log_prob) {
  constexpr float kLeast = -100;  // exp of it is still a float32
  return log_prob > kLeast ? std::min(log_prob, 0.0f) : kLeast;
}

template <typename T>
void PutBytes(std::vector<std::byte>& to, const T& value) {
  static_assert(std::has_unique_object_representations_v<T> || std::is_floating_point_v<T>);
  const auto bytes = std::as_bytes(std::span(&value, 1));
  to.insert(to.end(), bytes.begin(), bytes.end());
}
void PutBytes(std::vector<std::byte>& to, const SpelledWord& word);
void PutBytes(std::vector<std::byte>& to, const WordTrace& trace);
void PutBytes(std::vector<std::byte>& to, const std::vector<DecodedWord>& words);

// False for what no decoder can have written; what the letters of a spelled word may be is not
// asked. Frames lie within 2^60, so that differences do not overflow.
bool TakeFrame(Cursor& cursor, int64_t& frame);
bool TakeSound(Cursor& cursor, SpelledWord& word);
bool TakeSound(Cursor& cursor, WordTrace& trace);
bool TakeSound(Cursor& cursor, std::vector<DecodedWord>& words);

}  // namespace rill

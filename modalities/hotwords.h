// Words and phrases that a decoder should expect, matched letter by letter.
//
// A phrase " new york " is a path through an automaton; while letters match, the part of its boost
// that they are of the phrase is credited, and taken back when the match fails. Where several
// phrases share letters the largest credit counts. A phrase found keeps its whole boost, and so
// does another one found inside it.
//
// Source: Aho & Corasick 1975, "Efficient string matching".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "operators/core/result.h"

namespace rill {

struct Hotword {
  std::string text;  // a-z and apostrophes, words apart by single spaces
  float boost = 0;   // nats added to the log posterior of a text for each time it is there
};

// Phrases between commas, in any case and with any spaces: "Rill, New  York".
std::vector<Hotword> ParseHotwords(std::string_view list, float boost);

// Immutable after construction. Node 0 has matched nothing.
class Hotwords {
 public:
  Hotwords() : Hotwords(std::vector<Node>(1)) {}
  // At most 65,536 letters together, boosts in (0, 100].
  static Result<Hotwords> Make(std::span<const Hotword> phrases);

  struct Move {
    uint32_t node = 0;
    float credit = 0;  // nats, negative when a match fails
  };
  // On a letter, or the space that is before a word and behind the last.
  Move Step(uint32_t node, char letter) const { return moves_[node][Symbol(letter)]; }
  // What is left when nothing comes any more, relative to now; at most 0 but for phrases that end
  // inside one found.
  float Settle(uint32_t node) const { return settle_[node]; }
  // Letters and spaces of the match.
  uint32_t depth(uint32_t node) const { return depth_[node]; }
  size_t nodes() const { return moves_.size(); }
  bool empty() const { return nodes() == 1; }
  float most_credit() const { return most_credit_; }  // of one step
  uint64_t fingerprint() const { return fingerprint_; }

 private:
  static constexpr size_t kSymbols = 28;  // space, apostrophe, a-z
  static size_t Symbol(char letter) {
    return letter == ' ' ? 0 : letter == '\'' ? 1 : static_cast<size_t>(letter - 'a') + 2;
  }

  struct Node {
    std::array<uint32_t, kSymbols> children{};  // 0 is none
    float credit = 0;                           // nats while the match stands here
    float kept = 0;                             // of it, what stays when the match fails
    uint32_t depth = 0;
  };
  explicit Hotwords(const std::vector<Node>& nodes);

  std::vector<std::array<Move, kSymbols>> moves_;
  std::vector<float> settle_;
  std::vector<uint32_t> depth_;
  float most_credit_ = 0;
  uint64_t fingerprint_;
};

}  // namespace rill

// Splits text where no token may cross: into words, numbers, signs and blanks.
//
// Goals: every byte of any input lands in exactly one piece, whether it is UTF-8 or not; time grows
// with the length of the text alone; a regular expression that gives up is an error, never another
// split.
//
// Each piece is the first alternative that fits, and the longest it can be:
//
//   '(?i:[sdmt]|ll|ve|re)              an English contraction
//   [^\r\n\p{L}\p{N}]?\p{L}+           letters, with a blank or a sign before them
//   \p{N}{1,3}                         digits in threes
//   \x20?[^\s\p{L}\p{N}]+[\r\n]*       signs, with a blank before and line ends behind them
//   \s*[\r\n]                          blanks up to the last line end among them
//   \s+(?!\S)                          blanks but the last, which goes to what follows
//   \s
//
// A byte that is part of no UTF-8 character is a piece of its own; nothing looks across it.
//
// Source: the split of LiquidAI/LFM2's tokenizer.json; llama.cpp makes the same pieces for
// tokenizer.ggml.pre = lfm2 (src/unicode.cpp), where the text is UTF-8.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "operators/core/result.h"

namespace rill {

// Immutable after construction; any number of threads may share one.
class PreTokenizer {
 public:
  // How the expression runs: as machine code where the system allows that, or interpreted.
  enum class Matching { kCompiled, kInterpreted };
  static Result<PreTokenizer> Make(Matching matching = Matching::kCompiled);

  // Calls `take` with the pieces of a text, in order; none is empty.
  Result<void> Split(std::string_view text,
                     const std::function<void(std::string_view)>& take) const;

 private:
  struct Expression;  // PCRE2's
  explicit PreTokenizer(std::shared_ptr<const Expression> expression)
      : expression_(std::move(expression)) {}

  std::shared_ptr<const Expression> expression_;
};

}  // namespace rill

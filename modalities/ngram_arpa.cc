// The ARPA form of a language model:
//
//   \data\            ngram N=COUNT          a line for each length N, from 1
//   \N-grams:         LOG10 WORD ... BACKOFF a line for each gram, fields apart by spaces or tabs;
//                                            the back-off, also log10, may be left out
//   \end\             .
#include <algorithm>
#include <charconv>
#include <cmath>
#include <numbers>
#include <numeric>
#include <optional>
#include <unordered_map>

#include "modalities/ngram_tables.h"
#include "operators/core/text.h"

namespace rill {
namespace {

constexpr float kUnknown = -7;    // log10, what SRILM and KenLM give words they do not know
constexpr float kLargest = 1000;  // of a logarithm; -99 is the custom for none

struct Gram {
  uint32_t parent = 0, word = 0;  // of an entry of level 0 the word is an index of `texts_`
  float log_prob = 0, back_off = 0;
  uint64_t line = 0;
};

class ArpaReader {
 public:
  ArpaReader(std::string_view text, const std::string& name) : left_(text), name_(name) {}

  Result<NgramTables> Read() {
    if (!NextLine() || fields_[0] != "\\data\\")
      return Complain("neither \\data\\ of an ARPA file nor " + std::string(kNgramMagic));
    if (const Result<void> counts = ReadCounts(); !counts) return counts.error();
    for (size_t n = 0; n < counts_.size(); ++n)
      if (const Result<void> level = ReadLevel(n); !level) return level.error();
    if (fields_.empty() || fields_[0] != "\\end\\") return Complain("\\end\\ is missing");
    return std::move(tables_);
  }

 private:
  // Splits the next line that is not empty into at most order + 3 fields; false at the end.
  bool NextLine() {
    fields_.clear();
    while (!left_.empty() && fields_.empty()) {
      const size_t end = std::min(left_.find('\n'), left_.size());
      std::string_view line = left_.substr(0, end);
      left_.remove_prefix(std::min(end + 1, left_.size()));
      ++line_;
      constexpr std::string_view kSpace = " \t\r";
      while (fields_.size() < NgramTables::kMostOrder + 3) {
        const size_t begin = line.find_first_not_of(kSpace);
        if (begin == line.npos) break;
        line.remove_prefix(begin);
        fields_.push_back(line.substr(0, line.find_first_of(kSpace)));
        line.remove_prefix(fields_.back().size());
      }
    }
    return !fields_.empty();
  }

  Error Complain(const std::string& what, uint64_t line = 0) const {
    return Error{name_ + ": line " + std::to_string(line > 0 ? line : line_) + ": " + what};
  }

  Result<void> ReadCounts() {
    uint64_t sum = 0;
    while (NextLine() && fields_[0] == "ngram") {
      // "ngram 1=20", some write "ngram 1 = 20".
      std::string entry;
      for (size_t i = 1; i < fields_.size(); ++i) entry += fields_[i].substr(0, 20);
      const std::string start = std::to_string(counts_.size() + 1) + "=";
      uint64_t count = 0;
      const char* const end = entry.data() + entry.size();
      const char* const digits = entry.data() + std::min(start.size(), entry.size());
      const auto [stop, error] = std::from_chars(digits, end, count);
      if (!entry.starts_with(start) || error != std::errc() || stop != end)
        return Complain("\"" + start + "COUNT\" is expected after ngram, not \"" +
                        Printable(entry) + "\"");
      if (counts_.size() == NgramTables::kMostOrder)
        return Complain("grams of more than " + std::to_string(NgramTables::kMostOrder) +
                        " words are not read");
      sum += std::min<uint64_t>(count, NgramTables::kMostGrams + 1);
      if (sum > NgramTables::kMostGrams)
        return Complain("more than " + std::to_string(NgramTables::kMostGrams) + " grams");
      counts_.push_back(static_cast<size_t>(count));
    }
    if (counts_.empty()) return Complain("\"ngram 1=COUNT\" is missing");
    return {};
  }

  // The section of grams of n + 1 words; ends at the first line of the next.
  Result<void> ReadLevel(size_t n) {
    const std::string head = "\\" + std::to_string(n + 1) + "-grams:";
    if (fields_.empty() || fields_[0] != head) return Complain(head + " is missing");
    std::vector<Gram> grams;
    while (NextLine() && fields_[0][0] != '\\') {
      if (grams.size() == counts_[n])
        return Complain("more than the " + std::to_string(counts_[n]) + " grams of " +
                        std::to_string(n + 1) + " words");
      const Result<Gram> gram = ReadGram(n);
      if (!gram) return gram.error();
      grams.push_back(*gram);
    }
    if (grams.size() != counts_[n])
      return Complain(std::to_string(grams.size()) + " grams of " + std::to_string(n + 1) +
                      " words, " + std::to_string(counts_[n]) + " were announced");
    return n == 0 ? AddWords(std::move(grams)) : AddGrams(n, std::move(grams));
  }

  std::optional<float> Number(std::string_view field, float most) const {
    float value = 0;
    const char* const end = field.data() + field.size();
    const auto [stop, error] = std::from_chars(field.data(), end, value);
    if (error != std::errc() || stop != end || !(value >= -kLargest && value <= most))
      return std::nullopt;
    return value * std::numbers::ln10_v<float>;
  }

  Result<Gram> ReadGram(size_t n) {
    const bool last = n + 1 == counts_.size();
    if (fields_.size() < n + 2 || fields_.size() > n + (last ? 2 : 3))
      return Complain("a log probability, " + std::to_string(n + 1) + " words" +
                      (last ? "" : " and perhaps a back-off") + " are expected");
    Gram gram;
    gram.line = line_;
    const std::optional<float> log_prob = Number(fields_[0], 0);
    if (!log_prob)
      return Complain("log probability \"" + Printable(fields_[0]) + "\" is no number up to 0");
    gram.log_prob = *log_prob;
    if (fields_.size() == n + 3) {
      const std::optional<float> back_off = Number(fields_[n + 2], kLargest);
      if (!back_off) return Complain("back-off \"" + Printable(fields_[n + 2]) + "\" is no number");
      gram.back_off = *back_off;
    }
    if (n == 0) {
      if (fields_[1].size() > NgramTables::kMostWordBytes)
        return Complain("a word of " + std::to_string(fields_[1].size()) + " bytes");
      gram.word = static_cast<uint32_t>(texts_.size());
      texts_.push_back(fields_[1]);
      return gram;
    }
    for (size_t k = 0; k <= n; ++k) {
      const auto found = ids_.find(fields_[k + 1]);
      if (found == ids_.end())
        return Complain("\"" + Printable(fields_[k + 1]) + "\" is not among the 1-grams");
      gram.word = found->second;
      if (k < n) gram.parent = k == 0 ? gram.word : tables_.Child(k - 1, gram.parent, gram.word);
      if (gram.parent == NgramTables::kNone)
        return Complain("the first " + std::to_string(k + 1) + " words are no gram themselves");
    }
    return gram;
  }

  Result<void> AddWords(std::vector<Gram> grams) {
    if (std::ranges::find(texts_, "<unk>") == texts_.end()) {
      grams.push_back({0, static_cast<uint32_t>(texts_.size()),
                       kUnknown * std::numbers::ln10_v<float>, 0, line_});
      texts_.push_back("<unk>");
    }
    std::ranges::sort(grams, [&](const Gram& a, const Gram& b) {
      return std::pair(texts_[a.word], a.line) < std::pair(texts_[b.word], b.line);
    });
    NgramTables::Level& level = tables_.levels.emplace_back();
    tables_.starts.push_back(0);
    for (const Gram& gram : grams) {
      const std::string_view word = texts_[gram.word];
      if (!ids_.emplace(word, static_cast<uint32_t>(ids_.size())).second)
        return Complain("\"" + Printable(word) + "\" is there twice", gram.line);
      tables_.letters += word;
      tables_.starts.push_back(static_cast<uint32_t>(tables_.letters.size()));
      level.log_prob.push_back(gram.log_prob);
      if (counts_.size() > 1) level.back_off.push_back(gram.back_off);
    }
    return {};
  }

  Result<void> AddGrams(size_t n, std::vector<Gram> grams) {
    std::ranges::sort(grams, [](const Gram& a, const Gram& b) {
      return std::tuple(a.parent, a.word, a.line) < std::tuple(b.parent, b.word, b.line);
    });
    NgramTables::Level level;
    std::vector<uint32_t>& first = tables_.levels.back().first;
    first.assign(tables_.levels.back().size() + 1, 0);
    for (size_t i = 0; i < grams.size(); ++i) {
      const Gram& gram = grams[i];
      if (i > 0 && gram.parent == grams[i - 1].parent && gram.word == grams[i - 1].word)
        return Complain("the gram is there twice", gram.line);
      ++first[gram.parent + 1];
      level.words.push_back(gram.word);
      level.log_prob.push_back(gram.log_prob);
      if (n + 1 < counts_.size()) level.back_off.push_back(gram.back_off);
    }
    std::partial_sum(first.begin(), first.end(), first.begin());
    tables_.levels.push_back(std::move(level));
    return {};
  }

  std::string_view left_;
  const std::string& name_;
  uint64_t line_ = 0;
  std::vector<std::string_view> fields_;  // of the line
  std::vector<size_t> counts_;
  std::vector<std::string_view> texts_;  // words in the file's order
  std::unordered_map<std::string_view, uint32_t> ids_;
  NgramTables tables_;
};

}  // namespace

Result<NgramTables> ReadArpa(std::string_view text, const std::string& name) {
  return ArpaReader(text, name).Read();
}

}  // namespace rill

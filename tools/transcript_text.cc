#include "tools/transcript_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace rill {
namespace {

std::string Join(const std::vector<CaptionWord>& words) {
  std::string text;
  for (const CaptionWord& word : words) text += (text.empty() ? "" : " ") + word.text;
  return text;
}

double Milliseconds(double seconds) { return std::round(seconds * 1000) / 1000; }

// How many lines of that many letters the words take, greedily.
std::vector<std::string> Wrap(const std::vector<CaptionWord>& words, size_t letters) {
  std::vector<std::string> lines;
  for (const CaptionWord& word : words) {
    if (lines.empty() || lines.back().size() + 1 + word.text.size() > letters)
      lines.push_back(word.text);
    else
      lines.back() += " " + word.text;
  }
  return lines;
}

// The same number of lines, as even as can be.
std::vector<std::string> Balanced(const std::vector<CaptionWord>& words, size_t letters) {
  std::vector<std::string> lines = Wrap(words, letters);
  for (size_t shorter = letters; lines.size() > 1 && shorter > 1; --shorter) {
    std::vector<std::string> even = Wrap(words, shorter);
    if (even.size() > lines.size()) break;
    lines = std::move(even);
  }
  return lines;
}

}  // namespace

std::string CaptionTime(double seconds, char point) {
  const int64_t all = std::llround(seconds * 1000);
  return fmt::format("{:02}:{:02}:{:02}{}{:03}", all / 3'600'000, all / 60'000 % 60,
                     all / 1000 % 60, point, all % 1000);
}

std::vector<Caption> Captions(const std::vector<CaptionWord>& words, const CaptionRules& rules) {
  std::vector<std::vector<CaptionWord>> groups;
  for (const CaptionWord& word : words) {
    bool fits = !groups.empty();
    if (fits) {
      std::vector<CaptionWord> longer = groups.back();
      fits = word.start - longer.back().end < rules.pause_s &&
             word.end - longer.front().start <= rules.longest_s;
      longer.push_back(word);
      fits = fits && Wrap(longer, rules.line_letters).size() <= rules.lines;
    }
    if (!fits) groups.emplace_back();
    groups.back().push_back(word);
  }
  std::vector<Caption> captions;
  for (size_t i = 0; i < groups.size(); ++i) {
    const double start = groups[i].front().start, end = groups[i].back().end;
    // What comes after the last one is not known yet.
    const double free = i + 1 < groups.size() ? groups[i + 1].front().start : end + rules.linger_s;
    captions.push_back({start, std::max(end, std::min(free, start + rules.shortest_s)),
                        Balanced(groups[i], rules.line_letters)});
  }
  return captions;
}

std::string TranscriptWriter::Header() const {
  return format_ == TranscriptFormat::kVtt ? "WEBVTT\n\n" : "";
}

std::string TranscriptWriter::Utterance(const std::vector<CaptionWord>& words) {
  if (words.empty()) return "";
  const double start = words.front().start, end = words.back().end;
  switch (format_) {
    case TranscriptFormat::kText: return Join(words) + "\n";
    case TranscriptFormat::kTsv:
      return fmt::format("{}\t{:.3f}\t{:.3f}\t{}\n", file_, start, end, Join(words));
    case TranscriptFormat::kJson: {
      nlohmann::ordered_json json = {{"file", file_},
                                     {"start", Milliseconds(start)},
                                     {"end", Milliseconds(end)},
                                     {"text", Join(words)},
                                     {"words", nlohmann::ordered_json::array()}};
      for (const CaptionWord& word : words)
        json["words"].push_back(
            {{"word", word.text},
             {"start", Milliseconds(word.start)},
             {"end", Milliseconds(word.end)},
             {"confidence", Milliseconds(static_cast<double>(word.confidence))}});
      // A file name need not be UTF-8.
      return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    }
    case TranscriptFormat::kSrt:
    case TranscriptFormat::kVtt: break;
  }
  const bool srt = format_ == TranscriptFormat::kSrt;
  std::string text;
  for (const Caption& caption : Captions(words, {})) {
    if (srt) text += fmt::format("{}\n", ++captions_);
    text += fmt::format("{} --> {}\n{}\n\n", CaptionTime(caption.start, srt ? ',' : '.'),
                        CaptionTime(caption.end, srt ? ',' : '.'), fmt::join(caption.lines, "\n"));
  }
  return text;
}

}  // namespace rill

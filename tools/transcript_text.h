// A transcript as text, JSON, SRT, WebVTT or TSV.
//
//   text   a line an utterance
//   json   a line an utterance: {"file", "start", "end", "text", "words": [{"word", "start", "end",
//          "confidence"}]}, times in seconds
//   srt, vtt   captions of at most two lines
//   tsv    file, start, end, text; times in seconds
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/transcribe_stage.h"

namespace rill {

enum class TranscriptFormat { kText, kJson, kSrt, kVtt, kTsv };

// Words of an utterance or a caption; times in seconds.
struct CaptionWord {
  std::string text;
  double start = 0, end = 0;
  float confidence = 0;
};

// What a reader takes in at a glance: as broadcasters have it.
struct CaptionRules {
  size_t line_letters = 42, lines = 2;
  double longest_s = 6, shortest_s = 1;
  double linger_s = 0.2;  // how long the last caption of an utterance stays at most to be read
  double pause_s = 0.5;   // a silence that ends a caption
};

struct Caption {
  double start = 0, end = 0;
  std::vector<std::string> lines;
};

// Cuts an utterance into captions, which do not overlap; each stays for `shortest_s` if the next
// one leaves time.
std::vector<Caption> Captions(const std::vector<CaptionWord>& words, const CaptionRules& rules);

// Writes one transcript; each call gives what is to be printed.
class TranscriptWriter {
 public:
  TranscriptWriter(TranscriptFormat format, std::string file)
      : format_(format), file_(std::move(file)) {}

  std::string Header() const;
  std::string Utterance(const std::vector<CaptionWord>& words);

 private:
  TranscriptFormat format_;
  std::string file_;
  int64_t captions_ = 0;  // written
};

// "00:01:02,345", with that character before the milliseconds.
std::string CaptionTime(double seconds, char point);

}  // namespace rill

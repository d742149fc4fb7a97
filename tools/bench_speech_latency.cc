// When words show against when they were said.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <numeric>
#include <sstream>

#include "tools/bench_speech.h"
#include "tools/word_errors.h"

namespace rill {
namespace {

struct AlignedWord {
  std::string text;
  double end = 0;  // seconds into the utterance
};

// Words of utterances, by file and start in milliseconds.
using Alignments = std::map<std::pair<std::string, long>, std::vector<AlignedWord>>;

long Milliseconds(double seconds) { return std::lround(1000 * seconds); }

Result<Alignments> ReadAlignments(const std::string& path, const std::string& folder) {
  std::ifstream file(path);
  if (!file)
    return Error{"no alignments \"" + path +
                 "\"; training/rill_train/align.py makes them for --alignments"};
  Alignments found;
  std::string line;
  std::getline(file, line);  // the header
  while (std::getline(file, line)) {
    std::istringstream cells(line);
    std::string name, start, word, end;
    if (!std::getline(cells, name, '\t') || !std::getline(cells, start, '\t') ||
        !std::getline(cells, word, '\t') || !std::getline(cells, end, '\t'))
      return Error{path + ": a row that is not file, start, word, end"};
    const std::optional<double> from = ParseSeconds(start), until = ParseSeconds(end);
    if (!from || !until)
      return Error{path + ": \"" + start + "\" and \"" + end + "\" are not seconds"};
    found[{folder + "/" + name, Milliseconds(*from)}].push_back({word, *until});
  }
  return found;
}

// A word of the final text, and when it was shown, final or not, in seconds of sound taken in.
struct ShownWord {
  std::string text;
  double first = 0;  // in its place, for the first time
  double since = 0;  // from then on
  double told = 0;   // when it is said to end
};

Result<std::vector<ShownWord>> Watch(Transcriber stream, std::span<const float> samples) {
  const size_t hop = stream.rate() / 25;
  std::vector<std::string> final_words;
  std::vector<double> ends;  // of the final words, as they are told
  const auto seconds = [rate = static_cast<double>(stream.rate())](int64_t samples) {
    return static_cast<double>(samples) / rate;
  };
  std::vector<ShownWord> shown;
  std::vector<std::map<std::string, double>> firsts;  // of every place, when what was shown there
  const auto look = [&] {
    for (const TranscriptEvent& event : stream.Take()) {
      if (!event.word) continue;
      final_words.push_back(event.word->text);
      ends.push_back(seconds(event.word->end));
    }
    std::vector<std::string> now = final_words;
    for (const TimedWord& word : stream.Partial()) now.push_back(word.text);
    const double time = seconds(stream.position());
    shown.resize(now.size());
    firsts.resize(std::max(firsts.size(), now.size()));
    for (size_t i = 0; i < now.size(); ++i)
      if (shown[i].text != now[i])
        shown[i] = {now[i], firsts[i].try_emplace(now[i], time).first->second, time, 0};
  };
  // Silence follows as it would in a stream, so that late words show when they do.
  std::vector<float> heard(samples.begin(), samples.end());
  heard.resize(samples.size() + stream.rate());
  for (size_t at = 0; at < heard.size(); at += hop) {
    const auto pushed = stream.Push(std::span(heard).subspan(at, std::min(hop, heard.size() - at)));
    if (!pushed) return pushed.error();
    look();
  }
  if (const auto finished = stream.Finish(); !finished) return finished.error();
  look();
  for (size_t i = 0; i < shown.size(); ++i) shown[i].told = ends.at(i);  // all are final now
  return shown;
}

}  // namespace

Result<BenchReport> BenchSpeechLatency(const SpeechBenchOptions& options) {
  const std::string folder = SpeechFolder(options);
  const Result<std::vector<Utterance>> manifest = ReadManifest(folder);
  if (!manifest) return manifest.error();
  const Result<Alignments> alignments = ReadAlignments(options.alignments, folder);
  if (!alignments) return alignments.error();
  const Result<Transcriber> fresh = OpenTranscriber(options.speech);
  if (!fresh) return fresh.error();
  const double rate = static_cast<double>(fresh->rate());

  std::vector<double> first, since, told;  // delays after the end of the word
  std::string open_file;
  std::vector<float> samples;
  size_t aligned_words = 0;
  for (const Utterance& utterance : *manifest) {
    const auto found = alignments->find({utterance.file, Milliseconds(utterance.start)});
    if (found == alignments->end()) continue;
    if (utterance.file != open_file) {
      Result<std::vector<float>> read = ReadSound(utterance.file, fresh->rate());
      if (!read) return read.error();
      samples = std::move(*read);
      open_file = utterance.file;
    }
    const size_t begin = std::min(samples.size(), static_cast<size_t>(utterance.start * rate));
    const size_t end = std::min(samples.size(), static_cast<size_t>(utterance.end * rate));
    const auto shown = Watch(fresh->Fork(), std::span(samples).subspan(begin, end - begin));
    if (!shown) return shown.error();
    std::vector<std::string> said, heard;
    for (const AlignedWord& word : found->second) said.push_back(word.text);
    for (const ShownWord& word : *shown) heard.push_back(word.text);
    aligned_words += said.size();
    for (const auto& [i, j] : MatchWords(said, heard)) {
      first.push_back((*shown)[j].first - found->second[i].end);
      since.push_back((*shown)[j].since - found->second[i].end);
      told.push_back((*shown)[j].told - found->second[i].end);
    }
  }
  if (first.empty())
    return Error{fmt::format("none of {} aligned words was recognised", aligned_words)};
  BenchReport report{{{"aligned_words", aligned_words}, {"recognised", first.size()}},
                     TextTable({"after the end of a word", "words", "recognised", "mean ms", "p50",
                                "p90", "p99"})};
  for (const auto& [key, name, delays] : {std::tuple("first", "it is shown", &first),
                                          {"since", "it is shown for good", &since},
                                          {"told", "it is told to end", &told}}) {
    const double mean =
        std::accumulate(delays->begin(), delays->end(), 0.0) / static_cast<double>(delays->size());
    std::vector<std::string> row = {name, Grouped(aligned_words), Grouped(delays->size()),
                                    Fixed(1000 * mean, 0)};
    report.json[key]["mean_ms"] = 1000 * mean;
    for (const int percent : {50, 90, 99}) {
      const double delay = 1000 * Quantile(*delays, percent / 100.0);
      report.json[key][fmt::format("p{}_ms", percent)] = delay;
      row.push_back(Fixed(delay, 0));
    }
    report.table.Add(std::move(row));
  }
  return report;
}

}  // namespace rill

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "tools/audio_reader.h"
#include "tools/bench_speech.h"
#include "tools/series_table.h"
#include "tools/word_errors.h"

namespace rill {

std::string SpeechFolder(const SpeechBenchOptions& options) {
  return (options.data.empty() ? DataDirectory() : options.data) + "/speech";
}

Result<std::vector<float>> ReadSound(const std::string& path, size_t rate_hz) {
  Result<AudioReader> reader = AudioReader::OpenFile(path, rate_hz);
  if (!reader) return reader.error();
  std::vector<float> samples;
  while (true) {
    const auto read = reader->Next();
    if (!read) return read.error();
    if (!*read) return samples;
    samples.insert(samples.end(), (*read)->begin(), (*read)->end());
  }
}

Result<std::vector<float>> SomeSpeech(const SpeechBenchOptions& options, double seconds,
                                      size_t rate_hz) {
  const Result<std::vector<Utterance>> manifest = ReadManifest(SpeechFolder(options));
  if (!manifest) return manifest.error();
  const size_t count = static_cast<size_t>(seconds * static_cast<double>(rate_hz));
  std::vector<float> samples;
  std::string last;
  for (const Utterance& utterance : *manifest) {
    if (samples.size() >= count) break;
    if (utterance.split != "validation" || utterance.file == last) continue;
    last = utterance.file;
    const auto sound = ReadSound(utterance.file, rate_hz);
    if (!sound) return sound.error();
    samples.insert(samples.end(), sound->begin(), sound->end());
  }
  samples.resize(std::min(samples.size(), count));
  samples.shrink_to_fit();
  if (samples.size() < rate_hz)
    return Error{SpeechFolder(options) + " has no second of speech of validation speakers"};
  return samples;
}

namespace {

bool Chosen(const Utterance& utterance, const SpeechBenchOptions& options) {
  const auto holds = [](const std::vector<std::string>& names, const std::string& name) {
    return std::ranges::find(names, name) != names.end();
  };
  if (!holds(options.sets, utterance.set)) return false;
  return options.speakers.empty() ? utterance.split == options.split
                                  : holds(options.speakers, utterance.speaker);
}

}  // namespace

Result<BenchReport> BenchSpeechErrors(const SpeechBenchOptions& options) {
  const Result<std::vector<Utterance>> manifest = ReadManifest(SpeechFolder(options));
  if (!manifest) return manifest.error();
  const Result<Transcriber> fresh = OpenTranscriber(options.speech);
  if (!fresh) return fresh.error();
  const double rate = static_cast<double>(fresh->rate());

  std::map<std::string, WordErrors> errors;
  std::map<std::string, double> seconds;
  std::string open_file;
  std::vector<float> samples;
  Progress progress("transcribing", manifest->size());
  for (size_t i = 0; i < manifest->size(); ++i) {
    const Utterance& utterance = (*manifest)[i];
    progress.Update(i);
    if (i % options.every != 0 || !Chosen(utterance, options)) continue;
    if (utterance.file != open_file) {
      Result<std::vector<float>> read = ReadSound(utterance.file, fresh->rate());
      if (!read) return read.error();
      samples = std::move(*read);
      open_file = utterance.file;
    }
    const size_t begin = std::min(samples.size(), static_cast<size_t>(utterance.start * rate));
    const size_t end = std::min(samples.size(), static_cast<size_t>(utterance.end * rate));
    Transcriber stream = fresh->Fork();
    if (const auto pushed = stream.Push(std::span(samples).subspan(begin, end - begin)); !pushed)
      return pushed.error();
    if (const auto finished = stream.Finish(); !finished) return finished.error();
    std::vector<std::string> words;
    for (const TranscriptEvent& event : stream.Take())
      if (event.word) words.push_back(event.word->text);
    errors[utterance.set] += CountErrors(SplitWords(utterance.text), words);
    seconds[utterance.set] += utterance.end - utterance.start;
  }
  const std::string who = options.speakers.empty()
                              ? options.split
                              : fmt::format("{}", fmt::join(options.speakers, ", "));
  if (errors.empty())
    return Error{
        fmt::format("no utterance of the speakers {} of {}", who, fmt::join(options.sets, ", "))};
  BenchReport report{nlohmann::ordered_json::array(),
                     TextTable({"set", "speakers", "decoder", "lookahead", "minutes", "words",
                                "WER %", "substituted", "deleted", "inserted"})};
  for (const auto& [set, found] : errors) {
    report.json.push_back({{"set", set},
                           {"speakers", who},
                           {"decoder", options.speech.decoder},
                           {"lookahead", fresh->lookahead()},
                           {"minutes", seconds[set] / 60},
                           {"words", found.words},
                           {"wer", found.rate()},
                           {"substitutions", found.substitutions},
                           {"deletions", found.deletions},
                           {"insertions", found.insertions}});
    report.table.Add({set, who, options.speech.decoder, std::to_string(fresh->lookahead()),
                      Fixed(seconds[set] / 60, 1), Grouped(found.words),
                      Fixed(100 * found.rate(), 2), Grouped(found.substitutions),
                      Grouped(found.deletions), Grouped(found.insertions)});
  }
  return report;
}

}  // namespace rill

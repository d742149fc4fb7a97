// What transcription costs: time alone and among others, memory over hours; and what it makes of
// sound that nobody speaks in.
#include <fmt/format.h>
#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <map>
#include <random>
#include <thread>

#include "tools/bench_speech.h"

namespace rill {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// The words that became final since the last call.
size_t CountWords(Transcriber& stream) {
  size_t words = 0;
  for (const TranscriptEvent& event : stream.Take()) words += event.word ? 1 : 0;
  return words;
}

constexpr double kHopSeconds = 0.04;

}  // namespace

double Quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
}

Result<BenchReport> BenchSpeechSpeed(const SpeechBenchOptions& options) {
  Result<Transcriber> stream = OpenTranscriber(options.speech);
  if (!stream) return stream.error();
  const Result<std::vector<float>> speech = SomeSpeech(options, options.seconds, stream->rate());
  if (!speech) return speech.error();
  const size_t hop = static_cast<size_t>(kHopSeconds * static_cast<double>(stream->rate()));
  std::vector<double> hops;
  for (size_t at = 0; at + hop <= speech->size(); at += hop) {
    const Clock::time_point begin = Clock::now();
    if (const auto pushed = stream->Push(std::span(*speech).subspan(at, hop)); !pushed)
      return pushed.error();
    hops.push_back(SecondsSince(begin));
    stream->Take();
  }
  double total = 0;
  for (const double seconds : hops) total += seconds;
  const double factor = total / (kHopSeconds * static_cast<double>(hops.size()));
  const double p99 = Quantile(hops, 0.99), rss = static_cast<double>(ResidentBytes()) / 1e6;
  BenchReport report{
      {{"real_time_factor", factor},
       {"hop_p50_ms", 1000 * Quantile(hops, 0.5)},
       {"hop_p99_ms", 1000 * p99},
       {"rss_mb", rss}},
      TextTable({"seconds", "real-time factor", "40 ms hop p50 ms", "p99 ms", "RSS MB"})};
  report.table.Add({Fixed(kHopSeconds * static_cast<double>(hops.size()), 0), Fixed(factor, 4),
                    Fixed(1000 * Quantile(hops, 0.5), 3), Fixed(1000 * p99, 3), Fixed(rss, 1)});
  return report;
}

Result<BenchReport> BenchSpeechStreams(const SpeechBenchOptions& options) {
  const Result<Transcriber> fresh = OpenTranscriber(options.speech);
  if (!fresh) return fresh.error();
  const Result<std::vector<float>> speech = SomeSpeech(options, options.seconds, fresh->rate());
  if (!speech) return speech.error();
  const size_t hop = static_cast<size_t>(kHopSeconds * static_cast<double>(fresh->rate()));
  const size_t rounds = speech->size() / hop;
  std::vector<std::vector<double>> took(options.threads);
  std::vector<std::thread> threads;
  std::atomic<bool> failed = false;
  std::barrier start(static_cast<std::ptrdiff_t>(options.threads));
  for (size_t t = 0; t < options.threads; ++t)
    threads.emplace_back([&, t] {
      std::vector<Transcriber> streams;
      for (size_t s = t; s < options.streams; s += options.threads)
        streams.push_back(fresh->Fork());
      start.arrive_and_wait();
      for (size_t round = 0; round < rounds; ++round) {
        const Clock::time_point begin = Clock::now();
        for (size_t s = 0; s < streams.size(); ++s) {
          // Each stands somewhere else in the speech.
          const size_t at = (round + s * 97) % rounds * hop;
          const auto pushed = streams[s].Push(std::span(*speech).subspan(at, hop));
          failed = failed || !pushed;
          streams[s].Take();
        }
        took[t].push_back(SecondsSince(begin));
      }
    });
  for (std::thread& thread : threads) thread.join();
  if (failed) return Error{"a stream has failed"};
  double longest = 0;
  std::vector<double> all;
  for (const auto& times : took) {
    double sum = 0;
    for (const double seconds : times) sum += seconds;
    longest = std::max(longest, sum);
    all.insert(all.end(), times.begin(), times.end());
  }
  const double share = longest / (kHopSeconds * static_cast<double>(rounds));
  const double p99 = Quantile(all, 0.99);
  BenchReport report{
      {{"streams", options.streams},
       {"threads", options.threads},
       {"busy", share},
       {"round_p99_ms", 1000 * p99},
       {"real_time", p99 <= kHopSeconds}},
      TextTable({"streams", "threads", "busy %", "round p99 ms", "all in real time"})};
  report.passed = p99 <= kHopSeconds;
  report.table.Add({std::to_string(options.streams), std::to_string(options.threads),
                    Fixed(100 * share, 1), Fixed(1000 * p99, 2), report.passed ? "yes" : "no"});
  return report;
}

Result<BenchReport> BenchSpeechSilence(const SpeechBenchOptions& options) {
  const Result<Transcriber> fresh = OpenTranscriber(options.speech);
  if (!fresh) return fresh.error();
  const size_t count =
      static_cast<size_t>(60 * options.minutes * static_cast<double>(fresh->rate()));
  std::map<std::string, std::vector<float>> sounds = {{"silence", std::vector<float>(count)}};
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal;
  for (const auto& [name, level] :
       {std::pair{"white noise -60 dB", 1e-3f}, {"white noise -30 dB", 3e-2f}}) {
    std::vector<float> noise(count);
    for (float& sample : noise) sample = level * normal(random);
    sounds[name] = std::move(noise);
  }
  for (const char* name : {"002_Rain", "003_Sea_waves", "005_Clock_tick", "007_Helicopter",
                           "010_Fire_crackling", "001_Dog_bark", "008_Chainsaw", "009_Rooster"}) {
    const auto sound =
        ReadSound(SpeechFolder(options) + "/noise/esc10-" + name + ".opus", fresh->rate());
    if (!sound) return sound.error();
    sounds[name] = *sound;
  }
  BenchReport report{nlohmann::ordered_json::array(),
                     TextTable({"sound", "minutes", "words", "words a minute"})};
  for (const auto& [name, samples] : sounds) {
    Transcriber stream = fresh->Fork();
    if (const auto pushed = stream.Push(samples); !pushed) return pushed.error();
    if (const auto finished = stream.Finish(); !finished) return finished.error();
    const size_t words = CountWords(stream);
    const double minutes =
        static_cast<double>(samples.size()) / static_cast<double>(fresh->rate()) / 60;
    report.json.push_back({{"sound", name}, {"minutes", minutes}, {"words", words}});
    report.table.Add({name, Fixed(minutes, 1), std::to_string(words),
                      Fixed(static_cast<double>(words) / minutes, 2)});
  }
  return report;
}

Result<BenchReport> BenchSpeechEndurance(const SpeechBenchOptions& options) {
  Result<Transcriber> stream = OpenTranscriber(options.speech);
  if (!stream) return stream.error();
  const Result<std::vector<float>> speech = SomeSpeech(options, 60, stream->rate());
  if (!speech) return speech.error();
  const size_t hop = static_cast<size_t>(kHopSeconds * static_cast<double>(stream->rate()));
  const size_t hops = static_cast<size_t>(options.hours * 3600 / kHopSeconds);
  constexpr size_t kTenths = 10;
  BenchReport report{nlohmann::ordered_json::array(),
                     TextTable({"hours", "RSS MB", "state bytes", "words"})};
  size_t words = 0, state = 0;
  std::vector<uint64_t> memory;
  for (size_t i = 0; i < hops; ++i) {
    const size_t at = i % (speech->size() / hop) * hop;
    if (const auto pushed = stream->Push(std::span(*speech).subspan(at, hop)); !pushed)
      return pushed.error();
    words += CountWords(*stream);
    if ((i + 1) % (hops / kTenths) != 0) continue;
    state = stream->Save().size();
    memory.push_back(ResidentBytes());
    const double hours = kHopSeconds * static_cast<double>(i + 1) / 3600;
    report.json.push_back(
        {{"hours", hours}, {"rss", memory.back()}, {"state", state}, {"words", words}});
    report.table.Add({Fixed(hours, 1), Fixed(static_cast<double>(memory.back()) / 1e6, 1),
                      Grouped(state), Grouped(words)});
  }
  // The first tenth warms caches of the allocator up.
  report.passed = memory.size() < 2 || memory.back() <= memory[1] + (1 << 20);
  return report;
}

}  // namespace rill

// The measurements of `rill bench speech`, one file a group: bench_speech_NAME.cc.
#pragma once

#include <string>
#include <vector>

#include "tools/bench.h"
#include "tools/speech_data.h"
#include "tools/speech_flags.h"

namespace rill {

struct SpeechBenchOptions {
  std::string task;
  SpeechFlags speech;
  std::string data;            // directory; empty: DataDirectory()
  std::string split = "test";  // or validation
  std::vector<std::string> sets = {"librispeech-28spk", "speechocean762"};
  std::vector<std::string> speakers;  // wer: these, whatever their split
  size_t every = 1;                   // wer: only every so manieth utterance
  std::string alignments;             // latency: file of them
  size_t streams = 32, threads = 2;
  double seconds = 60;  // of sound: speed, streams
  double minutes = 10;  // of each kind: silence
  double hours = 10;    // endurance
};

Result<BenchReport> BenchSpeechErrors(const SpeechBenchOptions& options);     // wer
Result<BenchReport> BenchSpeechLatency(const SpeechBenchOptions& options);    // latency
Result<BenchReport> BenchSpeechSpeed(const SpeechBenchOptions& options);      // speed
Result<BenchReport> BenchSpeechStreams(const SpeechBenchOptions& options);    // streams
Result<BenchReport> BenchSpeechSilence(const SpeechBenchOptions& options);    // silence
Result<BenchReport> BenchSpeechEndurance(const SpeechBenchOptions& options);  // endurance

// Folder of the speech data set.
std::string SpeechFolder(const SpeechBenchOptions& options);
// All samples of a recording.
Result<std::vector<float>> ReadSound(const std::string& path, size_t rate_hz);
// So many seconds of the validation speakers' recordings, which the speed does not depend on.
Result<std::vector<float>> SomeSpeech(const SpeechBenchOptions& options, double seconds,
                                      size_t rate_hz);

}  // namespace rill

// `rill bench speech`: errors, speed and endurance of transcription.
#include <fmt/format.h>

#include <memory>

#include "tools/bench_speech.h"
#include "tools/rill_bench.h"

namespace rill {
namespace {

constexpr const char* kExamples = R"(Examples:
  rill bench speech --task wer
  rill bench speech --task wer --decoder greedy --split validation --every 4
  rill bench speech --task speed
  rill bench speech --task streams --streams 100

The data sets are looked for in RILL_DATA_DIR, by default ../shared/data beside the source tree.)";

Result<BenchReport> RunTask(const SpeechBenchOptions& options) {
  if (options.task == "latency") return BenchSpeechLatency(options);
  if (options.task == "speed") return BenchSpeechSpeed(options);
  if (options.task == "streams") return BenchSpeechStreams(options);
  if (options.task == "silence") return BenchSpeechSilence(options);
  if (options.task == "endurance") return BenchSpeechEndurance(options);
  return BenchSpeechErrors(options);
}

}  // namespace

void AddBenchSpeech(CLI::App& bench, int& code) {
  auto options = std::make_shared<SpeechBenchOptions>();
  auto json = std::make_shared<bool>(false);
  CLI::App* command =
      bench.add_subcommand("speech", "Errors, speed and endurance of transcription");
  command->footer(kExamples);
  command->add_option("--task", options->task, "What to measure")
      ->required()
      ->check(CLI::IsMember({"wer", "latency", "speed", "streams", "silence", "endurance"}));
  command->add_option("--data", options->data, "Directory of the data sets");
  command->add_flag("--json", *json, "JSON instead of a table");
  command->add_option("--split", options->split, "wer: whose utterances")
      ->check(CLI::IsMember({"test", "validation"}))
      ->capture_default_str();
  command->add_option("--sets", options->sets, "wer: of which sets")->delimiter(',');
  command->add_option("--speakers", options->speakers, "wer: only these, whatever their split")
      ->delimiter(',');
  command->add_option("--every", options->every, "wer: only every Nth utterance")
      ->check(CLI::PositiveNumber);
  command->add_option("--alignments", options->alignments,
                      "latency: when words end, as training/rill_train/align.py writes it");
  command->add_option("--streams", options->streams, "streams: at a time")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command->add_option("--threads", options->threads, "streams: threads that share them")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command->add_option("--seconds", options->seconds, "speed, streams: seconds of speech")
      ->check(CLI::Range(1.0, 1e4))
      ->capture_default_str();
  command->add_option("--minutes", options->minutes, "silence: minutes of each sound that is made")
      ->check(CLI::Range(0.1, 1e4))
      ->capture_default_str();
  command->add_option("--hours", options->hours, "endurance: hours of speech")
      ->check(CLI::Range(0.01, 1e4))
      ->capture_default_str();
  AddSpeechFlags(*command, options->speech);
  command->callback([options, json, &code] {
    const Result<BenchReport> report = RunTask(*options);
    if (!report) {
      code = Fail(report.error());
      return;
    }
    if (*json) {
      fmt::print("{}\n", report->json.dump(2));
    } else {
      report->table.Print();
    }
    code = report->passed ? kDone : kFailed;
  });
}

}  // namespace rill

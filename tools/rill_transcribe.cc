// `rill transcribe`: sound in, text out.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "pipeline/files.h"
#include "pipeline/language_model.h"
#include "pipeline/transcriber.h"
#include "tools/audio_reader.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/speech_flags.h"
#include "tools/transcript_text.h"

namespace rill {
namespace {

constexpr const char* kExamples = R"(Examples:
  rill transcribe speech.ogg
  rill transcribe talk.mp4 --format srt > talk.srt
  rill transcribe recordings/*.flac --format tsv
  rill transcribe --live
  rill transcribe day.wav --save-state day.state --state-interval 60
  rill transcribe day.wav --save-state day.state --resume day.state)";

constexpr char kWordsPart[] = "words";  // of a snapshot: final words whose utterance is not over
constexpr char kClearLine[] = "\r\x1b[K";

struct TranscribeCommand {
  std::vector<std::string> files;
  bool live = false;
  std::string source, format = "text", save_state, resume;
  double state_interval_s = 0;
  SpeechFlags speech;
};

// The work on one source.
class Run {
 public:
  Run(const TranscribeCommand& command, const std::string& file, Transcriber stream)
      : command_(command),
        file_(file),
        stream_(std::move(stream)),
        writer_(Formats().at(command.format), file) {}

  static const std::map<std::string, TranscriptFormat>& Formats() {
    static const std::map<std::string, TranscriptFormat> formats = {
        {"text", TranscriptFormat::kText},
        {"json", TranscriptFormat::kJson},
        {"srt", TranscriptFormat::kSrt},
        {"vtt", TranscriptFormat::kVtt},
        {"tsv", TranscriptFormat::kTsv}};
    return formats;
  }

  Result<void> All();

 private:
  Result<void> Resume();
  Result<void> Save() const;
  Result<void> Listen(AudioReader& reader);
  void Print();
  void DrawPartial() const;
  double Seconds(int64_t samples) const {
    return offset_s_ + static_cast<double>(samples) / static_cast<double>(stream_.rate());
  }

  const TranscribeCommand& command_;
  const std::string& file_;
  const bool draws_ = command_.live && isatty(STDERR_FILENO) == 1;  // partial words
  Transcriber stream_;
  TranscriptWriter writer_;
  std::vector<CaptionWord> utterance_;  // final words of the one that is not over
  double offset_s_ = 0;                 // time of the first sample in its container
  int64_t skip_ = 0;                    // samples that a resumed stream has heard already
};

Result<void> Run::Resume() {
  const Result<std::vector<std::byte>> bytes = ReadFile(command_.resume, kMostSnapshotBytes);
  if (!bytes) return bytes.error();
  if (const Result<void> restored = stream_.Restore(*bytes); !restored)
    return Error{command_.resume + ": " + restored.error().message};
  const Result<Snapshot> snapshot = Snapshot::Parse(*bytes);
  if (const Snapshot::Part* part = snapshot->Find(kWordsPart)) {
    const auto* text = reinterpret_cast<const char*>(part->bytes.data());
    const auto words = nlohmann::json::parse(text, text + part->bytes.size(), nullptr, false);
    for (const auto& word : words)
      if (word.is_array() && word.size() == 4 && word[0].is_string() && word[1].is_number() &&
          word[2].is_number() && word[3].is_number())
        utterance_.push_back({word[0], word[1], word[2], word[3]});
  }
  skip_ = command_.live ? 0 : stream_.position();
  Note(fmt::format("{} goes on at {:.3f} s", command_.resume, Seconds(stream_.position())));
  return {};
}

Result<void> Run::Save() const {
  Result<Snapshot> snapshot = Snapshot::Parse(stream_.Save());
  if (!snapshot) return snapshot.error();
  auto words = nlohmann::json::array();
  for (const CaptionWord& word : utterance_)
    words.push_back({word.text, word.start, word.end, word.confidence});
  const std::string text = words.dump();
  const auto bytes = std::as_bytes(std::span(text));
  snapshot->parts.push_back({kWordsPart, 0, {bytes.begin(), bytes.end()}});
  return WriteAtomically(command_.save_state, snapshot->Serialize());
}

void Run::DrawPartial() const {
  std::string line;
  for (const CaptionWord& word : utterance_) line += word.text + " ";
  for (const TimedWord& word : stream_.Partial()) line += word.text + " ";
  constexpr size_t kColumns = 78;
  if (line.size() > kColumns) line = "…" + line.substr(line.size() - kColumns);
  fmt::print(stderr, "{}{}", kClearLine, line);
}

void Run::Print() {
  for (const TranscriptEvent& event : stream_.Take()) {
    if (event.word) {
      utterance_.push_back({event.word->text, Seconds(event.word->start), Seconds(event.word->end),
                            event.word->confidence});
      continue;
    }
    if (draws_) fmt::print(stderr, "{}", kClearLine);
    fmt::print("{}", writer_.Utterance(utterance_));
    utterance_.clear();
    std::fflush(stdout);
  }
}

Result<void> Run::Listen(AudioReader& reader) {
  const size_t piece = stream_.rate() / 25;
  std::optional<Progress> progress;  // once the length is known
  int64_t saved = stream_.position();
  while (!Interrupted()) {
    const auto read = reader.Next();
    if (!read) return read.error();
    if (!*read) break;
    if (!progress && !command_.live)
      progress.emplace(file_, static_cast<uint64_t>(reader.seconds()));
    offset_s_ = reader.offset_seconds();
    std::span<const float> samples = **read;
    const size_t known = std::min(static_cast<size_t>(skip_), samples.size());
    skip_ -= static_cast<int64_t>(known);
    samples = samples.subspan(known);
    while (!samples.empty()) {
      const size_t count = std::min(piece, samples.size());
      if (Result<void> pushed = stream_.Push(samples.first(count)); !pushed) return pushed;
      samples = samples.subspan(count);
      Print();
      if (draws_) DrawPartial();
      if (command_.state_interval_s > 0 &&
          Seconds(stream_.position() - saved) >= command_.state_interval_s) {
        if (const Result<void> done = Save(); !done) Note(done.error().message);
        saved = stream_.position();
      }
    }
    if (progress) progress->Update(static_cast<uint64_t>(Seconds(stream_.position())));
  }
  return {};
}

Result<void> Run::All() {
  if (!command_.resume.empty())
    if (Result<void> resumed = Resume(); !resumed) return resumed;
  Result<AudioReader> reader = command_.live
                                   ? AudioReader::OpenLive(command_.source, stream_.rate())
                                   : AudioReader::OpenFile(file_, stream_.rate());
  if (!reader) return reader.error();
  fmt::print("{}", writer_.Header());
  Result<void> heard = Listen(*reader);
  // The state is that of a stream that may go on: the silence of Finish() is not in it.
  if (heard && stream_.position() == 0) return Error{file_ + ": holds no sound"};
  if (heard && !command_.save_state.empty())
    if (Result<void> saved = Save(); !saved) return saved;
  // What was heard before a failure is not lost.
  Result<void> finished = stream_.Finish();
  Print();
  if (!utterance_.empty()) fmt::print("{}", writer_.Utterance(utterance_));
  if (!heard) return heard;
  if (!finished) return finished;
  if (stream_.unsound() > 0)
    Note(fmt::format("{}: {} samples are not finite and count as silence", file_,
                     stream_.unsound()));
  return {};
}

Result<void> Transcribe(const TranscribeCommand& command) {
  if (command.live == !command.files.empty())
    return Error{"give files, or --live to listen to the microphone"};
  const bool keeps = !command.save_state.empty() || !command.resume.empty();
  if (keeps && command.files.size() > 1)
    return Error{fmt::format("--save-state and --resume are for one stream, {} files were given",
                             command.files.size())};
  const Result<Transcriber> stream = OpenTranscriber(command.speech);
  if (!stream) return stream.error();
  if (command.live) return Run(command, "microphone", *stream).All();
  // One bad file does not keep the others from being read.
  Result<void> outcome;
  for (const std::string& file : command.files) {
    if (Interrupted()) break;
    Result<void> done = Run(command, file, *stream).All();
    if (done) continue;
    if (command.files.size() > 1) Note(done.error().message);
    if (outcome) outcome = done;
  }
  return outcome;
}

}  // namespace

void AddTranscribe(CLI::App& app, int& code) {
  auto options = std::make_shared<TranscribeCommand>();
  CLI::App* command = app.add_subcommand("transcribe", "Write down English speech");
  command->footer(kExamples);
  command->add_option("FILE", options->files,
                      "Anything GStreamer decodes, of any rate and number of channels; - is stdin");
  command->add_flag("--live", options->live,
                    "Listen to the microphone; partial results are redrawn");
  command->add_option(
      "--source", options->source,
      "What --live listens to, as gst-launch-1.0 writes it: \"pulsesrc device=...\"");
  command->add_option("--format", options->format, "text, json (lines), srt, vtt or tsv")
      ->check(CLI::IsMember({"text", "json", "srt", "vtt", "tsv"}))
      ->capture_default_str();
  CLI::Option* save_state = command->add_option("--save-state", options->save_state,
                                                "Write the stream's state at the end");
  command
      ->add_option("--state-interval", options->state_interval_s,
                   "and every so many seconds of sound")
      ->needs(save_state)
      ->check(CLI::PositiveNumber);
  command->add_option("--resume", options->resume,
                      "Go on from a state that was saved, where it stopped in the file");
  AddSpeechFlags(*command, options->speech);
  command->callback([options, &code] {
    CatchInterrupt();
    const Result<void> done = Transcribe(*options);
    code = done ? kDone : Fail(done.error());
  });
}

}  // namespace rill

// `rill classify`: pictures, video and sound in, labels out.
#include <fmt/format.h>

#include "pipeline/class_json.h"
#include "pipeline/classifier.h"
#include "pipeline/json_text.h"
#include "tools/audio_reader.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/picture_reader.h"

namespace rill {
namespace {

constexpr const char* kExamples = R"(Examples:
  rill classify -m audio-esc10 --events day.flac
  rill classify -m audio-esc10 --events --live
  rill classify -m pictures.gguf photo.jpg
  rill classify -m pictures.gguf --json *.png > labels.jsonl
  rill classify -m pictures.gguf --every-frame video.mkv)";

struct ClassifyCommand {
  std::vector<std::string> files;
  std::string model, head, as, source;
  bool live = false, json = false, every_frame = false, events = false;
  size_t top = 3;
  EventRules rules;
};

// The work on one source.
class Run {
 public:
  Run(const ClassifyCommand& command, const std::string& file, Classifier stream)
      : command_(command), file_(file), stream_(std::move(stream)) {}

  Result<void> All(Medium medium) {
    Result<void> seen = medium == Medium::kPictures ? Watch() : Listen();
    stream_.Finish();
    PrintEvents();
    // What was seen before a failure is not lost.
    if (stream_.head().frames() > 0 && !command_.every_frame && !command_.events) PrintWhole();
    if (!seen) return seen;
    if (stream_.head().frames() == 0)
      return Error{file_ + (medium == Medium::kPictures
                                ? ": holds no picture"
                                : ": is shorter than a frame of the model")};
    return {};
  }
  // Whether it failed because the file holds no picture, or there is no camera.
  bool FoundNoPicture() const { return found_no_picture_; }

 private:
  Result<void> Watch();
  Result<void> Listen();
  // After a frame.
  void Print();
  void PrintEvents();
  // The mean of all frames.
  void PrintWhole() const;
  void PrintLabels(std::span<const float> probabilities, std::optional<double> seconds) const;
  void PrintEvent(const ClassEvent& event) const;

  const ClassifyCommand& command_;
  const std::string& file_;
  Classifier stream_;
  std::optional<double> seconds_;  // when the last frame began
  bool found_no_picture_ = false;
};

std::string Quoted(const std::string& text) {
  std::string json;
  AppendJson(json, text);
  return json;
}

std::string Number(float value) {
  std::string json;
  AppendJson(json, value);
  return json;
}

void Run::PrintLabels(std::span<const float> probabilities, std::optional<double> seconds) const {
  const std::vector<std::string>& labels = stream_.head().labels();
  const std::vector<size_t> likeliest = Likeliest(probabilities, command_.top);
  const size_t best = likeliest.at(0);
  if (command_.json) {
    fmt::print("{{\"file\":{}{},\"label\":{},\"index\":{},\"confidence\":{},\"classes\":{}}}\n",
               Quoted(file_), seconds ? fmt::format(",\"seconds\":{:.3f}", *seconds) : "",
               Quoted(labels[best]), best, Number(probabilities[best]),
               ClassesJson(labels, probabilities, command_.top));
  } else {
    std::string line = file_ + (seconds ? fmt::format(" {:.3f} s", *seconds) : "") + ":";
    for (const size_t label : likeliest)
      line += fmt::format(" {} {:.1f} %", labels[label], 100 * probabilities[label]) +
              (label == likeliest.back() ? "" : ",");
    fmt::print("{}\n", line);
  }
  std::fflush(stdout);
}

void Run::PrintEvent(const ClassEvent& event) const {
  const std::string& label = stream_.head().labels()[event.label];
  const char* what = event.begins ? "begin" : "end";
  if (command_.json)
    fmt::print(
        "{{\"file\":{},\"seconds\":{:.3f},\"event\":\"{}\",\"label\":{},\"index\":{},"
        "\"confidence\":{}}}\n",
        Quoted(file_), seconds_.value_or(0), what, Quoted(label), event.label,
        Number(event.confidence));
  else
    fmt::print("{} {:.3f} s: {} {}, {:.1f} %\n", file_, seconds_.value_or(0), label,
               event.begins ? "begins" : "ends", 100 * event.confidence);
  std::fflush(stdout);
}

void Run::PrintEvents() {
  for (const ClassEvent& event : stream_.Take())
    if (command_.events) PrintEvent(event);
}

void Run::Print() {
  PrintEvents();
  if (command_.every_frame) PrintLabels(stream_.head().probabilities(), seconds_);
}

void Run::PrintWhole() const { PrintLabels(stream_.head().Mean(), std::nullopt); }

Result<void> Run::Watch() {
  Result<PictureReader> reader =
      command_.live ? PictureReader::OpenLive(command_.source) : PictureReader::OpenFile(file_);
  if (!reader) found_no_picture_ = command_.live;
  if (!reader) return reader.error();
  std::optional<Progress> progress;
  while (!Interrupted()) {
    const Result<std::optional<TimedPicture>> next = reader->Next();
    if (!next) found_no_picture_ = reader->HoldsNone();
    if (!next) return next.error();
    if (!*next) break;
    const TimedPicture& timed = **next;
    if (timed.time_ns) seconds_ = static_cast<double>(*timed.time_ns) / 1e9;
    if (const Result<void> pushed = stream_.Push(timed.picture); !pushed)
      return Error{file_ + ": " + pushed.error().message};
    Print();
    // A photograph has no length.
    if (!progress && !command_.live && reader->seconds() >= 1)
      progress.emplace(file_, static_cast<uint64_t>(reader->seconds()));
    if (progress && seconds_) progress->Update(static_cast<uint64_t>(*seconds_));
  }
  if (reader->corrupted() > 0)
    Note(fmt::format("{}: {} corrupted pictures were passed over", file_, reader->corrupted()));
  return {};
}

Result<void> Run::Listen() {
  const size_t rate = stream_.model().audio()->rate();
  const auto seconds = [rate](int64_t samples) {
    return static_cast<double>(samples) / static_cast<double>(rate);
  };
  const double frame = seconds(static_cast<int64_t>(stream_.model().audio()->hop()));
  Result<AudioReader> reader = command_.live ? AudioReader::OpenLive(command_.source, rate)
                                             : AudioReader::OpenFile(file_, rate);
  if (!reader) return reader.error();
  std::optional<Progress> progress;
  while (!Interrupted()) {
    const auto read = reader->Next();
    if (!read) return read.error();
    if (!*read) break;
    if (!progress && !command_.live)
      progress.emplace(file_, static_cast<uint64_t>(reader->seconds()));
    for (std::span<const float> samples = **read; !samples.empty();) {
      const Result<AudioEncoder::Taken> taken = stream_.Push(samples);
      if (!taken) return Error{file_ + ": " + taken.error().message};
      samples = samples.subspan(taken->samples);
      if (!taken->complete) continue;
      seconds_ = reader->offset_seconds() + seconds(stream_.position()) - frame;
      Print();
    }
    if (progress) progress->Update(static_cast<uint64_t>(seconds(stream_.position())));
  }
  return {};
}

// What a file is to be taken as: as the user says, or as the model can; of one that can do both,
// pictures unless the file has none.
std::vector<Medium> MediaOf(const ClassifyCommand& command, const Model& model) {
  if (command.as == "pictures") return {Medium::kPictures};
  if (command.as == "sound") return {Medium::kSound};
  if (model.image() == nullptr) return {Medium::kSound};
  if (model.audio() == nullptr) return {Medium::kPictures};
  return {Medium::kPictures, Medium::kSound};
}

Result<void> ClassifyFile(const ClassifyCommand& command, const std::shared_ptr<const Model>& model,
                          const std::string& file) {
  Result<void> outcome;
  const std::vector<Medium> media = MediaOf(command, *model);
  if (media.size() > 1 && file == "-")
    return Error{"standard input can be read once: say --as pictures or --as sound"};
  for (const Medium medium : media) {
    Result<Classifier> stream =
        Classifier::Open(model, medium, {.head = command.head, .events = command.rules});
    if (!stream) return stream.error();
    Run run(command, file, std::move(*stream));
    const Result<void> done = run.All(medium);
    // A camera that fails is not to be hidden by a microphone that does, too.
    outcome = done || outcome || !command.live
                  ? done
                  : Error{outcome.error().message + "; as sound: " + done.error().message};
    if (outcome || !run.FoundNoPicture()) break;
  }
  return outcome;
}

Result<void> Classify(const ClassifyCommand& command) {
  if (command.live == !command.files.empty())
    return Error{"give files, or --live to watch or listen"};
  const Result<std::string> path = FindModel(command.model);
  if (!path) return path.error();
  const Result<std::shared_ptr<const Model>> model = Model::Shared(*path);
  if (!model) return model.error();
  if (command.live) return ClassifyFile(command, *model, "live");
  // One bad file does not keep the others from being read.
  Result<void> outcome;
  for (const std::string& file : command.files) {
    if (Interrupted()) break;
    Result<void> done = ClassifyFile(command, *model, file);
    if (done) continue;
    if (command.files.size() > 1) Note(done.error().message);
    if (outcome) outcome = done;
  }
  return outcome;
}

}  // namespace

void AddClassify(CLI::App& app, int& code) {
  auto options = std::make_shared<ClassifyCommand>();
  CLI::App* command = app.add_subcommand("classify", "Say what pictures, videos or sounds are");
  command->footer(kExamples);
  command->add_option("FILE", options->files,
                      "Anything GStreamer decodes; a video or a sound is one stream, whose labels "
                      "are the mean of all frames; - is stdin");
  command->add_option("-m,--model", options->model, "Model file or name")->required();
  command->add_option("--head", options->head,
                      "Which head of the model classifies, if it has many");
  command->add_option("--as", options->as, "Take files as pictures or as sound, whatever they hold")
      ->check(CLI::IsMember({"pictures", "sound"}));
  command->add_flag("--live", options->live, "Watch the camera, or listen to the microphone");
  command->add_option("--source", options->source,
                      "What --live takes, as gst-launch-1.0 writes it: \"v4l2src device=...\"");
  command->add_option("--top", options->top, "Labels to tell, the likeliest first")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  CLI::Option* every = command->add_flag("--every-frame", options->every_frame,
                                         "A line for every picture or frame of sound");
  command->add_flag("--events", options->events, "A line when a label begins and when it ends")
      ->excludes(every);
  command->add_option("--on", options->rules.on, "Probability from which on an event begins")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--off", options->rules.off, "Probability below which it ends")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--on-frames", options->rules.on_frames, "Frames in a row that begin one")
      ->capture_default_str();
  command->add_option("--off-frames", options->rules.off_frames, "Frames in a row that end one")
      ->capture_default_str();
  command->add_flag("--json", options->json, "One JSON object a line");
  command->callback([options, &code] {
    CatchInterrupt();
    const Result<void> done = Classify(*options);
    code = done ? kDone : Fail(done.error());
  });
}

}  // namespace rill

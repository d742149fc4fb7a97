// `rill bench classify`: accuracy on labelled files, and how many pictures a core takes.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>

#include "pipeline/class_json.h"
#include "pipeline/classifier.h"
#include "tools/audio_reader.h"
#include "tools/bench.h"
#include "tools/commands.h"
#include "tools/picture_reader.h"
#include "tools/rill_bench.h"

namespace rill {
namespace {

constexpr const char* kExamples = R"(Examples:
  rill bench classify -m image-cifar10 cifar10-jpeg/test
  rill bench classify -m audio-esc10 esc10/*/5-*.opus
  rill bench classify -m image-cifar10 --task speed --width 640 --height 480

A file's label is the name of its folder, in letters of either case, with _ for a space.)";

struct BenchClassifyCommand {
  std::string task = "accuracy", model, head, as;
  std::vector<std::string> paths;
  size_t width = 640, height = 480;
  double seconds = 10;
  bool json = false;
};

// What two spellings of a label have in common.
std::string Plain(std::string label) {
  for (char& c : label) {
    if (c == '_') c = ' ';
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return label;
}

// The files, and of folders all in them and below, sorted.
Result<std::vector<std::filesystem::path>> FilesOf(const std::vector<std::string>& paths) {
  std::vector<std::filesystem::path> files;
  for (const std::string& path : paths) {
    std::error_code failed;
    if (!std::filesystem::exists(path, failed)) return Error{path + ": no such file or folder"};
    if (!std::filesystem::is_directory(path, failed)) {
      files.emplace_back(path);
      continue;
    }
    for (std::filesystem::recursive_directory_iterator entry(path, failed), end;
         !failed && entry != end; entry.increment(failed))
      if (std::error_code ignored; entry->is_regular_file(ignored)) files.push_back(entry->path());
    if (failed) return Error{path + ": " + failed.message()};
  }
  std::ranges::sort(files);
  if (files.empty()) return Error{"accuracy needs files, each in a folder that names its label"};
  return files;
}

// Takes a whole file in.
Result<void> Push(const std::string& file, Medium medium, Classifier& stream) {
  if (medium == Medium::kPictures) {
    Result<PictureReader> reader = PictureReader::OpenFile(file);
    if (!reader) return reader.error();
    while (true) {
      const Result<std::optional<TimedPicture>> next = reader->Next();
      if (!next) return next.error();
      if (!*next) return {};
      if (const Result<void> pushed = stream.Push((*next)->picture); !pushed)
        return Error{file + ": " + pushed.error().message};
    }
  }
  Result<AudioReader> reader = AudioReader::OpenFile(file, stream.model().audio()->rate());
  if (!reader) return reader.error();
  while (true) {
    const auto next = reader->Next();
    if (!next) return next.error();
    if (!*next) return {};
    for (std::span<const float> samples = **next; !samples.empty();) {
      const Result<AudioEncoder::Taken> taken = stream.Push(samples);
      if (!taken) return Error{file + ": " + taken.error().message};
      samples = samples.subspan(taken->samples);
    }
  }
}

Result<BenchReport> BenchAccuracy(const BenchClassifyCommand& command, Medium medium,
                                  const Classifier& fresh) {
  const Result<std::vector<std::filesystem::path>> files = FilesOf(command.paths);
  if (!files) return files.error();
  const std::vector<std::string>& labels = fresh.head().labels();
  struct Count {
    size_t files = 0, right = 0;
  };
  std::vector<Count> counts(labels.size());
  Count all;
  Progress progress("files", files->size());
  for (const std::filesystem::path& path : *files) {
    if (Interrupted()) break;
    const std::string folder =
        std::filesystem::absolute(path).lexically_normal().parent_path().filename();
    const auto label = std::ranges::find(labels, Plain(folder), Plain);
    if (label == labels.end())
      return Error{fmt::format("{}: \"{}\" is none of the {} labels of {}", path.string(), folder,
                               labels.size(), command.model)};
    Classifier stream = fresh;
    if (const Result<void> taken = Push(path, medium, stream); !taken) return taken.error();
    if (Interrupted()) break;  // perhaps within the file
    if (stream.head().frames() == 0)
      return Error{path.string() + ": is shorter than a frame of the model"};
    const size_t best = Likeliest(stream.head().Mean(), 1).at(0);
    for (Count* count : {&all, &counts[static_cast<size_t>(label - labels.begin())]}) {
      ++count->files;
      count->right += labels[best] == *label ? 1 : 0;
    }
    progress.Update(all.files);
  }
  const auto share = [](const Count& count) {
    return static_cast<double>(count.right) / static_cast<double>(std::max<size_t>(count.files, 1));
  };
  BenchReport report{{{"model", fresh.model().name()},
                      {"files", all.files},
                      {"right", all.right},
                      {"accuracy", share(all)}},
                     TextTable({"label", "files", "right", "accuracy %"})};
  const auto add = [&](const std::string& name, const Count& count) {
    report.table.Add(
        {name, Grouped(count.files), Grouped(count.right), Fixed(100 * share(count), 2)});
  };
  for (size_t i = 0; i < labels.size(); ++i) {
    if (counts[i].files == 0) continue;
    add(labels[i], counts[i]);
    report.json["labels"][labels[i]] = share(counts[i]);
  }
  add("all", all);
  return report;
}

// Pictures that differ, one after another, on one thread: from the bytes of a frame to its label.
Result<BenchReport> BenchPictures(const BenchClassifyCommand& command, Classifier stream) {
  const size_t row = 3 * command.width;
  constexpr size_t kPictures = 8;
  // One picture and the rows below it: each of them begins a row later than the one before.
  std::vector<uint8_t> pixels(row * (command.height + kPictures));
  for (size_t at = 0; at < pixels.size(); ++at)
    pixels[at] = static_cast<uint8_t>(at / row * 5 + at % row);
  using Clock = std::chrono::steady_clock;
  std::vector<double> times;
  const auto begin = Clock::now();
  do {
    const Picture picture{.format = PixelFormat::kRgb,
                          .width = command.width,
                          .height = command.height,
                          .planes = {pixels.data() + times.size() % kPictures * row},
                          .strides = {row}};
    const auto from = Clock::now();
    if (const Result<void> pushed = stream.Push(picture); !pushed) return pushed.error();
    times.push_back(std::chrono::duration<double>(Clock::now() - from).count());
  } while (std::chrono::duration<double>(Clock::now() - begin).count() < command.seconds &&
           !Interrupted());
  const double median = Quantile(times, 0.5), p99 = Quantile(times, 0.99);
  BenchReport report{{{"model", stream.model().name()},
                      {"width", command.width},
                      {"height", command.height},
                      {"pictures", times.size()},
                      {"p50_ms", 1000 * median},
                      {"p99_ms", 1000 * p99},
                      {"pictures_s", 1 / median}},
                     TextTable({"picture", "pictures", "p50 ms", "p99 ms", "pictures a second"})};
  report.table.Add({fmt::format("{} x {}", command.width, command.height), Grouped(times.size()),
                    Fixed(1000 * median, 3), Fixed(1000 * p99, 3), Fixed(1 / median, 0)});
  return report;
}

Result<BenchReport> BenchClassify(const BenchClassifyCommand& command) {
  const Result<std::string> path = FindModel(command.model);
  if (!path) return path.error();
  const Result<std::shared_ptr<const Model>> model = Model::Shared(*path);
  if (!model) return model.error();
  const bool is_speed = command.task == "speed";
  const bool has_pictures = (*model)->image() != nullptr;
  const Medium medium = is_speed || command.as == "pictures" || (command.as.empty() && has_pictures)
                            ? Medium::kPictures
                            : Medium::kSound;
  Result<Classifier> fresh = Classifier::Open(*model, medium, {.head = command.head});
  if (!fresh) return fresh.error();
  return is_speed ? BenchPictures(command, std::move(*fresh))
                  : BenchAccuracy(command, medium, *fresh);
}

}  // namespace

void AddBenchClassify(CLI::App& bench, int& code) {
  auto options = std::make_shared<BenchClassifyCommand>();
  CLI::App* command = bench.add_subcommand("classify", "Accuracy and speed of classifiers");
  command->footer(kExamples);
  command->add_option("FILE", options->paths, "accuracy: files, or folders of such");
  command->add_option("--task", options->task, "What to measure")
      ->check(CLI::IsMember({"accuracy", "speed"}))
      ->capture_default_str();
  command->add_option("-m,--model", options->model, "Model file or name")->required();
  command->add_option("--head", options->head, "Which head of the model, if it has many");
  command->add_option("--as", options->as, "What the files hold, of a model that takes both")
      ->check(CLI::IsMember({"pictures", "sound"}));
  command->add_option("--width", options->width, "speed: of the pictures")
      ->check(CLI::Range(1, 16384))
      ->capture_default_str();
  command->add_option("--height", options->height, "speed: of the pictures")
      ->check(CLI::Range(1, 16384))
      ->capture_default_str();
  command->add_option("--seconds", options->seconds, "speed: how long to measure")
      ->check(CLI::Range(0.1, 1e4))
      ->capture_default_str();
  command->add_flag("--json", options->json, "One JSON object");
  command->callback([options, &code] {
    CatchInterrupt();
    const Result<BenchReport> report = BenchClassify(*options);
    if (!report) {
      code = Fail(report.error());
      return;
    }
    if (options->json)
      fmt::print("{}\n", report->json.dump());
    else
      report->table.Print();
    code = kDone;
  });
}

}  // namespace rill

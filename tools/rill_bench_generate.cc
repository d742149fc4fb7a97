// `rill bench generate`: speed and memory of text models.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "pipeline/generator.h"
#include "tools/bench.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/rill_bench.h"

namespace rill {
namespace {

constexpr const char* kExamples = R"(Examples:
  rill bench generate -m m.gguf --prompt 512 --gen 64 --threads 2 --json
  rill bench generate -m m.gguf --prompt 0 --depth 16384 --gen 32
  rill bench generate -m m.gguf --prompt 0 --gen 32 --sessions 16)";

struct BenchGenerateCommand {
  std::string model;
  size_t prompt = 512, generated = 64, depth = 0, threads = 0, sessions = 1, repeats = 3;
  Model::Options context{.context = 0};
  bool json = false;
};

double Seconds(const auto& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double Median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// Tokens that no text needs to hold: time does not depend on them.
std::vector<int32_t> SomeTokens(size_t count, size_t known, uint64_t seed) {
  std::vector<int32_t> tokens;
  for (size_t i = 0; i < count; ++i)
    tokens.push_back(static_cast<int32_t>(RandomBits(seed, i) % known));
  return tokens;
}

Result<double> PrefillSpeed(const Generator& fresh, size_t count, size_t repeats) {
  if (count == 0) return 0.0;
  std::vector<double> speeds;
  const auto tokens = SomeTokens(count, fresh.model().text()->tokens(), 1);
  for (size_t i = 0; i < repeats; ++i) {
    Generator stream = fresh.Fork();
    Result<void> pushed;
    const double seconds = Seconds([&] { pushed = stream.Push(tokens); });
    if (!pushed) return pushed.error();
    speeds.push_back(static_cast<double>(count) / seconds);
  }
  return Median(speeds);
}

// Tokens a second, of all sessions together.
Result<double> DecodeSpeed(const Generator& fresh, const BenchGenerateCommand& command) {
  if (command.generated == 0) return 0.0;
  std::vector<double> speeds;
  Generator begun = fresh.Fork();
  const auto tokens =
      SomeTokens(std::max<size_t>(1, command.depth), fresh.model().text()->tokens(), 2);
  if (Result<void> pushed = begun.Push(tokens); !pushed) return pushed.error();
  for (size_t i = 0; i < command.repeats; ++i) {
    std::vector<Generator> streams(command.sessions, begun);
    std::vector<Generator*> pointers;
    for (Generator& stream : streams) pointers.push_back(&stream);
    std::optional<Error> failed;
    const double seconds = Seconds([&] {
      for (size_t t = 0; t < command.generated; ++t)
        for (const auto& token : Generator::NextOfAll(pointers))
          if (!token) failed = token.error();
    });
    if (failed) return *failed;
    speeds.push_back(static_cast<double>(command.generated * command.sessions) / seconds);
  }
  return Median(speeds);
}

Result<void> BenchGenerate(BenchGenerateCommand command) {
  const Result<std::string> path = FindModel(command.model);
  if (!path) return path.error();
  if (command.context.context == 0)
    command.context.context = std::max(command.prompt, command.depth + command.generated + 1);
  const Result<std::shared_ptr<const Model>> model = Model::Load(*path, command.context);
  if (!model) return model.error();
  if ((*model)->text() == nullptr)
    return (*model)->weights().Complain("the model does not generate text");
  auto runner = std::make_shared<TextRunner>(**model, command.threads);
  const Result<Generator> fresh = Generator::Open(*model, {.ignore_end = true}, runner);
  if (!fresh) return fresh.error();
  const Result<double> prefill = PrefillSpeed(*fresh, command.prompt, command.repeats);
  if (!prefill) return prefill.error();
  const Result<double> decode = DecodeSpeed(*fresh, command);
  if (!decode) return decode.error();
  nlohmann::ordered_json json = {
      {"model", (*model)->name()},
      {"vector_target", VectorTarget()},
      {"threads", runner->threads()},
      {"prompt", command.prompt},
      {"generated", command.generated},
      {"depth", command.depth},
      {"sessions", command.sessions},
      {"prefill_tok_s", *prefill},
      {"decode_tok_s", *decode},
      {"file_mb", static_cast<double>((*model)->weights().file_bytes()) / 1e6},
      {"rss_mb", static_cast<double>(ResidentBytes()) / 1e6}};
  if (command.json) {
    fmt::print("{}\n", json.dump());
    return {};
  }
  TextTable table({"", ""});
  for (const auto& [key, value] : json.items())
    table.Add({key, value.is_number_float() ? Fixed(value.get<double>(), 1)
                    : value.is_string()     ? value.get<std::string>()
                                            : value.dump()});
  table.Print();
  return {};
}

}  // namespace

void AddBenchGenerate(CLI::App& bench, int& code) {
  auto options = std::make_shared<BenchGenerateCommand>();
  CLI::App* command = bench.add_subcommand("generate", "Speed and memory of text models");
  command->footer(kExamples);
  const auto add = [&](const char* name, auto& value, const char* help) {
    return command->add_option(name, value, help)->capture_default_str();
  };
  add("-m,--model", options->model, "GGUF file")->required();
  add("--prompt", options->prompt, "Tokens of a prompt, read from an empty state");
  add("--gen", options->generated, "Tokens generated, one by one");
  add("--depth", options->depth, "Tokens in the state before these");
  add("--sessions", options->sessions, "Streams that generate together")->check(CLI::Range(1, 256));
  add("--threads", options->threads, "Threads; 0: one a core");
  add("--repeats", options->repeats, "Of each measurement; the median counts")
      ->check(CLI::Range(1, 99));
  add("--context", options->context.context, "Tokens that attention sees; 0: as many as needed");
  add("--window", options->context.window, "or so many of the last tokens");
  add("--sinks", options->context.sinks, "and so many of the first");
  command->add_flag("--json", options->json, "One JSON object");
  command->callback([options, &code] {
    const Result<void> done = BenchGenerate(*options);
    code = done ? kDone : Fail(done.error());
  });
}

}  // namespace rill

// `rill bench generate`: speed and memory of text models.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>

#include "pipeline/files.h"
#include "pipeline/generator.h"
#include "tools/bench.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/rill_bench.h"
#include "tools/text_flags.h"

namespace rill {
namespace {

constexpr const char* kExamples = R"(Examples:
  rill bench generate -m m.gguf --prompt 512 --gen 64 --threads 2 --json
  rill bench generate -m m.gguf --prompt 0 --depth 16384 --gen 32
  rill bench generate -m m.gguf --prompt 0 --gen 32 --sessions 16
  rill bench generate -m m.gguf --stream 1000000 --window 4096 --sinks 4 --state stream.state)";

struct BenchGenerateCommand {
  std::string model;
  size_t prompt = 512, generated = 64, depth = 0, threads = 0, sessions = 1, repeats = 3;
  size_t stream = 0;
  std::string state;  // file to go on from and to leave
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

// Tokens that no text needs to hold: time does not depend on them. Those from `first` on.
std::vector<int32_t> SomeTokens(size_t count, size_t known, uint64_t seed, size_t first = 0) {
  std::vector<int32_t> tokens;
  for (size_t i = first; i < first + count; ++i)
    tokens.push_back(static_cast<int32_t>(RandomBits(seed, i) % known));
  return tokens;
}

// Streams tokens through in blocks, and tells memory and speed after 1,024 of them, after four
// times as many, and so on. Ends with the last, or when interrupted; with a file of the state the
// next run goes on from there.
Result<void> BenchStream(Generator stream, const BenchGenerateCommand& command) {
  constexpr size_t kBlock = 1024, kMostHeads = 1 << 20;  // bytes of a file beside the state's
  const std::filesystem::path state = command.state;
  if (!command.state.empty() && std::filesystem::exists(state)) {
    const auto bytes = ReadFile(state, stream.state_bytes() + kMostHeads);
    if (!bytes) return bytes.error();
    if (const Result<void> restored = stream.Restore(*bytes); !restored)
      return Error{state.string() + ": " + restored.error().message};
  }
  const auto at = [&] { return static_cast<size_t>(stream.position()); };
  if (!command.json)
    fmt::print("     tokens  tokens a second  resident MB  above the first block MB\n");
  const size_t begun = at();
  size_t since = begun, next = kBlock;
  while (next <= begun) next *= 4;
  uint64_t loaded = 0;  // bytes resident after the first block, the weights among them
  double seconds = 0;
  while (at() < command.stream && !Interrupted()) {
    const size_t count = std::min({kBlock, command.stream - at(), next - at()});
    const auto tokens = SomeTokens(count, stream.model().text()->tokens(), 3, at());
    Result<void> pushed;
    seconds += Seconds([&] { pushed = stream.Push(tokens); });
    if (!pushed) return pushed.error();
    if (loaded == 0) {
      // What the first token out reads of the file is not to be counted as growth.
      if (const auto token = stream.Fork().Next(); !token) return token.error();
      loaded = ResidentBytes();
    }
    const uint64_t resident = ResidentBytes();
    if (at() < next && at() < command.stream && !Interrupted()) continue;
    const double speed = static_cast<double>(at() - since) / seconds,
                 mb = static_cast<double>(resident) / 1e6,
                 above = mb - static_cast<double>(loaded) / 1e6;
    if (command.json)
      fmt::print("{}\n", nlohmann::ordered_json(
                             {{"tokens", at()},
                              {"begun_at", begun},
                              {"tok_s", speed},
                              {"rss_mb", mb},
                              {"above_first_block_mb", above},
                              {"state_mb", static_cast<double>(stream.state_bytes()) / 1e6}})
                             .dump());
    else
      fmt::print("{:>11}  {:>15.1f}  {:>11.1f}  {:>24.1f}\n", Grouped(at()), speed, mb, above);
    std::fflush(stdout);
    since = at();
    seconds = 0;
    if (at() == next) next *= 4;
  }
  return command.state.empty() ? Result<void>() : WriteAtomically(command.state, stream.Save());
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
    pointers.reserve(streams.size());
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
  if (command.context.context == 0 && command.context.window == 0)
    command.context.context = command.stream > 0
                                  ? command.stream
                                  : std::max(command.prompt, command.depth + command.generated + 1);
  const Result<std::shared_ptr<const Model>> model = Model::Load(*path, command.context);
  if (!model) return model.error();
  if ((*model)->text() == nullptr)
    return (*model)->weights().Complain("the model does not generate text");
  auto runner = std::make_shared<TextRunner>(*model, command.threads);
  const Result<Generator> fresh = Generator::Open(*model, {.ignore_end = true}, runner);
  if (!fresh) return fresh.error();
  if (command.stream > 0) return BenchStream(*fresh, command);
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
  AddThreadsFlag(*command, options->threads);
  add("--repeats", options->repeats, "Of each measurement; the median counts")
      ->check(CLI::Range(1, 99));
  AddContextFlags(*command, options->context, 0,
                  "Tokens that attention sees; 0: as many as needed");
  add("--stream", options->stream, "Instead: tokens read in blocks; speed and memory on the way");
  add("--state", options->state, "with --stream: file to go on from, if it is there, and to leave");
  command->add_flag("--json", options->json, "One JSON object; with --stream, one a line");
  command->callback([options, &code] {
    if (options->stream > 0) CatchInterrupt();
    const Result<void> done = BenchGenerate(*options);
    code = done ? kDone : Fail(done.error());
  });
}

}  // namespace rill

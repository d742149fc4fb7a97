// `rill generate`: text in, text out, as it comes.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>

#include <nlohmann/json.hpp>

#include "pipeline/files.h"
#include "pipeline/generator.h"
#include "pipeline/text_stage.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/text_flags.h"

namespace rill {
namespace {

constexpr const char* kExamples = R"(Examples:
  rill generate -m LFM2-1.2B-Q4_0.gguf -p "Why is the sky blue?"
  rill generate -m LFM2-1.2B-Q4_0.gguf --chat --system "Be brief."
  rill generate -m LFM2-350M-Q8_0.gguf --raw -p "Once upon a time" -n 100 --temperature 0.8
  rill generate -m LFM2-1.2B-Q4_0.gguf -f prompt.txt --save-state prompt.state -n 0
  rill generate -m LFM2-1.2B-Q4_0.gguf --resume prompt.state -p "And in winter?"

A prompt is a message to the assistant, unless --raw is given: then the text goes on from it.)";

struct GenerateCommand {
  std::string model, prompt, file, save_state, resume, kv = "f16";
  bool chat = false, json = false;
  size_t tokens = 512, threads = 0;
  PromptOptions prompts;
  Model::Options context;
  GeneratorOptions options;
};

class Conversation {
 public:
  Conversation(const GenerateCommand& command, std::shared_ptr<const Model> model, Generator stream)
      : command_(command), model_(std::move(model)), stream_(std::move(stream)) {}

  Result<void> Resume(const std::string& path) {
    const Result<std::vector<std::byte>> bytes = ReadFile(path, kMostSnapshotBytes);
    if (!bytes) return bytes.error();
    if (Result<void> restored = stream_.Restore(*bytes); !restored)
      return Error{path + ": " + restored.error().message};
    return {};
  }

  Result<void> Save(const std::string& path) const { return WriteAtomically(path, stream_.Save()); }

  // One prompt and its answer.
  Result<void> Say(const std::string& prompt) {
    const Result<std::vector<int32_t>> ids =
        EncodePrompt(*model_, prompt, stream_.last_token(), command_.prompts);
    if (!ids) return ids.error();
    const auto begin = std::chrono::steady_clock::now();
    if (Result<void> pushed = Push(*ids); !pushed) return pushed;
    const auto read = std::chrono::steady_clock::now();
    std::string answer;
    size_t count = 0;
    bool over = false;
    const auto full = [&] { return !over && count < command_.tokens && stream_.room() < 1; };
    for (; count < command_.tokens && !over && !full() && !Interrupted(); ++count) {
      const Result<GeneratedToken> token = stream_.Next();
      if (!token) return token.error();
      over = token->last;
      answer += token->text;
      Show(token->text);
    }
    if (!over) {
      const std::string rest = stream_.Cut();
      answer += rest;
      Show(rest);
    }
    const auto end = std::chrono::steady_clock::now();
    if (command_.json) {
      const auto seconds = [](auto from, auto to) {
        return std::chrono::duration<double>(to - from).count();
      };
      const char* finish = over ? "end" : full() ? "context" : "length";
      const nlohmann::ordered_json line = {{"text", answer},
                                           {"finish", finish},
                                           {"prompt_tokens", ids->size()},
                                           {"tokens", count},
                                           {"prefill_s", seconds(begin, read)},
                                           {"decode_s", seconds(read, end)}};
      std::puts(line.dump().c_str());
    } else if (command_.tokens > 0) {
      std::puts("");
    }
    if (full())
      Note("the answer ends where the context of " + std::to_string(stream_.position()) +
           " tokens is full: declare a longer one, or a window");
    return {};
  }

  // Lines of the standard input, until it ends.
  Result<void> Chat() {
    const bool terminal = isatty(STDIN_FILENO) != 0;
    for (std::string line;;) {
      if (terminal) fmt::print("> "), std::fflush(stdout);
      if (!std::getline(std::cin, line) || Interrupted()) return {};
      if (line.empty()) continue;
      if (Result<void> said = Say(line); !said) return said;
      if (Interrupted()) return {};
    }
  }

 private:
  // What cannot be written is said at the end: the conversation goes on.
  void Show(const std::string& text) const {
    if (command_.json) return;
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }

  // A block at a time, so that a long prompt can be interrupted.
  Result<void> Push(std::span<const int32_t> ids) {
    if (static_cast<int64_t>(ids.size()) > stream_.room()) return stream_.Push(ids);
    for (size_t done = 0; done < ids.size();) {
      if (Interrupted())
        return Error{"interrupted after " + std::to_string(done) + " of the " +
                     std::to_string(ids.size()) + " tokens of the prompt"};
      const auto part = ids.subspan(done, std::min(TextRunner::kRows, ids.size() - done));
      if (Result<void> pushed = stream_.Push(part); !pushed) return pushed;
      done += part.size();
    }
    return {};
  }

  const GenerateCommand& command_;
  std::shared_ptr<const Model> model_;
  Generator stream_;
};

Result<std::string> PromptOf(const GenerateCommand& command) {
  if (command.file.empty()) return command.prompt;
  const Result<std::vector<std::byte>> bytes =
      command.file == "-" ? ReadDescriptor(STDIN_FILENO, "standard input", Tokenizer::kMostBytes)
                          : ReadFile(command.file, Tokenizer::kMostBytes);
  if (!bytes) return bytes.error();
  return std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size());
}

Result<void> Generate(GenerateCommand command) {
  const Result<std::string> path = FindModel(command.model);
  if (!path) return path.error();
  if (command.kv == "f32") command.context.cache = CachePrecision::kFloat32;
  const Result<std::shared_ptr<const Model>> model = Model::Load(*path, command.context);
  if (!model) return model.error();
  if ((*model)->text() == nullptr)
    return (*model)->weights().Complain("the model does not generate text");
  Result<Generator> stream = Generator::Open(*model, command.options,
                                             std::make_shared<TextRunner>(*model, command.threads));
  if (!stream) return stream.error();
  Conversation conversation(command, *model, std::move(*stream));
  CatchInterrupt();
  if (!command.resume.empty())
    if (Result<void> resumed = conversation.Resume(command.resume); !resumed) return resumed;
  Result<void> done;
  if (command.chat) {
    done = conversation.Chat();
  } else {
    const Result<std::string> prompt = PromptOf(command);
    if (!prompt) return prompt.error();
    done = conversation.Say(*prompt);
  }
  // A conversation is not lost with a prompt that was refused.
  if (command.save_state.empty() || (!done && !command.chat)) return done;
  const Result<void> saved = conversation.Save(command.save_state);
  return done ? saved : done;
}

}  // namespace

void AddGenerate(CLI::App& app, int& code) {
  auto options = std::make_shared<GenerateCommand>();
  CLI::App* command = app.add_subcommand("generate", "Go on with a text, or answer one");
  command->footer(kExamples);
  const auto add = [&](const char* name, auto& value, const char* help) {
    return command->add_option(name, value, help)->capture_default_str();
  };
  SamplerOptions& sampling = options->options.sampling;
  add("-m,--model", options->model, "GGUF file of architecture lfm2, lfm2moe or lfm3")->required();
  CLI::Option* prompt = add("-p,--prompt", options->prompt, "The prompt");
  CLI::Option* file = add("-f,--file", options->file, "File with the prompt; -: standard input");
  CLI::Option* chat = command->add_flag("--chat", options->chat, "A prompt a line, until the end");
  prompt->excludes(file)->excludes(chat);
  file->excludes(chat);
  CLI::Option* raw = command->add_flag("--raw", options->prompts.raw,
                                       "Go on from the prompt; its special tokens count");
  CLI::Option* system =
      add("--system", options->prompts.system, "What the assistant is told first")->excludes(raw);
  add("-n,--tokens", options->tokens, "Tokens at most, of an answer");
  AddContextFlags(*command, options->context, 1, "Tokens that attention sees");
  add("--kv", options->kv, "How keys and values are kept")->check(CLI::IsMember({"f16", "f32"}));
  add("--temperature", sampling.temperature, "0: always the likeliest token");
  add("--top-k", sampling.top_k, "Only of the likeliest K; 0: of all");
  add("--top-p", sampling.top_p, "Only of the likeliest that add up to this");
  add("--min-p", sampling.min_p, "Only of those at least so likely as the likeliest, times this");
  add("--repetition-penalty", sampling.repetition_penalty, "Of tokens that were there; 1: none");
  add("--repetition-window", sampling.repetition_window, "Tokens that it looks back");
  add("--seed", sampling.seed, "Of what is drawn");
  add("--stop", options->options.stops, "Text that ends an answer; may be given again");
  command->add_flag("--ignore-end", options->options.ignore_end, "Go on after the end of the text");
  AddThreadsFlag(*command, options->threads);
  add("--resume", options->resume, "Go on from a state that --save-state wrote")->excludes(system);
  add("--save-state", options->save_state, "Write the state at the end");
  command->add_flag("--json", options->json, "One JSON object an answer");
  command->callback([options, &code] {
    const Result<void> done = Generate(*options);
    code = done ? kDone : Fail(done.error());
  });
}

}  // namespace rill

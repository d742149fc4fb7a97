// `rill logits`: raw logits of given tokens, to compare with other implementations.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>

#include "pipeline/files.h"
#include "pipeline/generator.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/text_flags.h"

namespace rill {
namespace {

constexpr const char* kExamples = R"(Example:
  rill logits -m LFM2-350M-Q4_0.gguf --tokens ids.i32 -o logits.f32

The tokens are little-endian int32; the logits little-endian float32 [tokens, vocabulary], row t
those of the token after position t. Keys and values are kept as float32.)";

struct LogitsCommand {
  std::string model, tokens, output;
  size_t threads = 0, block = TextRunner::kRows;
};

Result<std::vector<int32_t>> ReadTokens(const std::string& path) {
  constexpr size_t kMostBytes = size_t{1} << 28;
  const Result<std::vector<std::byte>> bytes = ReadFile(path, kMostBytes);
  if (!bytes) return bytes.error();
  if (bytes->empty() || bytes->size() % sizeof(int32_t) != 0)
    return Error{path + ": " + std::to_string(bytes->size()) +
                 " bytes, int32 tokens take a multiple of 4 and there must be one"};
  std::vector<int32_t> tokens(bytes->size() / sizeof(int32_t));
  std::memcpy(tokens.data(), bytes->data(), bytes->size());
  return tokens;
}

Result<void> Logits(const LogitsCommand& command) {
  const Result<std::string> path = FindModel(command.model);
  if (!path) return path.error();
  const Result<std::vector<int32_t>> tokens = ReadTokens(command.tokens);
  if (!tokens) return tokens.error();
  const auto model =
      Model::Load(*path, {.cache = CachePrecision::kFloat32, .context = tokens->size()});
  if (!model) return model.error();
  if ((*model)->text() == nullptr)
    return (*model)->weights().Complain("the model does not generate text");
  const size_t known = (*model)->text()->tokens(), width = (*model)->backbone().width();
  for (const int32_t token : *tokens)
    if (token < 0 || static_cast<size_t>(token) >= known)
      return Error{command.tokens + ": token " + std::to_string(token) +
                   ", the vocabulary has 0 to " + std::to_string(known - 1)};
  Result<State> state = State::Make((*model)->backbone().layout());
  if (!state) return (*model)->weights().Complain(state.error().message);
  Result<OutputFile> file = OutputFile::Create(command.output);  // which may be the model's
  if (!file) return file.error();
  std::ofstream output(file->path(), std::ios::binary);
  if (!output) return Error{command.output + ": cannot open: " + std::strerror(errno)};
  TextRunner runner(*model, command.threads);
  std::vector<float> rows(command.block * width);
  for (size_t first = 0; first < tokens->size(); first += command.block) {
    const size_t count = std::min(command.block, tokens->size() - first);
    const View<float> hidden{rows.data(), count, width};
    (*model)->text()->Run(std::span(*tokens).subspan(first, count), hidden);
    runner.Run(state->lane(0), hidden);
    const View<float> logits = runner.Logits(hidden);
    output.write(reinterpret_cast<const char*>(logits.data),
                 static_cast<std::streamsize>(logits.flat().size_bytes()));
  }
  output.close();
  if (!output) return Error{command.output + ": cannot write the logits"};
  return file->Finish();
}

}  // namespace

void AddLogits(CLI::App& app, int& code) {
  auto options = std::make_shared<LogitsCommand>();
  CLI::App* command = app.add_subcommand("logits", "Write a text model's raw logits");
  command->footer(kExamples);
  command->add_option("-m,--model", options->model, "GGUF file")->required();
  command->add_option("--tokens", options->tokens, "File of int32 token ids")->required();
  command->add_option("-o,--output", options->output, "File for the float32 logits")->required();
  AddThreadsFlag(*command, options->threads);
  command->add_option("--block", options->block, "Tokens that run together")
      ->check(CLI::Range(size_t{1}, TextRunner::kRows));
  command->callback([options, &code] {
    const Result<void> done = Logits(*options);
    code = done ? kDone : Fail(done.error());
  });
}

}  // namespace rill

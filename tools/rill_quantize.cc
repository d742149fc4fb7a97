// `rill quantize`: a model file with its matrices in another type.
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "pipeline/model.h"
#include "pipeline/quantize_model.h"
#include "tools/commands.h"
#include "tools/console.h"

namespace rill {
namespace {

constexpr const char* kExamples = R"(Examples:
  rill quantize LFM2-1.2B-BF16.gguf LFM2-1.2B-Q4_K.gguf --type Q4_K
  rill quantize LFM2-1.2B-BF16.gguf small.gguf --type Q4_0 --embeddings Q4_0

Norms, convolutions and the routers of experts stay as they are. A matrix whose rows are no
multiple of a block of the type becomes Q8_0, or stays.)";

struct QuantizeCommand {
  std::string input, output, type, embeddings;
};

Result<void> Quantize(const QuantizeCommand& command) {
  const Result<std::string> input = FindModel(command.input);
  if (!input) return input.error();
  const Result<TensorType> matrices = ReadTensorType(command.type);
  if (!matrices) return matrices.error();
  // The table of tokens often gives the logits as well, which few bits harm most.
  const bool coarse = *matrices == TensorType::kQ4_0 || *matrices == TensorType::kQ4_K ||
                      *matrices == TensorType::kQ5_K;
  Result<TensorType> embeddings = coarse ? Result<TensorType>(TensorType::kQ6_K) : matrices;
  if (!command.embeddings.empty()) embeddings = ReadTensorType(command.embeddings);
  if (!embeddings) return embeddings.error();
  const Result<std::shared_ptr<const Weights>> weights = Weights::Open(*input);
  if (!weights) return weights.error();
  Progress progress("quantizing", (*weights)->tensors().size());
  Result<void> done = QuantizeModel(*weights, {*matrices, *embeddings}, command.output,
                                    [&](size_t tensors) { progress.Update(tensors); });
  if (!done) return done;
  std::error_code ignored;
  const uint64_t bytes = std::filesystem::file_size(command.output, ignored);
  fmt::print("{}: {}, from {}\n", command.output, ReadableBytes(bytes),
             ReadableBytes((*weights)->file_bytes()));
  return {};
}

}  // namespace

void AddQuantize(CLI::App& app, int& code) {
  auto options = std::make_shared<QuantizeCommand>();
  CLI::App* command = app.add_subcommand("quantize", "Write a model's matrices in another type");
  command->footer(kExamples);
  command->add_option("INPUT", options->input, "GGUF file or name of a model")->required();
  command->add_option("OUTPUT", options->output, "File to write")->required();
  command
      ->add_option("--type", options->type,
                   "Of the matrices: F32, F16, BF16, Q8_0, Q6_K, Q5_K, Q4_K or Q4_0")
      ->required();
  command->add_option("--embeddings", options->embeddings,
                      "Of the table of tokens and of the logits; by itself Q6_K for smaller types");
  command->callback([options, &code] {
    const Result<void> done = Quantize(*options);
    code = done ? kDone : Fail(done.error());
  });
}

}  // namespace rill

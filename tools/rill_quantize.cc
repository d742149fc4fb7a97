// `rill quantize`: a model file with its matrices in another type.
#include <fmt/format.h>

#include <array>
#include <cstring>
#include <fstream>
#include <memory>
#include <thread>

#include "operators/core/quantize.h"
#include "operators/core/workers.h"
#include "pipeline/model.h"
#include "tools/commands.h"
#include "tools/console.h"

namespace rill {
namespace {

constexpr const char* kExamples = R"(Examples:
  rill quantize LFM2-1.2B-BF16.gguf LFM2-1.2B-Q4_K.gguf --type Q4_K
  rill quantize LFM2-1.2B-BF16.gguf small.gguf --type Q4_0 --embeddings Q4_0

Norms, convolutions and the routers of experts stay as they are. A matrix whose rows are no
multiple of a block of the type becomes Q8_0, or stays.)";

// Types that a file may be told to have, and what general.file_type calls them.
struct FileType {
  TensorType type;
  uint32_t number;
};
constexpr std::array<FileType, 8> kFileTypes = {{{TensorType::kF32, 0},
                                                 {TensorType::kF16, 1},
                                                 {TensorType::kQ4_0, 2},
                                                 {TensorType::kQ8_0, 7},
                                                 {TensorType::kQ4_K, 14},
                                                 {TensorType::kQ5_K, 16},
                                                 {TensorType::kQ6_K, 18},
                                                 {TensorType::kBF16, 32}}};

TensorTypeInfo Info(TensorType type) { return *InfoOf(static_cast<uint32_t>(type)); }

Result<TensorType> ReadType(const std::string& name) {
  std::string known;
  for (const FileType& file_type : kFileTypes) {
    if (Info(file_type.type).name == name) return file_type.type;
    known += (known.empty() ? "" : ", ") + std::string(Info(file_type.type).name);
  }
  return Error{"the type \"" + name + "\" is not known; known are " + known};
}

struct Plan {
  TensorType matrices, embeddings;
};

bool IsEmbedding(std::string_view name) {
  return name == "token_embd.weight" || name == "output.weight";
}

bool IsMatrix(std::string_view name, const Tensor& tensor) {
  constexpr std::string_view kKept[] = {".conv", "norm", "ffn_gate_inp"};
  return tensor.rank >= 2 && tensor.extents[1] > 1 && name.ends_with(".weight") &&
         std::ranges::none_of(kKept, [name](std::string_view part) {
           return name.find(part) != std::string_view::npos;
         });
}

TensorType TypeOf(std::string_view name, const Tensor& tensor, const Plan& plan) {
  if (!IsMatrix(name, tensor)) return tensor.type;
  const TensorType wanted = IsEmbedding(name) ? plan.embeddings : plan.matrices;
  for (const TensorType type : {wanted, TensorType::kQ8_0})
    if (tensor.extents[0] % Info(type).block_elements == 0) return type;
  return tensor.type;
}

uint64_t BytesOf(const Tensor& tensor, TensorType type) {
  return tensor.elements() / Info(type).block_elements * Info(type).block_bytes;
}

constexpr uint64_t kAlignment = 32;
uint64_t Aligned(uint64_t at) { return (at + kAlignment - 1) / kAlignment * kAlignment; }

// Writes a GGUF file from its start to its end.
class GgufWriter {
 public:
  explicit GgufWriter(const std::string& path) : file_(path, std::ios::binary) {}

  template <typename T>
  void Put(const T& value) {
    Bytes(std::as_bytes(std::span(&value, 1)));
  }
  void Text(std::string_view text) {
    Put(uint64_t{text.size()});
    Bytes(std::as_bytes(std::span(text)));
  }
  void Bytes(std::span<const std::byte> bytes) {
    file_.write(reinterpret_cast<const char*>(bytes.data()),
                static_cast<std::streamsize>(bytes.size()));
    at_ += bytes.size();
  }
  void Align() {
    constexpr std::byte kZeros[kAlignment] = {};
    Bytes(std::span(kZeros).first(Aligned(at_) - at_));
  }
  bool Close() {
    file_.close();
    return !file_.fail();
  }

 private:
  std::ofstream file_;
  uint64_t at_ = 0;
};

// The bytes of the keys, with general.file_type and the alignment that the new file has.
std::vector<std::byte> Keys(const Weights& weights, TensorType type) {
  std::vector<std::byte> keys(weights.key_bytes().begin(), weights.key_bytes().end());
  const auto set = [&](std::string_view key, uint32_t value) {
    constexpr uint32_t kUint32 = 4;
    const auto name = std::as_bytes(std::span(key));
    const auto at = std::ranges::search(keys, name);
    uint32_t kind = 0;
    if (at.empty() || keys.end() - at.end() < 8) return;
    std::memcpy(&kind, &*at.end(), sizeof kind);
    if (kind == kUint32) std::memcpy(&*at.end() + sizeof kind, &value, sizeof value);
  };
  for (const FileType& file_type : kFileTypes)
    if (file_type.type == type) set("general.file_type", file_type.number);
  set("general.alignment", kAlignment);
  return keys;
}

// The numbers of a tensor in another type, a piece of rows at a time.
void Convert(const Tensor& tensor, TensorType type, Workers& workers, GgufWriter& file) {
  constexpr uint64_t kPiece = uint64_t{1} << 22;  // elements, whole rows of at most 2^22
  const uint64_t row = tensor.extents[0];
  const TensorTypeInfo from = Info(tensor.type), to = Info(type);
  const uint64_t rows = tensor.elements() / row, together = std::max<uint64_t>(1, kPiece / row);
  const size_t row_from = row / from.block_elements * from.block_bytes;
  const size_t row_to = row / to.block_elements * to.block_bytes;
  for (uint64_t first = 0; first < rows; first += together) {
    const size_t count = std::min(together, rows - first);
    std::vector<std::byte> bytes(count * row_to);
    workers.Run(count, [&](size_t i, size_t) {
      std::vector<float> values(row);
      ToFloat(tensor.type, tensor.bytes.subspan((first + i) * row_from, row_from), values);
      FromFloat(type, values, std::span(bytes).subspan(i * row_to, row_to));
    });
    file.Bytes(bytes);
  }
}

void Write(const Weights& weights, const Plan& plan, const std::string& path, bool& written) {
  GgufWriter file(path);
  file.Bytes(std::as_bytes(std::span("GGUF", 4)));
  file.Put(uint32_t{3});
  file.Put(uint64_t{weights.tensors().size()});
  file.Put(uint64_t{weights.keys().size()});
  file.Bytes(Keys(weights, plan.matrices));
  uint64_t offset = 0;
  for (const auto& [name, tensor] : weights.tensors()) {
    const TensorType type = TypeOf(name, tensor, plan);
    file.Text(name);
    file.Put(static_cast<uint32_t>(tensor.rank));
    for (unsigned axis = 0; axis < tensor.rank; ++axis) file.Put(tensor.extents[axis]);
    file.Put(static_cast<uint32_t>(type));
    file.Put(offset);
    offset = Aligned(offset + BytesOf(tensor, type));
  }
  Workers workers(
      std::clamp<size_t>(std::thread::hardware_concurrency(), 1, Workers::kMostThreads));
  Progress progress("quantizing", weights.tensors().size());
  size_t done = 0;
  for (const auto& [name, tensor] : weights.tensors()) {
    progress.Update(done++);
    file.Align();
    const TensorType type = TypeOf(name, tensor, plan);
    if (type == tensor.type) {
      file.Bytes(tensor.bytes);
    } else {
      Convert(tensor, type, workers, file);
    }
  }
  file.Align();
  written = file.Close();
}

struct QuantizeCommand {
  std::string input, output, type, embeddings;
};

Result<void> Quantize(const QuantizeCommand& command) {
  const Result<std::string> input = FindModel(command.input);
  if (!input) return input.error();
  const Result<TensorType> matrices = ReadType(command.type);
  if (!matrices) return matrices.error();
  // The table of embeddings often gives the logits as well, which few bits harm most.
  const bool coarse = Info(*matrices).name == "Q4_K" || Info(*matrices).name == "Q5_K" ||
                      Info(*matrices).name == "Q4_0";
  const Result<TensorType> embeddings = !command.embeddings.empty() ? ReadType(command.embeddings)
                                        : coarse ? Result<TensorType>(TensorType::kQ6_K)
                                                 : matrices;
  if (!embeddings) return embeddings.error();
  const Result<std::shared_ptr<const Weights>> weights = Weights::Open(*input);
  if (!weights) return weights.error();
  // A file that runs must come of it: the same is asked of the one that is read.
  if (const auto model = Model::Load(*weights); !model) return model.error();
  const std::string partial = command.output + ".part";
  bool written = false;
  Write(**weights, {*matrices, *embeddings}, partial, written);
  Result<void> done;
  if (!written) {
    done = Error{"cannot write " + partial + ": " + std::strerror(errno)};
  } else if (const auto model = Model::Load(partial); !model) {
    done = model.error();
  } else if (std::rename(partial.c_str(), command.output.c_str()) != 0) {
    done = Error{"cannot write " + command.output + ": " + std::strerror(errno)};
  }
  if (!done) {
    std::remove(partial.c_str());
    return done;
  }
  const Result<std::shared_ptr<const Weights>> made = Weights::Open(command.output);
  if (!made) return made.error();
  fmt::print("{}: {}, from {}\n", command.output, ReadableBytes((*made)->file_bytes()),
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

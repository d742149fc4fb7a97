#include "pipeline/quantize_model.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <vector>

#include "operators/core/quantize.h"
#include "operators/core/workers.h"
#include "pipeline/files.h"
#include "pipeline/model.h"

namespace rill {
namespace {

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

TensorType TypeOf(std::string_view name, const Tensor& tensor, const QuantizeOptions& options) {
  if (!IsMatrix(name, tensor)) return tensor.type;
  const TensorType wanted = IsEmbedding(name) ? options.embeddings : options.matrices;
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
  bool is_open() const { return file_.is_open(); }
  bool Close() {
    file_.close();
    return !file_.fail();
  }

 private:
  std::ofstream file_;
  uint64_t at_ = 0;
};

constexpr std::string_view kFileType = "general.file_type";

// The keys, with the file type of the new file and without an alignment: it has the usual one.
void WriteKeys(const Weights& weights, TensorType type, GgufWriter& file) {
  const auto is_kept = [](const Weights::RawKey& key) {
    return key.name != kFileType && key.name != "general.alignment";
  };
  file.Put(static_cast<uint64_t>(std::ranges::count_if(weights.raw_keys(), is_kept)) + 1);
  for (const Weights::RawKey& key : weights.raw_keys())
    if (is_kept(key)) file.Bytes(key.bytes);
  constexpr uint32_t kUint32 = 4;  // of the format
  file.Text(kFileType);
  file.Put(kUint32);
  file.Put(std::ranges::find(kFileTypes, type, &FileType::type)->number);
}

bool IsFinite(std::span<const float> values) {
  return std::ranges::all_of(values, [](float value) { return std::isfinite(value); });
}

// The numbers of a tensor in another type, a piece of rows at a time. Refuses numbers that are not
// finite, or not in the other type.
Result<void> Convert(const std::string& name, const Tensor& tensor, TensorType type,
                     Workers& workers, GgufWriter& file) {
  constexpr uint64_t kPiece = uint64_t{1} << 22;  // elements, whole rows of at most 2^22
  const uint64_t row = tensor.extents[0];
  const TensorTypeInfo from = Info(tensor.type), to = Info(type);
  const uint64_t rows = tensor.elements() / row, together = std::max<uint64_t>(1, kPiece / row);
  const size_t row_from = row / from.block_elements * from.block_bytes;
  const size_t row_to = row / to.block_elements * to.block_bytes;
  std::vector<float> all_values(workers.threads() * row);  // of a row for each thread
  for (uint64_t first = 0; first < rows; first += together) {
    const size_t count = std::min(together, rows - first);
    std::vector<std::byte> bytes(count * row_to);
    std::vector<uint8_t> sound(count);
    workers.Run(count, [&](size_t i, size_t thread) {
      const auto values = std::span(all_values).subspan(thread * row, row);
      const auto out = std::span(bytes).subspan(i * row_to, row_to);
      ToFloat(tensor.type, tensor.bytes.subspan((first + i) * row_from, row_from), values);
      if (!IsFinite(values)) return;
      FromFloat(type, values, out);
      ToFloat(type, out, values);
      sound[i] = IsFinite(values);
    });
    if (const auto bad = std::ranges::find(sound, 0); bad != sound.end())
      return Error{"row " + std::to_string(first + static_cast<uint64_t>(bad - sound.begin())) +
                   " of tensor " + name + " holds numbers that are not finite in " +
                   std::string(from.name) + " or in " + std::string(to.name)};
    file.Bytes(bytes);
  }
  return {};
}

Result<void> Write(const Weights& weights, const QuantizeOptions& options, const std::string& path,
                   const std::function<void(size_t)>& progress) {
  GgufWriter file(path);
  if (!file.is_open()) return Error{"cannot write " + path + ": " + std::strerror(errno)};
  file.Bytes(std::as_bytes(std::span("GGUF", 4)));
  file.Put(uint32_t{3});
  file.Put(uint64_t{weights.tensors().size()});
  WriteKeys(weights, options.matrices, file);
  uint64_t offset = 0;
  for (const auto& [name, tensor] : weights.tensors()) {
    const TensorType type = TypeOf(name, tensor, options);
    file.Text(name);
    file.Put(static_cast<uint32_t>(tensor.rank));
    for (unsigned axis = 0; axis < tensor.rank; ++axis) file.Put(tensor.extents[axis]);
    file.Put(static_cast<uint32_t>(type));
    file.Put(offset);
    offset = Aligned(offset + BytesOf(tensor, type));
  }
  Workers workers(0);
  size_t done = 0;
  for (const auto& [name, tensor] : weights.tensors()) {
    progress(done++);
    file.Align();
    const TensorType type = TypeOf(name, tensor, options);
    if (type == tensor.type) {
      file.Bytes(tensor.bytes);
    } else if (Result<void> sound = Convert(name, tensor, type, workers, file); !sound) {
      return weights.Complain(sound.error().message);
    }
  }
  file.Align();
  if (!file.Close()) return Error{"cannot write all of " + path};
  return {};
}

}  // namespace

Result<TensorType> ReadTensorType(const std::string& name) {
  std::string known;
  for (const FileType& file_type : kFileTypes) {
    if (Info(file_type.type).name == name) return file_type.type;
    known += (known.empty() ? "" : ", ") + std::string(Info(file_type.type).name);
  }
  return Error{"the type \"" + name + "\" is not known; known are " + known};
}

Result<void> QuantizeModel(const std::shared_ptr<const Weights>& weights,
                           const QuantizeOptions& options, const std::string& path,
                           const std::function<void(size_t)>& progress) {
  // A file that runs must come of it: the same is asked of the one that is read.
  if (const auto model = Model::Load(weights); !model) return model.error();
  Result<OutputFile> file = OutputFile::Create(path);
  if (!file) return file.error();
  if (file->is_direct()) return Error{path + ": is no regular file, as a model has to be"};
  if (Result<void> written = Write(*weights, options, file->path(), progress); !written)
    return written;
  if (const auto model = Model::Load(file->path()); !model) return model.error();
  return file->Finish();
}

}  // namespace rill

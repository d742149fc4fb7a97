#include "operators/core/weights.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <optional>

#include "operators/core/text.h"

namespace rill {
namespace {

std::optional<double> AsNumber(const Weights::Scalar& scalar) {
  if (const auto* value = std::get_if<int64_t>(&scalar)) return static_cast<double>(*value);
  if (const auto* value = std::get_if<uint64_t>(&scalar)) return static_cast<double>(*value);
  if (const auto* value = std::get_if<double>(&scalar)) return *value;
  return std::nullopt;
}

std::string ToText(const Weights::Scalar& integer) {
  if (const auto* value = std::get_if<uint64_t>(&integer)) return std::to_string(*value);
  return std::to_string(std::get<int64_t>(integer));
}

}  // namespace

Result<std::shared_ptr<const Weights>> Weights::Open(const std::string& path) {
  // A pipe without a writer is refused, not waited for.
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat status {};
  if (file < 0 || fstat(file, &status) != 0) {
    const std::string reason = std::strerror(errno);
    if (file >= 0) close(file);
    return Error{path + ": cannot open the model file: " + reason};
  }
  if (!S_ISREG(status.st_mode) || status.st_size == 0) {
    close(file);
    return Error{path + ": not a model file: " +
                 (S_ISREG(status.st_mode) ? "it is empty" : "it is no regular file")};
  }
  const size_t count = static_cast<size_t>(status.st_size);
  void* memory = mmap(nullptr, count, PROT_READ, MAP_PRIVATE, file, 0);
  const std::string reason = std::strerror(errno);
  close(file);
  if (memory == MAP_FAILED)
    return Error{path + ": cannot map " + std::to_string(count) + " bytes: " + reason};
  // Where the file system keeps files in pages of 2 MB, walks through page tables cost nothing. It
  // is no more than a wish.
  madvise(memory, count, MADV_HUGEPAGE);
  std::shared_ptr<Weights> weights(
      new Weights({static_cast<const std::byte*>(memory), count}, path));
  weights->mapped_ = true;
  if (Result<void> read = weights->Read(); !read) return read.error();
  return std::shared_ptr<const Weights>(weights);
}

Result<std::shared_ptr<const Weights>> Weights::Parse(std::span<const std::byte> bytes,
                                                      std::string name) {
  std::shared_ptr<Weights> weights(new Weights(bytes, std::move(name)));
  if (Result<void> read = weights->Read(); !read) return read.error();
  return std::shared_ptr<const Weights>(weights);
}

Weights::~Weights() {
  if (mapped_) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

Result<int64_t> Weights::Integer(std::string_view key, int64_t least, int64_t most) const {
  const auto found = keys_.find(key);
  const std::string label = "key " + std::string(key);
  if (found == keys_.end()) return Complain(label + " is missing");
  const Scalar* scalar = std::get_if<Scalar>(&found->second);
  const bool integral = scalar != nullptr && (std::holds_alternative<int64_t>(*scalar) ||
                                              std::holds_alternative<uint64_t>(*scalar));
  if (!integral) return Complain(label + " is not an integer");
  const double value = *AsNumber(*scalar);
  if (value < static_cast<double>(least) || value > static_cast<double>(most))
    return Complain(label + " is " + ToText(*scalar) + ", it must be from " +
                    std::to_string(least) + " to " + std::to_string(most));
  return static_cast<int64_t>(value);
}

Result<double> Weights::Number(std::string_view key, double least, double most) const {
  const auto found = keys_.find(key);
  const std::string label = "key " + std::string(key);
  if (found == keys_.end()) return Complain(label + " is missing");
  const Scalar* scalar = std::get_if<Scalar>(&found->second);
  const std::optional<double> value = scalar == nullptr ? std::nullopt : AsNumber(*scalar);
  if (!value) return Complain(label + " is not a number");
  if (!(*value >= least && *value <= most))
    return Complain(label + " is " + std::to_string(*value) + ", it must be from " +
                    std::to_string(least) + " to " + std::to_string(most));
  return *value;
}

template <typename T>
Result<T> Weights::OfType(std::string_view key, const char* type) const {
  const auto found = keys_.find(key);
  if (found == keys_.end()) return Complain("key " + std::string(key) + " is missing");
  const Scalar* scalar = std::get_if<Scalar>(&found->second);
  if (scalar == nullptr || !std::holds_alternative<T>(*scalar))
    return Complain("key " + std::string(key) + " is not " + type);
  return std::get<T>(*scalar);
}

Result<std::string> Weights::Text(std::string_view key) const {
  const Result<std::string_view> bytes = Bytes(key);
  if (!bytes) return bytes.error();
  return Printable(*bytes);
}

Result<std::string_view> Weights::Bytes(std::string_view key) const {
  return OfType<std::string_view>(key, "a string");
}

Result<std::vector<std::string>> Weights::Texts(std::string_view key) const {
  const auto found = keys_.find(key);
  if (found == keys_.end()) return Complain("key " + std::string(key) + " is missing");
  std::vector<std::string> texts;
  if (const auto* array = std::get_if<std::vector<Scalar>>(&found->second)) {
    for (const Scalar& scalar : *array)
      if (const auto* text = std::get_if<std::string_view>(&scalar)) texts.emplace_back(*text);
    if (texts.size() == array->size()) return texts;
  }
  return Complain("key " + std::string(key) + " is not an array of strings");
}

Result<std::vector<double>> Weights::Numbers(std::string_view key) const {
  const auto found = keys_.find(key);
  if (found == keys_.end()) return Complain("key " + std::string(key) + " is missing");
  std::vector<double> numbers;
  if (const auto* array = std::get_if<std::vector<Scalar>>(&found->second)) {
    for (const Scalar& scalar : *array)
      if (const std::optional<double> number = AsNumber(scalar)) numbers.push_back(*number);
    if (numbers.size() == array->size()) return numbers;
  }
  return Complain("key " + std::string(key) + " is not an array of numbers");
}

Result<std::vector<bool>> Weights::Booleans(std::string_view key) const {
  const auto found = keys_.find(key);
  if (found == keys_.end()) return Complain("key " + std::string(key) + " is missing");
  std::vector<bool> booleans;
  if (const auto* array = std::get_if<std::vector<Scalar>>(&found->second)) {
    for (const Scalar& scalar : *array)
      if (const auto* boolean = std::get_if<bool>(&scalar)) booleans.push_back(*boolean);
    if (booleans.size() == array->size()) return booleans;
  }
  return Complain("key " + std::string(key) + " is not an array of booleans");
}

Result<bool> Weights::Boolean(std::string_view key) const { return OfType<bool>(key, "a boolean"); }

Result<Tensor> Weights::Get(std::string_view name, std::span<const size_t> shape) const {
  const auto found = tensors_.find(name);
  const std::string label = "tensor " + std::string(name);
  std::vector<uint64_t> wanted(shape.rbegin(), shape.rend());
  if (found == tensors_.end())
    return Complain(label + " is missing, shape " + Shape(wanted) + " is wanted");
  const Tensor& tensor = found->second;
  const std::span<const uint64_t> extents = std::span(tensor.extents).first(tensor.rank);
  wanted.resize(4, 1);
  if (!std::equal(wanted.begin(), wanted.end(), tensor.extents.begin()))
    return Complain(label + " has shape " + Shape(extents) + ", " +
                    Shape(std::span(wanted).first(shape.size())) + " is wanted");
  return tensor;
}

Error Weights::NotFinite(std::string_view name, size_t element) const {
  return Complain("tensor " + std::string(name) + " holds a value that is not finite at element " +
                  std::to_string(element));
}

Result<std::vector<float>> Weights::Values(std::string_view name,
                                           std::span<const size_t> shape) const {
  const Result<Tensor> tensor = Get(name, shape);
  if (!tensor) return tensor.error();
  std::vector<float> values(tensor->elements());
  ToFloat(tensor->type, tensor->bytes, values);
  for (size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i])) return NotFinite(name, i);
  return values;
}

Result<std::vector<float>> Weights::Vector(std::string_view name, size_t count) const {
  return Values(name, std::array{count});
}

Result<std::vector<float>> Weights::Matrix(std::string_view name, size_t rows,
                                           size_t columns) const {
  return Values(name, std::array{rows, columns});
}

Result<std::optional<std::span<const std::byte>>> Weights::Q8Matrix(std::string_view name,
                                                                    size_t rows,
                                                                    size_t columns) const {
  const Result<Tensor> tensor = Get(name, std::array{rows, columns});
  if (!tensor) return tensor.error();
  if (tensor->type != TensorType::kQ8_0) return {std::nullopt};
  const TensorTypeInfo info = *InfoOf(static_cast<uint32_t>(TensorType::kQ8_0));
  for (size_t at = 0; at < tensor->bytes.size(); at += info.block_bytes) {
    uint16_t scale = 0;
    std::memcpy(&scale, tensor->bytes.data() + at, sizeof scale);
    if (!std::isfinite(HalfToFloat(scale)))
      return NotFinite(name, at / info.block_bytes * info.block_elements);
  }
  return {tensor->bytes};
}

}  // namespace rill

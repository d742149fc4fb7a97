// A GGUF version 3 file, memory-mapped and read-only: keys, and tensors by name.
//
// Goals: a hostile file gives one clear error, never a crash; nothing of the tensors is copied or
// read until asked for; every error names the file, the key or tensor, and the numbers.
//
// Non-goals: writing files; big-endian files; GGUF versions 1 and 2.
//
// Source: the GGUF specification published in ggml-org/ggml, docs/gguf.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "operators/core/quant.h"
#include "operators/core/result.h"
#include "operators/core/view.h"

namespace rill {

struct Tensor {
  TensorType type = TensorType::kF32;
  unsigned rank = 1;
  std::array<uint64_t, 4> extents = {1, 1, 1, 1};  // innermost first, as in the file
  std::span<const std::byte> bytes;

  uint64_t elements() const { return extents[0] * extents[1] * extents[2] * extents[3]; }
};

class Weights {
 public:
  // Integers of every width arrive as int64 or uint64, floats of both widths as double.
  using Scalar = std::variant<int64_t, uint64_t, double, bool, std::string_view>;
  using Value = std::variant<Scalar, std::vector<Scalar>>;

  static Result<std::shared_ptr<const Weights>> Open(const std::string& path);
  // The same over bytes in memory, which must outlive the object; `name` is for messages.
  static Result<std::shared_ptr<const Weights>> Parse(std::span<const std::byte> bytes,
                                                      std::string name);
  ~Weights();
  Weights(const Weights&) = delete;
  Weights& operator=(const Weights&) = delete;

  const std::string& name() const { return name_; }
  size_t file_bytes() const { return bytes_.size(); }
  const std::map<std::string, Value, std::less<>>& keys() const { return keys_; }
  const std::map<std::string, Tensor, std::less<>>& tensors() const { return tensors_; }
  // The keys as they lie in the file, each with its name and value, in its order.
  struct RawKey {
    std::string_view name;
    std::span<const std::byte> bytes;
  };
  const std::vector<RawKey>& raw_keys() const { return raw_keys_; }

  // Keys that must exist, have the type, and lie in the range.
  Result<int64_t> Integer(std::string_view key, int64_t least, int64_t most) const;
  Result<double> Number(std::string_view key, double least, double most) const;
  // Of a string what can be printed, and all its bytes, which live as long as the file.
  Result<std::string> Text(std::string_view key) const;
  Result<std::string_view> Bytes(std::string_view key) const;
  Result<std::vector<std::string>> Texts(std::string_view key) const;
  Result<std::vector<double>> Numbers(std::string_view key) const;
  Result<std::vector<bool>> Booleans(std::string_view key) const;
  Result<bool> Boolean(std::string_view key) const;
  bool Has(std::string_view key) const { return keys_.find(key) != keys_.end(); }

  // A tensor that must exist and have the shape, as it lies in the file.
  Result<Tensor> Get(std::string_view name, std::span<const size_t> shape) const;

  // The same, which must hold only finite values; as float32.
  Result<std::vector<float>> Vector(std::string_view name, size_t count) const;
  Result<std::vector<float>> Matrix(std::string_view name, size_t rows, size_t columns) const;

  // The same matrix as it lies in the file, [rows, columns / 32] blocks of Q8_0 whose scales are
  // finite; nothing when it is of another type.
  Result<std::optional<std::span<const std::byte>>> Q8Matrix(std::string_view name, size_t rows,
                                                             size_t columns) const;

  // Hash of keys, tensor table and a fixed sample of every tensor's bytes: the model's identity.
  uint64_t fingerprint() const { return fingerprint_; }

  // An error that starts with the file's name.
  Error Complain(const std::string& what) const { return Error{name_ + ": " + what}; }

 private:
  Weights(std::span<const std::byte> bytes, std::string name)
      : bytes_(bytes), name_(std::move(name)) {}
  Result<void> Read();
  template <typename T>
  Result<T> OfType(std::string_view key, const char* type) const;
  Error NotFinite(std::string_view name, size_t element) const;
  Result<std::vector<float>> Values(std::string_view name, std::span<const size_t> shape) const;
  uint64_t Fingerprint() const;

  std::span<const std::byte> bytes_;
  bool mapped_ = false;  // bytes_ came from mmap and are returned in the destructor
  std::string name_;
  std::vector<RawKey> raw_keys_;
  std::map<std::string, Value, std::less<>> keys_;
  std::map<std::string, Tensor, std::less<>> tensors_;
  uint64_t fingerprint_ = 0;
};

}  // namespace rill

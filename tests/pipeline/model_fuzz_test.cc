// Model files of every kind with each field of their heads changed: they load and run, or are
// refused with a sentence that names the file. The fuzz target goes on from here.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "pipeline/files.h"
#include "tests/fuzz/model_fuzz.h"
#include "tests/support/liquid_file.h"

namespace rill::testing {
namespace {

std::vector<std::byte> Golden(const std::string& name) {
  return *ReadFile(RILL_SOURCE_DIR "/tests/goldens/" + name + "_model.gguf", size_t{1} << 30);
}

std::vector<std::byte> Liquid(const std::string& architecture) {
  LiquidShape shape;
  shape.architecture = architecture;
  if (architecture == "lfm2moe") shape.experts = 4;
  return LiquidFile(shape).Bytes();
}

// Changes the file in place, runs it, and changes it back.
class Damage {
 public:
  explicit Damage(std::vector<std::byte> bytes) : bytes_(std::move(bytes)) {}

  template <typename T>
  void Put(size_t at, T value) {
    T was;
    std::memcpy(&was, bytes_.data() + at, sizeof was);
    std::memcpy(bytes_.data() + at, &value, sizeof value);
    Check();
    std::memcpy(bytes_.data() + at, &was, sizeof was);
  }
  // What may be there instead of an integer of that size.
  template <typename T>
  void PutExtremes(size_t at) {
    T was;
    std::memcpy(&was, bytes_.data() + at, sizeof was);
    const T top = T{1} << (8 * sizeof(T) - 1);
    for (const T value :
         {T{0}, T{1}, static_cast<T>(was - 1), static_cast<T>(was + 1), static_cast<T>(2 * was),
          static_cast<T>(top - 1), top, static_cast<T>(~T{0})})
      Put(at, value);
  }
  void Check() const {
    const std::string wrong = FuzzModel(bytes_);
    if (wrong.empty()) return;
    EXPECT_TRUE(wrong.starts_with("fuzz.gguf")) << wrong;
    EXPECT_EQ(wrong.find('\n'), std::string::npos) << wrong;
  }

  const std::vector<std::byte>& bytes() const { return bytes_; }
  // Where a name stands. It may begin others: its length, in the 8 bytes before it, tells them
  // apart.
  size_t FindName(std::string_view name) const {
    std::string sized(8, '\0');
    sized[0] = static_cast<char>(name.size());
    sized += name;
    const std::string_view all(reinterpret_cast<const char*>(bytes_.data()), bytes_.size());
    return all.find(sized) + 8;
  }
  template <typename T>
  T At(size_t at) const {
    T value;
    std::memcpy(&value, bytes_.data() + at, sizeof value);
    return value;
  }

 private:
  std::vector<std::byte> bytes_;
};

class DamagedModel : public ::testing::TestWithParam<std::string> {
 protected:
  static std::vector<std::byte> Make() {
    return GetParam().starts_with("lfm") ? Liquid(GetParam()) : Golden(GetParam());
  }
};

TEST_P(DamagedModel, EveryKeyIsChecked) {
  constexpr uint32_t kFloat = 6, kBool = 7, kText = 8, kArray = 9;
  constexpr size_t kFirst = 4;  // elements of an array
  Damage file(Make());
  ASSERT_EQ(FuzzModel(file.bytes()), "");
  const auto weights = *Weights::Parse(file.bytes(), "fuzz.gguf");
  for (const auto& [key, value] : weights->keys()) {
    SCOPED_TRACE(key);
    const size_t name = file.FindName(key), at = name + key.size();
    ASSERT_LE(file.At<uint32_t>(at), 12u) << "no type of a key";
    file.Put(name, std::byte{'x'});  // the key is missing
    file.PutExtremes<uint32_t>(at);
    const auto element = [&](uint32_t type, size_t where) {
      if (type == kText)
        file.PutExtremes<uint64_t>(where);
      else if (type == kBool)
        file.PutExtremes<uint8_t>(where);
      else
        file.PutExtremes<uint32_t>(where);
      if (type == kFloat)
        for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -1.0f, 1e38f, 1e-40f})
          file.Put(where, bad);
    };
    const auto type = file.At<uint32_t>(at);
    if (type != kArray) {
      element(type, at + 4);
      continue;
    }
    const auto inner = file.At<uint32_t>(at + 4);
    file.PutExtremes<uint32_t>(at + 4);
    file.PutExtremes<uint64_t>(at + 8);
    const size_t bytes = inner == kBool ? 1 : 4;
    for (size_t i = 0; i < std::min<size_t>(kFirst, file.At<uint64_t>(at + 8)); ++i)
      if (inner != kText || i == 0) element(inner, at + 16 + i * bytes);
  }
}

TEST_P(DamagedModel, EveryTensorIsChecked) {
  Damage file(Make());
  const auto weights = *Weights::Parse(file.bytes(), "fuzz.gguf");
  for (const auto& [name, tensor] : weights->tensors()) {
    SCOPED_TRACE(name);
    const size_t begin = file.FindName(name), at = begin + name.size();
    file.Put(begin, std::byte{'x'});
    file.PutExtremes<uint32_t>(at);
    for (size_t i = 0; i < tensor.rank; ++i) file.PutExtremes<uint64_t>(at + 4 + 8 * i);
    const size_t type = at + 4 + size_t{8} * tensor.rank;
    for (uint32_t other = 0; other < 40; ++other) file.Put(type, other);
    file.PutExtremes<uint64_t>(type + 4);
  }
}

TEST_P(DamagedModel, NoBytesCrash) {
  Damage file(Make());
  const auto weights = *Weights::Parse(file.bytes(), "fuzz.gguf");
  size_t head = file.bytes().size();
  for (const auto& [_, tensor] : weights->tensors())
    head = std::min(head, static_cast<size_t>(tensor.bytes.data() - file.bytes().data()));
  Random random(1);
  for (size_t i = 0; i < 300; ++i) {
    auto bytes = file.bytes();
    for (size_t count = 1 + random.Below(4); count > 0; --count)
      bytes[random.Below(head)] = static_cast<std::byte>(random.Bits());
    Damage(std::move(bytes)).Check();
  }
}

INSTANTIATE_TEST_SUITE_P(Files, DamagedModel,
                         ::testing::Values("lfm2", "lfm2moe", "lfm3", "sensor", "speech", "image",
                                           "omni"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace rill::testing

#include "tests/fuzz/gguf_fuzz.h"

#include <cstdint>

#include "operators/block.h"
#include "operators/core/weights.h"

namespace rill::testing {

void FuzzGguf(std::span<const std::byte> bytes) {
  const auto weights = Weights::Parse(bytes, "m.gguf");
  if (!weights) return;
  for (const auto& [name, tensor] : (*weights)->tensors()) {
    const size_t columns = static_cast<size_t>(tensor.extents[0]);
    static_cast<void>((*weights)->Vector(name, columns));
    const size_t rows = static_cast<size_t>(tensor.extents[1]);
    static_cast<void>((*weights)->Matrix(name, rows, columns));
    static_cast<void>((*weights)->Q8Matrix(name, rows, columns));
  }
  for (const auto& [key, _] : (*weights)->keys()) {
    static_cast<void>((*weights)->Texts(key));
    static_cast<void>((*weights)->Numbers(key));
  }
  static_cast<void>(Backbone::Load(**weights, {}));
}

}  // namespace rill::testing

#ifdef RILL_FUZZ_MAIN
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  rill::testing::FuzzGguf(std::as_bytes(std::span(data, bytes)));
  return 0;
}
#endif

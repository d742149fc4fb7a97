// Whatever bytes come in whatever pieces, the framer's lines are those of a plain split that leaves
// out the long ones. The first byte is the bound, the second seeds the cuts.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "pipeline/net_framing.h"

// Also called by net_framing_test.cc.
extern "C" int FuzzNetFraming(const uint8_t* data, size_t bytes) {
  if (bytes < 2) return 0;
  const size_t longest = data[0] % 32 + 1;
  uint32_t random = data[1];
  const std::string text(reinterpret_cast<const char*>(data) + 2, bytes - 2);

  std::string want;
  uint64_t oversize = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    if (end - at > longest) {
      ++oversize;
    } else {
      want += text.substr(at, end - at) + '\n';
    }
    at = end + 1;
  }

  rill::LineFramer framer(longest);
  std::string got;
  const auto take = [&](const std::string& message) {
    if (message.empty() || message.back() != '\n' || message.size() > longest + 1) std::abort();
    got += message;
  };
  for (size_t at = 0; at < text.size();) {
    random = random * 1664525 + 1013904223;  // Numerical Recipes
    const size_t piece = random >> 28;
    framer.Push(std::string_view(text).substr(at, piece));
    at += piece;
    while (const auto message = framer.Pull()) take(*message);
  }
  if (const auto last = framer.Finish()) take(*last);
  if (got != want || framer.oversize() != oversize) std::abort();
  return 0;
}

#ifdef RILL_FUZZ_MAIN
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  return FuzzNetFraming(data, bytes);
}
#endif

// Opens a model file that may be damaged in any way, and runs what it offers for a few frames; only
// crashes and sanitizers can fail here.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace rill::testing {

// What was wrong with the file; empty where it loads.
std::string FuzzModel(std::span<const std::byte> bytes);

}  // namespace rill::testing

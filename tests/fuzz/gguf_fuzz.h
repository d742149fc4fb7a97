// Reads everything a model file offers, well-formed or not; only crashes and sanitizers can fail
// here.
#pragma once

#include <cstddef>
#include <span>

namespace rill::testing {

void FuzzGguf(std::span<const std::byte> bytes);

}  // namespace rill::testing

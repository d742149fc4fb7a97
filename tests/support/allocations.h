// Counts the calls of operator new of this thread; defined once in allocations.cc, which replaces
// the global operators.
#pragma once

#include <cstddef>

namespace rill::testing {

size_t Allocations();

}  // namespace rill::testing

// Feeds the row parser any bytes under options drawn from them; shared by libFuzzer and the tests.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rill {

// Aborts by assertion or sanitizer where the parser breaks a promise; returns the rows read.
size_t FuzzRowParser(const uint8_t* data, size_t bytes);

}  // namespace rill

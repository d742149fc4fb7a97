// Which vector instructions the kernels use: the best the CPU has, or what RILL_TARGET forces.
#pragma once

#include <string>

#include "operators/core/result.h"

namespace rill {

// RILL_TARGET is read once, when the library is loaded: scalar, sse4, avx2, avx3 or neon. An error
// when it names none of these or one that this CPU lacks; the best target is used then.
Result<void> CheckTarget();

// The target whose kernels run, by the name Highway gives it: "AVX2".
std::string TargetName();

}  // namespace rill

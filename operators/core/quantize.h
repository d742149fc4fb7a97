// Numbers to GGUF element types: the other way of ToFloat in quant.h.
//
// Q8_0 and Q4_0 take the step that the largest number needs. The K types look for the steps and
// offsets of each part that leave the least squared error, then round those to 6 bits (8 in Q6_K)
// of the block's, and choose the codes anew.
//
// Source: the formats as published by ggml-org/ggml; the search for steps is our own.
#pragma once

#include "operators/core/quant.h"

namespace rill {

// Converts whole blocks of finite numbers; `bytes` has room for exactly the blocks of `values`.
// Equal numbers give equal bytes.
void FromFloat(TensorType type, std::span<const float> values, std::span<std::byte> bytes);

}  // namespace rill

// The input of a stateful operator: rows of one or many streams in one block.
//
// Sequence i owns the next `rows` rows of `x` and `dt`, in time order. One sequence of n rows is a
// block of a stream; n sequences of one row are a step of n streams. What a row becomes does not
// depend on the rows beside it.
#pragma once

#include <cstddef>
#include <span>

#include "operators/core/state.h"
#include "operators/core/view.h"

namespace rill {

struct Sequence {
  Lane lane;
  size_t rows = 0;
};

struct Frames {
  View<const float> x;              // [rows, width]
  std::span<const float> dt;        // [rows], time since the row before; 1 is usual
  std::span<const Sequence> batch;  // their rows add up to x.rows
};

}  // namespace rill

// Working memory of a session, and the threads that work in it: taken in order, given back in one
// go, never grown while streaming.
#pragma once

#include <cassert>
#include <cstddef>
#include <span>
#include <vector>

#include "operators/core/view.h"

namespace rill {

class Workers;

class Scratch {
 public:
  // Without workers everything runs on the caller's thread.
  explicit Scratch(size_t floats, Workers* workers = nullptr)
      : floats_(floats), workers_(workers) {}

  Workers* workers() const { return workers_; }

  // Everything taken while a Frame lives is free again when it ends. Contents are undefined.
  class Frame {
   public:
    explicit Frame(Scratch& scratch) : scratch_(scratch), begin_(scratch.used_) {}
    ~Frame() { scratch_.used_ = begin_; }
    Frame(const Frame&) = delete;
    Frame& operator=(const Frame&) = delete;

    View<float> Take(size_t rows, size_t columns) {
      assert(scratch_.used_ + rows * columns <= scratch_.floats_.size());
      float* data = scratch_.floats_.data() + scratch_.used_;
      scratch_.used_ += rows * columns;
      return {data, rows, columns};
    }

   private:
    Scratch& scratch_;
    size_t begin_;
  };

 private:
  std::vector<float> floats_;
  Workers* workers_;
  size_t used_ = 0;
};

}  // namespace rill

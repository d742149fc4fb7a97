// A matrix that somebody else owns: [rows, columns], row-major; rows are time, lanes or outputs.
#pragma once

#include <cassert>
#include <cstddef>
#include <span>
#include <type_traits>

namespace rill {

template <typename T>
struct View {
  T* data = nullptr;
  size_t rows = 0;
  size_t columns = 0;

  std::span<T> operator[](size_t row) const {
    assert(row < rows);
    return {data + row * columns, columns};
  }
  View Rows(size_t first, size_t count) const {
    assert(first + count <= rows);
    return {data + first * columns, count, columns};
  }
  std::span<T> flat() const { return {data, rows * columns}; }
  operator View<const T>() const requires(!std::is_const_v<T>) { return {data, rows, columns}; }
};

}  // namespace rill

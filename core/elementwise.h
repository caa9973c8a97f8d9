// Matrices element by element, and rows that lie apart: what is no product. All row-major windows
// of core/tensor.h; shapes must agree.
#pragma once

#include <algorithm>
#include <span>
#include <type_traits>

#include "core/tensor.h"

namespace seqbench {

template <typename T>
void set_zero(MatrixView<T> matrix) {
  for (Index i = 0; i < matrix.rows; ++i) std::fill_n(matrix.row(i), matrix.cols, T{0});
}

template <typename T>
void scale(MatrixView<T> matrix, T factor) {
  for (Index i = 0; i < matrix.rows; ++i) {
    T* const row = matrix.row(i);
    for (Index j = 0; j < matrix.cols; ++j) row[j] *= factor;
  }
}

/// to = from.
template <typename T>
void copy(MatrixView<const std::type_identity_t<T>> from, MatrixView<T> to) {
  assert(from.rows == to.rows && from.cols == to.cols);
  for (Index i = 0; i < to.rows; ++i) std::copy_n(from.row(i), to.cols, to.row(i));
}

/// to += from.
template <typename T>
void add(MatrixView<const std::type_identity_t<T>> from, MatrixView<T> to) {
  assert(from.rows == to.rows && from.cols == to.cols);
  for (Index i = 0; i < to.rows; ++i) {
    const T* const source = from.row(i);
    T* const row = to.row(i);
    for (Index j = 0; j < to.cols; ++j) row[j] += source[j];
  }
}

/// to = a + b, which may be one of them.
template <typename T>
void assign_sum(MatrixView<const std::type_identity_t<T>> a,
                MatrixView<const std::type_identity_t<T>> b, MatrixView<T> to) {
  assert(a.rows == to.rows && a.cols == to.cols && b.rows == to.rows && b.cols == to.cols);
  for (Index i = 0; i < to.rows; ++i) {
    const T *const left = a.row(i), *const right = b.row(i);
    T* const row = to.row(i);
    for (Index j = 0; j < to.cols; ++j) row[j] = left[j] + right[j];
  }
}

/// Row k of `to` = row places[k] of `from`.
template <typename T, typename Place>
void gather_rows(MatrixView<const std::type_identity_t<T>> from, std::span<const Place> places,
                 MatrixView<T> to) {
  assert(Index(places.size()) == to.rows && from.cols == to.cols);
  for (Index k = 0; k < to.rows; ++k) {
    const Index place = places[static_cast<std::size_t>(k)];
    assert(place >= 0 && place < from.rows);
    std::copy_n(from.row(place), to.cols, to.row(k));
  }
}

/// Row k of `to` += row places[k] of `from`.
template <typename T, typename Place>
void add_gathered_rows(MatrixView<const std::type_identity_t<T>> from,
                       std::span<const Place> places, MatrixView<T> to) {
  assert(Index(places.size()) == to.rows);
  for (Index k = 0; k < to.rows; ++k) {
    add(from.row_block(places[static_cast<std::size_t>(k)], 1), to.row_block(k, 1));
  }
}

/// Row places[k] of `to` += row k of `from`.
template <typename T, typename Place>
void scatter_add_rows(MatrixView<const std::type_identity_t<T>> from, std::span<const Place> places,
                      MatrixView<T> to) {
  assert(Index(places.size()) == from.rows);
  for (Index k = 0; k < from.rows; ++k) {
    add(from.row_block(k, 1), to.row_block(places[static_cast<std::size_t>(k)], 1));
  }
}

/// Row places[k] of `to` = row k of `from`, and 0 in all other rows. No place stands twice.
template <typename T, typename Place>
void scatter_rows(MatrixView<const std::type_identity_t<T>> from, std::span<const Place> places,
                  MatrixView<T> to) {
  set_zero(to);
  scatter_add_rows(from, places, to);
}

}  // namespace seqbench

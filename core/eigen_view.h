// The project's views as Eigen's expressions, for the sources that compute with them. Apart from
// core/tensor.h, since every source includes that and Eigen takes two seconds to compile.
#pragma once

#include <Eigen/Core>
#include <type_traits>

#include "core/tensor.h"

namespace seqbench {

template <typename T>
using RowMajorMatrix =
    Eigen::Matrix<std::remove_const_t<T>, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <typename T>
using MatrixMap =
    Eigen::Map<std::conditional_t<std::is_const_v<T>, const RowMajorMatrix<T>, RowMajorMatrix<T>>,
               Eigen::Unaligned, Eigen::OuterStride<>>;

/// The same window as an Eigen expression.
template <typename T>
MatrixMap<T> as_eigen(MatrixView<T> view) {
  return {view.data, view.rows, view.cols, Eigen::OuterStride<>(view.stride)};
}

}  // namespace seqbench

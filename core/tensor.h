// Row-major tensors: one owner and two views.
//
// `Tensor` owns aligned memory. `MatrixView` is a [rows, cols] window whose rows may lie further
// apart than they are wide, as one head's columns of a [T, 3D] projection do. `SequenceView` is a
// contiguous [B, T, D] window that hands out the three matrices every layer needs: all tokens, one
// sequence, one time step.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <memory>
#include <numeric>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace seqbench {

using Index = std::ptrdiff_t;

/// [rows, cols], row-major, rows `stride` elements apart. Owns nothing.
template <typename T>
struct MatrixView {
  T* data = nullptr;
  Index rows = 0;
  Index cols = 0;
  Index stride = 0;

  MatrixView() = default;
  MatrixView(T* data_, Index rows_, Index cols_) : MatrixView(data_, rows_, cols_, cols_) {}
  MatrixView(T* data_, Index rows_, Index cols_, Index stride_)
      : data(data_), rows(rows_), cols(cols_), stride(stride_) {
    assert(stride >= cols || -stride >= cols);
  }
  // A view that may write converts to one that may only read.
  operator MatrixView<const T>() const requires(!std::is_const_v<T>) {
    return {data, rows, cols, stride};
  }

  T* row(Index i) const { return data + i * stride; }
  T& operator()(Index i, Index j) const { return data[i * stride + j]; }

  /// Rows [first, first + count).
  MatrixView row_block(Index first, Index count) const {
    assert(first >= 0 && first + count <= rows);
    return {row(first), count, cols, stride};
  }
  /// Columns [first, first + count).
  MatrixView column_block(Index first, Index count) const {
    assert(first >= 0 && first + count <= cols);
    return {data + first, rows, count, stride};
  }
  /// The last row first.
  MatrixView upside_down() const { return {row(rows - 1), rows, cols, -stride}; }
};

/// [rows, blocks·block_cols] in equal blocks of columns, each a matrix of its own: how a projection
/// hands out one matrix for each head. Owns nothing.
template <typename T>
struct BlockedMatrixView {
  T* data = nullptr;
  Index rows = 0;
  Index block_cols = 0;
  Index blocks = 0;
  Index row_stride = 0;    // between rows of a block
  Index block_stride = 0;  // between blocks

  operator BlockedMatrixView<const T>() const requires(!std::is_const_v<T>) {
    return {data, rows, block_cols, blocks, row_stride, block_stride};
  }

  Index cols() const { return blocks * block_cols; }
  MatrixView<T> block(Index i) const {
    assert(i >= 0 && i < blocks);
    return {data + i * block_stride, rows, block_cols, row_stride};
  }
  /// Rows [first, first + count) of every block.
  BlockedMatrixView row_range(Index first, Index count) const {
    assert(first >= 0 && first + count <= rows);
    return {data + first * row_stride, count, block_cols, blocks, row_stride, block_stride};
  }
  /// Blocks [first, first + count).
  BlockedMatrixView block_range(Index first, Index count) const {
    assert(first >= 0 && first + count <= blocks);
    return {data + first * block_stride, rows, block_cols, count, row_stride, block_stride};
  }
};

/// Neighbouring columns of one matrix as blocks; block_cols divides its columns.
template <typename T>
BlockedMatrixView<T> in_blocks(MatrixView<T> matrix, Index block_cols) {
  assert(matrix.cols % block_cols == 0);
  return {matrix.data,   matrix.rows, block_cols, matrix.cols / block_cols,
          matrix.stride, block_cols};
}

template <typename T>
BlockedMatrixView<T> as_one_block(MatrixView<T> matrix) {
  return in_blocks(matrix, matrix.cols);
}

/// Contiguous blocks, one [rows, block_cols] matrix behind the other.
template <typename T>
BlockedMatrixView<T> blocks_over(T* data, Index rows, Index block_cols, Index blocks) {
  return {data, rows, block_cols, blocks, block_cols, rows * block_cols};
}

/// [B, T, D], row-major and contiguous. Owns nothing.
template <typename T>
struct SequenceView {
  T* data = nullptr;
  Index batch = 0;
  Index steps = 0;
  Index width = 0;

  operator SequenceView<const T>() const requires(!std::is_const_v<T>) {
    return {data, batch, steps, width};
  }

  /// All tokens: [B·T, D].
  MatrixView<T> tokens() const { return {data, batch * steps, width}; }
  /// Sequence b: [T, D].
  MatrixView<T> sequence(Index b) const { return {data + b * steps * width, steps, width}; }
  /// Time step t of every sequence: [B, D], rows T·D apart.
  MatrixView<T> step(Index t) const { return {data + t * width, batch, width, steps * width}; }
};

/// What a tensor of `bytes` bytes takes: whole cache lines, and from 1 MiB on whole huge pages of
/// 2 MiB. A double, so that requests beyond any machine are counted too.
double padded_bytes(double bytes);

/// Zeroed memory of padded_bytes(bytes) for std::free, aligned to 64 bytes; huge pages where the
/// kernel grants them: rows that lie some KiB apart, as those of a projection do, would each need
/// an entry of the address translation's caches. Throws std::bad_alloc.
void* allocate_zeroed(std::size_t bytes);

/// Owns a row-major array of any rank, 64-byte aligned, zero-initialised. Movable, not copyable:
/// a copy of a large buffer should be visible where it happens.
template <typename T>
class Tensor {
 public:
  Tensor() = default;
  /// Throws std::bad_alloc when the memory cannot be had.
  explicit Tensor(std::vector<Index> shape) : shape_(std::move(shape)) {
    size_ = std::accumulate(shape_.begin(), shape_.end(), Index{1}, std::multiplies<>());
    data_.reset(static_cast<T*>(allocate_zeroed(static_cast<std::size_t>(size_) * sizeof(T))));
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  Index size() const { return size_; }
  Index bytes() const { return size_ * static_cast<Index>(sizeof(T)); }
  const std::vector<Index>& shape() const { return shape_; }
  std::span<T> values() { return {data_.get(), static_cast<std::size_t>(size_)}; }
  std::span<const T> values() const { return {data_.get(), static_cast<std::size_t>(size_)}; }
  T& operator[](Index i) { return data_.get()[i]; }
  const T& operator[](Index i) const { return data_.get()[i]; }

  /// The last dimension as columns, all others as rows; a vector is one row.
  MatrixView<T> matrix() { return {data(), rows(), shape_.back()}; }
  MatrixView<const T> matrix() const { return {data(), rows(), shape_.back()}; }
  /// A rank-3 tensor as [B, T, D].
  SequenceView<T> sequence() {
    assert(shape_.size() == 3);
    return {data(), shape_[0], shape_[1], shape_[2]};
  }
  SequenceView<const T> sequence() const {
    assert(shape_.size() == 3);
    return {data(), shape_[0], shape_[1], shape_[2]};
  }

 private:
  Index rows() const { return shape_.back() == 0 ? 0 : size_ / shape_.back(); }

  struct Free {
    void operator()(T* memory) const { std::free(memory); }
  };
  std::vector<Index> shape_;
  Index size_ = 0;
  std::unique_ptr<T, Free> data_;
};

}  // namespace seqbench

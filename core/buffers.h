// Memory that is declared before it is allocated, from one list, so that the two cannot differ.
//
// A set of buffers is a struct over `Buffer`: a BufferShape where memory is counted, a Tensor where
// it is used. Its buffers() returns pointers to all of them, in the same order for both.
#pragma once

#include <cassert>
#include <numeric>
#include <vector>

#include "core/tensor.h"

namespace seqbench {

/// The shape of a buffer; empty when the buffer is not needed.
using BufferShape = std::vector<Index>;

/// Number of elements as a double, which a shape too large for the machine does not overflow; 0 for
/// a buffer that is not needed.
inline double element_count(const BufferShape& shape) {
  if (shape.empty()) return 0;
  return std::accumulate(shape.begin(), shape.end(), 1.0,
                         [](double product, Index extent) { return product * double(extent); });
}

/// What a tensor of T of that shape takes.
template <typename T>
double allocated_bytes(const BufferShape& shape) {
  return shape.empty() ? 0 : padded_bytes(element_count(shape) * sizeof(T));
}

/// What all buffers of a set take, as tensors of T.
template <typename T, template <typename> class Buffers>
double allocated_bytes(Buffers<BufferShape> shapes) {
  double total = 0;
  for (const BufferShape* shape : shapes.buffers()) total += allocated_bytes<T>(*shape);
  return total;
}

/// Gives every buffer of a set its shape, and zeros; one that is not needed holds no memory. What
/// `tensors` held is freed first. Throws std::bad_alloc.
template <template <typename> class Buffers, typename T>
void allocate_buffers(Buffers<BufferShape> shapes, Buffers<Tensor<T>>& tensors) {
  const auto from = shapes.buffers();
  const auto to = tensors.buffers();
  assert(from.size() == to.size());
  for (Tensor<T>* tensor : to) *tensor = {};
  for (std::size_t i = 0; i < to.size(); ++i) {
    if (!from[i]->empty()) *to[i] = Tensor<T>(*from[i]);
  }
}

}  // namespace seqbench

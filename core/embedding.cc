#include "core/embedding.h"

namespace seqbench {

template <typename T>
void embedding_forward(std::span<const Token> tokens,
                       MatrixView<const std::type_identity_t<T>> table, MatrixView<T> y) {
  assert(Index(tokens.size()) == y.rows && table.cols == y.cols);
  for (Index i = 0; i < y.rows; ++i) {
    const Index v = tokens[static_cast<std::size_t>(i)];
    assert(v >= 0 && v < table.rows);
    as_eigen(y).row(i) = as_eigen(table).row(v);
  }
}

template <typename T>
void embedding_backward(std::span<const Token> tokens, MatrixView<const std::type_identity_t<T>> dy,
                        MatrixView<T> dtable) {
  as_eigen(dtable).setZero();
  add_embedding_gradient(tokens, dy, dtable);
}

template <typename T>
void add_embedding_gradient(std::span<const Token> tokens,
                            MatrixView<const std::type_identity_t<T>> dy, MatrixView<T> dtable) {
  assert(Index(tokens.size()) == dy.rows && dtable.cols == dy.cols);
  for (Index i = 0; i < dy.rows; ++i) {
    const Index v = tokens[static_cast<std::size_t>(i)];
    assert(v >= 0 && v < dtable.rows);
    as_eigen(dtable).row(v) += as_eigen(dy).row(i);
  }
}

#define SEQBENCH_INSTANTIATE(T)                                                                    \
  template void embedding_forward<T>(std::span<const Token>, MatrixView<const T>, MatrixView<T>);  \
  template void embedding_backward<T>(std::span<const Token>, MatrixView<const T>, MatrixView<T>); \
  template void add_embedding_gradient<T>(std::span<const Token>, MatrixView<const T>,             \
                                          MatrixView<T>);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench

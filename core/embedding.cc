#include "core/embedding.h"

#include "core/elementwise.h"

namespace seqbench {

template <typename T>
void embedding_forward(std::span<const Token> tokens,
                       MatrixView<const std::type_identity_t<T>> table, MatrixView<T> y) {
  assert(Index(tokens.size()) == y.rows && table.cols == y.cols);
  gather_rows(table, tokens, y);
}

template <typename T>
void embedding_backward(std::span<const Token> tokens, MatrixView<const std::type_identity_t<T>> dy,
                        MatrixView<T> dtable) {
  set_zero(dtable);
  add_embedding_gradient(tokens, dy, dtable);
}

template <typename T>
void add_embedding_gradient(std::span<const Token> tokens,
                            MatrixView<const std::type_identity_t<T>> dy, MatrixView<T> dtable) {
  assert(Index(tokens.size()) == dy.rows && dtable.cols == dy.cols);
  scatter_add_rows(dy, tokens, dtable);
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

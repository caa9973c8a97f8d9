#include "core/linear.h"

#include <algorithm>

#include "core/bias.h"
#include "core/gemm.h"

namespace seqbench {

template <typename T>
void linear_forward(const ThreadTeam& team, const LinearForward<T>& arguments) {
  const auto& [x, weight, bias, y, factors] = arguments;
  assert(bias.empty() || Index(bias.size()) == y.cols());
  gemm(team, x, weight, y, {.transpose_b = true, .factors = factors},
       bias.empty() ? nullptr : bias.data());
}

template <typename T>
void linear_backward(const ThreadTeam& team, const LinearBackward<T>& arguments) {
  const auto& [x, weight, dy, dx, dweight, dbias, factors] = arguments;
  assert(dbias.empty() || Index(dbias.size()) == dy.cols);
  std::ranges::fill(dbias, T{0});
  if (!dbias.empty()) add_column_sums(team, dy, dbias.data());
  gemm(team, dy, x, dweight, {.transpose_a = true, .factors = factors});
  gemm(team, dy, weight, dx, {.factors = factors});  // last, since dx may be x
}

#define SEQBENCH_INSTANTIATE(T)                                                \
  template void linear_forward<T>(const ThreadTeam&, const LinearForward<T>&); \
  template void linear_backward<T>(const ThreadTeam&, const LinearBackward<T>&);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench

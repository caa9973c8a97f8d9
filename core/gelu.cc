#include "core/gelu.h"

#include "core/simd.h"

namespace seqbench {
namespace {

// 2u = x·(a + b·x²).
constexpr double kA = 1.5957691216057307;  // 2·√(2/π)
constexpr double kB = 0.044715 * kA;

/// s = σ(2u).
template <class D>
HWY_INLINE hn::Vec<D> gate(D d, hn::Vec<D> x) {
  using T = hn::TFromD<D>;
  const auto slope = hn::MulAdd(hn::Set(d, T(kB)), hn::Mul(x, x), hn::Set(d, T(kA)));
  return sigmoid(d, hn::Mul(x, slope));
}

}  // namespace

template <typename T>
void gelu_forward(std::span<const std::type_identity_t<T>> x, std::span<T> y) {
  assert(x.size() == y.size());
  for_each_vector<T>(static_cast<Index>(x.size()), [&](auto d, Index i) {
    const auto v = hn::LoadU(d, x.data() + i);
    hn::StoreU(hn::Mul(v, gate(d, v)), d, y.data() + i);
  });
}

template <typename T>
void gelu_backward(std::span<const std::type_identity_t<T>> x,
                   std::span<const std::type_identity_t<T>> dy, std::span<T> dx) {
  assert(x.size() == dx.size() && dy.size() == dx.size());
  for_each_vector<T>(static_cast<Index>(x.size()), [&](auto d, Index i) {
    const auto v = hn::LoadU(d, x.data() + i);
    const auto s = gate(d, v);
    // 2·x·du/dx = x·(a + 3b·x²)
    const auto slope = hn::MulAdd(hn::Set(d, T(3 * kB)), hn::Mul(v, v), hn::Set(d, T(kA)));
    const auto rest = hn::Mul(hn::Mul(v, slope), hn::NegMulAdd(s, s, s));
    hn::StoreU(hn::Mul(hn::LoadU(d, dy.data() + i), hn::Add(s, rest)), d, dx.data() + i);
  });
}

#define SEQBENCH_INSTANTIATE(T)                                    \
  template void gelu_forward<T>(std::span<const T>, std::span<T>); \
  template void gelu_backward<T>(std::span<const T>, std::span<const T>, std::span<T>);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench

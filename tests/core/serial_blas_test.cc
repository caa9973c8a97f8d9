#include <gtest/gtest.h>

#include "core/gemm.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

// A serial BLAS whose buffers are not guarded (core/serial_blas.cc) fails this in about one process
// of a hundred, mostly at its first products.
TEST(SerialBlas, ProductsOnSeveralThreadsDoNotShareBuffers) {
  Random random(4);
  const auto a = normal_tensor<float>(random, {64, 129}),
             b = normal_tensor<float>(random, {129, 70});
  constexpr Index kProducts = 2000;
  std::vector<Tensor<float>> c(kProducts);
  for (Tensor<float>& product : c) product = Tensor<float>({64, 70});
  ThreadTeam(4).for_each_task(kProducts, [&](Index task, int) {
    gemm_serial(a.matrix(), b.matrix(), c[std::size_t(task)].matrix());
  });
  const auto different = std::ranges::count_if(
      c, [&](const Tensor<float>& product) { return !bit_equal(product, c[0]); });
  EXPECT_EQ(different, 0);
}

}  // namespace
}  // namespace seqbench

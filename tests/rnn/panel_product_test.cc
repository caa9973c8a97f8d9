#include "rnn/panel_product.h"

#include <gtest/gtest.h>

#include "core/gemm.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

// One step, a pass, one more, and several; a row, and more than a register block.
TEST(PanelProduct, IsTheProductInHoweverManyPasses) {
  Random random(3);
  for (const Index M : {1, 13}) {
    for (const Index K : {Index{1}, kPassDepth, kPassDepth + 1, 3 * kPassDepth - 5}) {
      const Index N = 7;
      const Tensor<double> a = normal_tensor<double>(random, {M, K});
      const Tensor<double> b = normal_tensor<double>(random, {2, K, N});
      const Tensor<double> start = normal_tensor<double>(random, {N});
      Tensor<double> expected({M, N}), tile({M, N});
      const MatrixView<const double> panel(b.data(), K, N);
      gemm(ThreadTeam(), a.matrix(), panel, expected.matrix(), {}, start.data());
      for (const double* next : {b.data() + K * N, static_cast<const double*>(nullptr)}) {
        multiply_panel<double>({.rows = a.matrix(),
                                .panel = panel,
                                .start = assign_plus<double>(start.data()),
                                .next_panel = next,
                                .tile = tile.matrix()});
        const double bound = 4 * std::numeric_limits<double>::epsilon() * double(K + 1) *
                             max_abs(a.values()) * max_abs(b.values());
        EXPECT_LE(max_difference(tile, expected), bound) << M << ' ' << K;
      }
    }
  }
}

}  // namespace
}  // namespace seqbench

#include "core/rounded_linear.h"

#include <gtest/gtest.h>

#include "core/elementwise.h"
#include "core/gemm.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

/// y of packed weights, on so many threads.
Tensor<float> product(const Tensor<float>& x, const Tensor<float>& weight, std::span<float> bias,
                      int threads) {
  const MatrixView<const float> w = weight.matrix(), rows = x.matrix();
  const ThreadTeam team(threads);
  Tensor<float> panels(rounded_weight_shape(w.rows, w.cols));
  Tensor<float> rounded_x(rounded_rows_shape(rows.rows, rows.cols)), y({rows.rows, w.rows});
  pack_rounded_weight(team, w, panels.data());
  rounded_linear(team, {.x = rows,
                        .panels = panels.data(),
                        .inputs = w.cols,
                        .bias = bias,
                        .y = y.matrix(),
                        .rounded_x = rounded_x.data()});
  return y;
}

// A row, two, and register blocks; one output, one less and one more than a panel, and many; odd
// depths.
TEST(RoundedLinear, IsTheProductOfRoundedFactorsBitForBit) {
  Random random(4);
  for (const Index M : {1, 2, 3, 17}) {
    for (const Index N : {1, 255, 257, 1100}) {
      for (const Index K : {1, 2, 65, 256}) {
        const auto x = normal_tensor<float>(random, {M, K});
        const auto weight = normal_tensor<float>(random, {N, K});
        auto bias = normal_tensor<float>(random, {N});
        for (const bool biased : {false, true}) {
          Tensor<float> expected({M, N});
          gemm(ThreadTeam(), x.matrix(), weight.matrix(), expected.matrix(),
               {.transpose_b = true, .factors = Factors::kBfloat16},
               biased ? bias.data() : nullptr);
          for (const int threads : {1, 3}) {
            const auto values = biased ? bias.values() : std::span<float>();
            EXPECT_TRUE(bit_equal(product(x, weight, values, threads), expected))
                << M << ' ' << N << ' ' << K << ' ' << threads;
          }
        }
      }
    }
  }
}

TEST(RoundedLinear, TakesTheFirstChannelsOfAWeight) {
  Random random(5);
  const Index M = 2, N = 33, K = 24, C = 7;
  const auto narrow = normal_tensor<float>(random, {M, C});
  const auto weight = normal_tensor<float>(random, {N, K});
  Tensor<float> wide({M, K});
  copy(narrow.matrix(), wide.matrix().column_block(0, C));
  EXPECT_TRUE(bit_equal(product(narrow, weight, {}, 1), product(wide, weight, {}, 1)));
}

}  // namespace
}  // namespace seqbench

#include "rnn/packed_gates.h"

#include <gtest/gtest.h>

#include "tests/test_data.h"

namespace seqbench {
namespace {

TEST(PackGates, PutsAllGatesOfAUnitSideBySideAndZerosBehindThem) {
  constexpr Index G = 2, D = 7, C = 3, kColumns = 4;
  Random random(1);
  const Tensor<float> weight = normal_tensor<float>(random, {G * D, C});
  const Tensor<float> bias = normal_tensor<float>(random, {G * D});
  const UnitBlock block{.first = 4, .count = 3, .columns = kColumns};
  Tensor<float> packed({C, G * kColumns}), packed_bias({G * kColumns});
  std::ranges::fill(packed.values(), 9.f);
  std::ranges::fill(packed_bias.values(), 9.f);
  pack_gates<float>({.gates = G,
                     .from = weight.matrix(),
                     .bias_from = bias.data(),
                     .to = packed.matrix(),
                     .bias = packed_bias.data()},
                    block);
  for (Index k = 0; k < G; ++k) {
    for (Index j = 0; j < kColumns; ++j) {
      const bool is_there = j < block.count;
      const Index row = k * D + block.first + j, column = k * kColumns + j;
      EXPECT_EQ(packed_bias[column], is_there ? bias[row] : 0) << k << ' ' << j;
      for (Index c = 0; c < C; ++c) {
        EXPECT_EQ(packed.matrix()(c, column), is_there ? weight.matrix()(row, c) : 0)
            << k << ' ' << j << ' ' << c;
      }
    }
  }
}

}  // namespace
}  // namespace seqbench

#include "core/packed_gemm.h"

#include <gtest/gtest.h>

#include "core/register_block.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

TEST(WorthPacking, NeedsEnoughRowsColumnsAndDepth) {
  EXPECT_TRUE(worth_packing(32, 16, 8));
  EXPECT_FALSE(worth_packing(31, 16, 8));
  EXPECT_FALSE(worth_packing(32, 15, 8));
  EXPECT_FALSE(worth_packing(32, 16, 7));
}

struct Product {
  Index rows, block_cols, blocks, depth;
};

// One of everything; a panel and one column more; blocks narrower than a panel; several tasks of
// rows; more than one pass, and group, of depth; more panels than a group has.
template <typename T>
std::vector<Product> products() {
  constexpr Index kPanel = block_columns<T>();
  return {{1, 1, 1, 1},     {5, kPanel + 1, 1, 3},    {7, 5, 3, 12},           {97, 16, 1, 8},
          {30, 33, 2, 257}, {5, kPanel + 3, 2, 1025}, {3, 17 * kPanel, 1, 513}};
}

template <typename T>
class PackedGemm : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(PackedGemm, Scalars);

TYPED_TEST(PackedGemm, IsTheSumWrittenOutForEveryOptionShapeAndTeam) {
  using T = TypeParam;
  Random random(1);
  for (const auto& [m, block_cols, blocks, k] : products<T>()) {
    const Index n = blocks * block_cols;
    const auto bias = normal_tensor<T>(random, {n}), before = normal_tensor<T>(random, {m, n});
    for (int bits = 0; bits < 12; ++bits) {
      const GemmOptions options{bool(bits & 1), bool(bits & 2), bool(bits & 4)};
      const T* const row = bits & 8 ? bias.data() : nullptr;
      const auto a =
          options.transpose_a ? normal_tensor<T>(random, {k, m}) : normal_tensor<T>(random, {m, k});
      const auto b =
          options.transpose_b ? normal_tensor<T>(random, {n, k}) : normal_tensor<T>(random, {k, n});
      Tensor<T> c({blocks, m, block_cols}), serial({blocks, m, block_cols});
      std::ranges::copy(before.values(), c.data());
      std::ranges::copy(before.values(), serial.data());
      packed_gemm<T>(ThreadTeam(3), a.matrix(), b.matrix(),
                     blocks_over(c.data(), m, block_cols, blocks), options, row);
      packed_gemm<T>(ThreadTeam(1), a.matrix(), b.matrix(),
                     blocks_over(serial.data(), m, block_cols, blocks), options, row);
      ASSERT_TRUE(bit_equal(c, serial)) << m << "x" << n << "x" << k << " options " << bits;
      // A sum of k products in any order, and the addition to what it starts from.
      const double depth = double(k),
                   start_size = max_abs(before.values()) + max_abs(bias.values());
      const double bound = std::numeric_limits<T>::epsilon() * (depth + 1) *
                           (depth * max_abs(a.values()) * max_abs(b.values()) + start_size);
      for (Index i = 0; i < m; ++i) {
        for (Index j = 0; j < n; ++j) {
          const Index at = (j / block_cols * m + i) * block_cols + j % block_cols;
          long double expected = options.accumulate ? before[at] : row != nullptr ? row[j] : T(0);
          for (Index step = 0; step < k; ++step) {
            expected +=
                static_cast<long double>(options.transpose_a ? a[step * m + i] : a[i * k + step]) *
                static_cast<long double>(options.transpose_b ? b[j * k + step] : b[step * n + j]);
          }
          ASSERT_NEAR(c[at], double(expected), bound)
              << m << "x" << n << "x" << k << " options " << bits << " at " << i << "," << j;
        }
      }
    }
  }
}

// Factors that bfloat16 holds are the same rounded; what is rounded is compared in gemm_test.cc.
TEST(PackedGemm, OfFactorsThatBfloat16HoldsIsTheFloatProductUpToTheOrderOfSums) {
  Random random(3);
  for (const auto& [m, block_cols, blocks, k] : products<float>()) {
    const Index n = blocks * block_cols;
    for (int bits = 0; bits < 8; ++bits) {
      GemmOptions options{bool(bits & 1), bool(bits & 2), bool(bits & 4)};
      auto a = options.transpose_a ? Tensor<float>({k, m}) : Tensor<float>({m, k});
      auto b = options.transpose_b ? Tensor<float>({n, k}) : Tensor<float>({k, n});
      // Sums of so many whole numbers are exact.
      for (float& x : a.values()) x = float(random.below(17)) - 8;
      for (float& x : b.values()) x = float(random.below(17)) - 8;
      Tensor<float> expected({blocks, m, block_cols}), c({blocks, m, block_cols});
      std::ranges::fill(expected.values(), 3.0f);
      std::ranges::fill(c.values(), 3.0f);
      const auto in = [rows = m, cols = block_cols, count = blocks](Tensor<float>& t) {
        return blocks_over(t.data(), rows, cols, count);
      };
      packed_gemm<float>(ThreadTeam(1), a.matrix(), b.matrix(), in(expected), options, nullptr);
      options.factors = Factors::kBfloat16;
      packed_gemm<float>(ThreadTeam(3), a.matrix(), b.matrix(), in(c), options, nullptr);
      ASSERT_TRUE(bit_equal(c, expected)) << m << "x" << n << "x" << k << " options " << bits;
    }
  }
}

TYPED_TEST(PackedGemm, WritesNothingBesideItsBlocks) {
  using T = TypeParam;
  Random random(2);
  const auto a = normal_tensor<T>(random, {40, 20}), b = normal_tensor<T>(random, {20, 30});
  Tensor<T> c({42, 50});
  std::ranges::fill(c.values(), T(7));
  // Blocks of ten columns, a column between two of them: 1 to 10, 12 to 21, 23 to 32.
  const BlockedMatrixView<T> blocks{c.matrix().row(1) + 1, 40, 10, 3, 50, 11};
  packed_gemm<T>(ThreadTeam(2), a.matrix(), b.matrix(), blocks, {}, nullptr);
  for (Index i = 0; i < 42; ++i) {
    for (Index j = 0; j < 50; ++j) {
      const bool inside = i >= 1 && i <= 40 && j >= 1 && j <= 32 && j % 11 != 0;
      ASSERT_EQ(c.matrix()(i, j) == T(7), !inside) << i << "," << j;
    }
  }
}

}  // namespace
}  // namespace seqbench

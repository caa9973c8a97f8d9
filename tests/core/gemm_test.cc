#include "core/gemm.h"

#include <gtest/gtest.h>

#include "core/bfloat16.h"
#include "core/eigen_view.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

/// Σ_k op(A)_ik·op(B)_kj, written out, in long double.
template <typename T>
long double naive_product(const MatrixView<const T>& a, const MatrixView<const T>& b,
                          GemmOptions options, Index i, Index j) {
  const Index depth = options.transpose_a ? a.rows : a.cols;
  long double sum = 0;
  for (Index k = 0; k < depth; ++k) {
    sum += static_cast<long double>(options.transpose_a ? a(k, i) : a(i, k)) *
           static_cast<long double>(options.transpose_b ? b(j, k) : b(k, j));
  }
  return sum;
}

struct Shape {
  Index m, n, k;
};

// One row and one column; odd; past a task, a pass, a panel and a group of panels of the packed
// products; past a block of 128×256 of the others.
const Shape kShapes[] = {{1, 1, 1},    {1, 64, 37},    {5, 1, 9},      {3, 7, 5},
                         {17, 33, 1},  {129, 257, 31}, {300, 70, 129}, {1, 1024, 256},
                         {31, 300, 9}, {32, 16, 8},    {97, 65, 513},  {40, 1100, 20}};

template <typename T>
class Gemm : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Gemm, Scalars);

TYPED_TEST(Gemm, MatchesTheNaiveLoopForAllTransposesAndOddShapes) {
  using T = TypeParam;
  Random random(1);
  for (const auto& [m, n, k] : kShapes) {
    for (int bits = 0; bits < 8; ++bits) {
      const GemmOptions options{bool(bits & 1), bool(bits & 2), bool(bits & 4)};
      const auto a =
          options.transpose_a ? normal_tensor<T>(random, {k, m}) : normal_tensor<T>(random, {m, k});
      const auto b =
          options.transpose_b ? normal_tensor<T>(random, {n, k}) : normal_tensor<T>(random, {k, n});
      auto c = normal_tensor<T>(random, {m, n});
      auto serial = Tensor<T>({m, n});
      auto before = Tensor<T>({m, n});
      std::ranges::copy(c.values(), before.data());
      std::ranges::copy(c.values(), serial.data());
      gemm(ThreadTeam(2), a.matrix(), b.matrix(), c.matrix(), options);
      gemm_serial(a.matrix(), b.matrix(), serial.matrix(), options);
      const double eps = std::numeric_limits<T>::epsilon();
      const double max_a = max_abs(a.values()), max_b = max_abs(b.values());
      for (Index i = 0; i < m; ++i) {
        for (Index j = 0; j < n; ++j) {
          const double start = options.accumulate ? double(before.matrix()(i, j)) : 0;
          const double expected =
              start + double(naive_product<T>(a.matrix(), b.matrix(), options, i, j));
          // A sum of k products in any order, and the addition to C.
          const double bound = eps * double(k + 1) * (double(k) * max_a * max_b + std::abs(start));
          ASSERT_NEAR(c.matrix()(i, j), expected, bound)
              << m << "x" << n << "x" << k << " options " << bits << " at " << i << "," << j;
          ASSERT_NEAR(serial.matrix()(i, j), expected, bound);
        }
      }
    }
  }
}

template <typename T>
Tensor<T> rounded_to_bfloat16(const Tensor<T>& factors) {
  Tensor<T> rounded(factors.shape());
  std::ranges::transform(factors.values(), rounded.data(),
                         [](T x) { return T(nearest_bfloat16(float(x))); });
  return rounded;
}

TYPED_TEST(Gemm, InBfloat16MultipliesRoundedFactors) {
  using T = TypeParam;
  Random random(7);
  for (const auto& [m, n, k] : kShapes) {
    for (int bits = 0; bits < 8; ++bits) {
      const GemmOptions options{bool(bits & 1), bool(bits & 2), bool(bits & 4), Factors::kBfloat16};
      const auto a =
          options.transpose_a ? normal_tensor<T>(random, {k, m}) : normal_tensor<T>(random, {m, k});
      const auto b =
          options.transpose_b ? normal_tensor<T>(random, {n, k}) : normal_tensor<T>(random, {k, n});
      const Tensor<T> near_a = rounded_to_bfloat16(a), near_b = rounded_to_bfloat16(b);
      Tensor<T> c({m, n}), team_of_one({m, n});
      std::ranges::fill(c.values(), T(3));
      std::ranges::fill(team_of_one.values(), T(3));
      gemm(ThreadTeam(2), a.matrix(), b.matrix(), c.matrix(), options);
      gemm(ThreadTeam(1), a.matrix(), b.matrix(), team_of_one.matrix(), options);
      ASSERT_TRUE(bit_equal(c, team_of_one));
      // A sum of k products in any order, and the addition to C.
      const double bound = std::numeric_limits<T>::epsilon() * double(k + 1) *
                           (double(k) * max_abs(near_a.values()) * max_abs(near_b.values()) + 3);
      for (Index i = 0; i < m; ++i) {
        for (Index j = 0; j < n; ++j) {
          const double expected =
              (options.accumulate ? 3 : 0) +
              double(naive_product<T>(near_a.matrix(), near_b.matrix(), options, i, j));
          ASSERT_NEAR(c.matrix()(i, j), expected, bound)
              << m << "x" << n << "x" << k << " options " << bits << " at " << i << "," << j;
        }
      }
    }
  }
}

TYPED_TEST(Gemm, IsBitEqualForAnyNumberOfThreads) {
  using T = TypeParam;
  Random random(2);
  for (const auto& [m, n, k] : kShapes) {
    const auto a = normal_tensor<T>(random, {m, k}), b = normal_tensor<T>(random, {k, n});
    Tensor<T> one({m, n});
    gemm(ThreadTeam(1), a.matrix(), b.matrix(), one.matrix());
    for (const int threads : {2, 3, 4}) {
      Tensor<T> many({m, n});
      gemm(ThreadTeam(threads), a.matrix(), b.matrix(), many.matrix());
      EXPECT_TRUE(bit_equal(many, one)) << m << "x" << n << "x" << k << ", " << threads;
    }
  }
}

TYPED_TEST(Gemm, BiasIsAddedToEveryRow) {
  using T = TypeParam;
  Random random(5);
  for (const auto& [m, n, k] : kShapes) {
    const auto a = normal_tensor<T>(random, {m, k}), b = normal_tensor<T>(random, {n, k});
    const auto bias = normal_tensor<T>(random, {n});
    Tensor<T> c({m, n}), without({m, n});
    gemm(ThreadTeam(2), a.matrix(), b.matrix(), c.matrix(), {.transpose_b = true}, bias.data());
    gemm(ThreadTeam(2), a.matrix(), b.matrix(), without.matrix(), {.transpose_b = true});
    const double bound = 2 * double(k + 1) * std::numeric_limits<T>::epsilon() *
                         (double(k) * max_abs(a.values()) * max_abs(b.values()) + 4);
    for (Index i = 0; i < m; ++i) {
      for (Index j = 0; j < n; ++j) {
        ASSERT_NEAR(c.matrix()(i, j), without.matrix()(i, j) + bias[j], bound) << i << "," << j;
      }
    }
  }
}

// Blocks narrower than a vector, between one and two panels, and of exactly one; few rows, where a
// library computes the blocks, and many.
TYPED_TEST(Gemm, BlocksOfColumnsHoldTheColumnsOfTheProduct) {
  using T = TypeParam;
  Random random(6);
  for (const Index rows : {1, 5, 100}) {
    for (const Index block_cols : {1, 5, 64, 80}) {
      const Index blocks = 3, n = blocks * block_cols, depth = 12;
      const auto a = normal_tensor<T>(random, {rows, depth});
      const auto b = normal_tensor<T>(random, {n, depth}), bias = normal_tensor<T>(random, {n});
      Tensor<T> plain({rows, n}), apart({blocks, rows, block_cols});
      const GemmOptions options{.transpose_b = true};
      gemm(ThreadTeam(2), a.matrix(), b.matrix(), plain.matrix(), options, bias.data());
      gemm(ThreadTeam(2), a.matrix(), b.matrix(),
           blocks_over(apart.data(), rows, block_cols, blocks), options, bias.data());
      const double bound = double(depth + 1) * std::numeric_limits<T>::epsilon() *
                           (double(depth) * max_abs(a.values()) * max_abs(b.values()) + 4);
      for (Index i = 0; i < rows; ++i) {
        for (Index j = 0; j < n; ++j) {
          const Index at = (j / block_cols * rows + i) * block_cols + j % block_cols;
          ASSERT_NEAR(apart[at], plain.matrix()(i, j), bound) << rows << " " << block_cols;
        }
      }
    }
  }
}

TYPED_TEST(Gemm, WritesOnlyInsideAWindow) {
  using T = TypeParam;
  Random random(3);
  const auto a = normal_tensor<T>(random, {5, 20}), b = normal_tensor<T>(random, {20, 6});
  Tensor<T> c({7, 11}), compact_a({5, 4}), compact_c({5, 6});
  const ThreadTeam team;
  gemm(team, a.matrix().column_block(3, 4), b.matrix().row_block(9, 4),
       c.matrix().row_block(1, 5).column_block(2, 6));
  as_eigen(compact_a.matrix()) = as_eigen(a.matrix().column_block(3, 4));
  gemm(team, compact_a.matrix(), b.matrix().row_block(9, 4), compact_c.matrix());
  const double eps = std::numeric_limits<T>::epsilon();
  EXPECT_LE(
      (as_eigen(c.matrix()).block(1, 2, 5, 6) - as_eigen(compact_c.matrix())).cwiseAbs().maxCoeff(),
      4 * 4 * eps * max_abs(a.values()) * max_abs(b.values()));  // sums of four products
  as_eigen(c.matrix()).block(1, 2, 5, 6).setZero();
  EXPECT_EQ(as_eigen(c.matrix()).cwiseAbs().maxCoeff(), 0);
}

TEST(BlasDescription, NamesItsLibrary) {
  EXPECT_NE(blas_description().find("Eigen 3."), std::string::npos) << blas_description();
}

}  // namespace
}  // namespace seqbench

#include "core/initialisers.h"

#include <gtest/gtest.h>

#include "core/eigen_view.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

TEST(GlorotUniform, FillsItsInterval) {
  Random random(1);
  Tensor<float> weight({300, 100});
  glorot_uniform(random, weight);
  const double bound = std::sqrt(6. / 400);
  const auto values = as_eigen(weight.matrix()).cast<double>().array();
  EXPECT_LE(values.abs().maxCoeff(), bound);
  // 30,000 draws: mean and mean square within five standard errors of 0 and bound²/3.
  EXPECT_NEAR(values.mean(), 0, 5 * bound / std::sqrt(3. * 30000));
  EXPECT_NEAR(values.square().mean(), bound * bound / 3,
              5 * bound * bound * std::sqrt(4. / 45 / 30000));
}

TEST(UniformByFanIn, FillsItsInterval) {
  Random random(2);
  Tensor<float> parameter({30000});
  uniform_by_fan_in(random, parameter, 64);
  const auto values = as_eigen(parameter.matrix()).cast<double>().array();
  EXPECT_LE(values.abs().maxCoeff(), 1. / 8);
  EXPECT_GE(values.abs().maxCoeff(), 0.99 / 8);  // 30,000 draws miss the last hundredth never
  EXPECT_NEAR(values.mean(), 0, 5. / 8 / std::sqrt(3. * 30000));
}

TEST(Orthogonal, RowsOrColumnsAreOrthonormalWhicheverAreFewer) {
  Random random(3);
  for (const auto& [rows, cols] : {std::pair{1, 1}, {8, 8}, {32, 8}, {5, 12}, {256, 64}}) {
    Tensor<double> weight({rows, cols});
    orthogonal(random, weight);
    const auto w = as_eigen(weight.matrix());
    const Index thin = std::min(rows, cols), tall = std::max(rows, cols);
    RowMajorMatrix<double> gram(thin, thin);
    if (rows > cols) {
      gram = w.transpose() * w;
    } else {
      gram = w * w.transpose();
    }
    // `thin` reflections of `tall` elements each, then dot products of `tall`.
    const double bound = double(2 * thin + 2 * tall) * std::numeric_limits<double>::epsilon();
    EXPECT_LE((gram - RowMajorMatrix<double>::Identity(thin, thin)).cwiseAbs().maxCoeff(), bound)
        << rows << "x" << cols;
  }
}

// Without the sign correction every R_jj has the same sign, and q_00 with it.
TEST(Orthogonal, SignsAreFair) {
  Random random(4);
  int positive = 0;
  constexpr int kDraws = 1000;
  for (int i = 0; i < kDraws; ++i) {
    Tensor<double> weight({4, 3});
    orthogonal(random, weight);
    positive += weight[0] > 0;
  }
  EXPECT_NEAR(positive, kDraws / 2, 5 * std::sqrt(kDraws) / 2);  // five standard errors
}

}  // namespace
}  // namespace seqbench

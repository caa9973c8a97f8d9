#include "attention/few_queries.h"

#include <gtest/gtest.h>

#include <limits>
#include <utility>
#include <vector>

#include "attention/multi_head_attention.h"
#include "core/eigen_view.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

struct Result {
  Tensor<double> y, dx;
  std::vector<Tensor<double>> gradients;
};

/// What every test here draws: a layer's parameters, x, and dy at some tokens.
struct Problem {
  SequenceShape shape{.batch = 3, .steps = 19};
  Index width = 6;
  std::vector<Index> rows;
  AttentionOptions options;

  Problem(Index heads, bool causal, std::vector<Index> at) : rows(std::move(at)) {
    options = {.width = width, .heads = heads, .causal = causal};
  }

  template <typename Run>
  Result run(int workers, const Run& body) const {
    const ThreadTeam team(workers);
    const auto layer = make_attention<double>(options);
    Random random(5);
    for (Parameter<double>& parameter : layer->parameters()) {
      fill_normal(random, parameter.value.values());
    }
    layer->reserve(shape, Pass::kTrain, workers);
    Tensor<double> x({shape.batch, shape.steps, width});
    fill_normal(random, x.values());
    Tensor<double> dy({Index(rows.size()), width});
    fill_normal(random, dy.values());
    Result result{
        .y = Tensor<double>(dy.shape()), .dx = Tensor<double>(x.shape()), .gradients = {}};
    body(team, *layer, x, dy, result);
    result.gradients = copied_gradients(*layer);
    return result;
  }

  /// Outputs at the rows alone.
  Result few(int workers = 1) const {
    return run(workers, [this](const ThreadTeam& team, SequenceLayer<double>& layer,
                               Tensor<double>& x, Tensor<double>& dy, Result& result) {
      const double elements = layer.row_scratch(shape, {.wanted = Index(rows.size())});
      ASSERT_GT(elements, 0);
      Tensor<double> scratch({Index(elements)});
      const RowPass<double> pass{.shape = shape,
                                 .shared = {},
                                 .wanted = rows,
                                 .x = x.matrix(),
                                 .y = result.y.matrix(),
                                 .scratch = scratch.data()};
      layer.forward_rows(team, pass, Keep::kForBackward);
      layer.backward_rows(team, pass, dy.matrix(), result.dx.matrix());
    });
  }

  /// All outputs, and no gradient of the others.
  Result all() const {
    return run(1, [this](const ThreadTeam& team, SequenceLayer<double>& layer, Tensor<double>& x,
                         Tensor<double>& dy, Result& result) {
      Tensor<double> y(x.shape()), all_dy(x.shape());
      for (std::size_t a = 0; a < rows.size(); ++a) {
        as_eigen(all_dy.matrix()).row(rows[a]) = as_eigen(dy.matrix()).row(Index(a));
      }
      layer.forward(team, x.sequence(), y.sequence(), Keep::kForBackward);
      layer.backward(team, x.sequence(), y.sequence(), all_dy.sequence(), result.dx.sequence());
      for (std::size_t a = 0; a < rows.size(); ++a) {
        as_eigen(result.y.matrix()).row(Index(a)) = as_eigen(y.matrix()).row(rows[a]);
      }
    });
  }
};

// Sequences with one query, none and several, at the first step and the last.
const std::vector<Index> kRows = {0, 38, 44, 50, 51, 56};

TEST(FewQueries, GiveWhatAllQueriesGiveAtTheirTokens) {
  for (const bool causal : {true, false}) {
    for (const Index heads : {1, 2, 6}) {
      const Problem problem(heads, causal, kRows);
      const Result few = problem.few(), all = problem.all();
      // Sums over 57 tokens and 19 keys of products of normal numbers up to some 30 in size.
      const double bound = std::numeric_limits<double>::epsilon() * (57 + 19) * 30 * 30;
      EXPECT_LE(max_difference(few.y, all.y), bound);
      EXPECT_LE(max_difference(few.dx, all.dx), bound);
      for (std::size_t p = 0; p < all.gradients.size(); ++p) {
        EXPECT_LE(max_difference(few.gradients[p], all.gradients[p]), bound) << p;
        EXPECT_GT(max_abs(all.gradients[p].values()), 1e3 * bound) << p;
      }
    }
  }
}

TEST(FewQueries, AreBitEqualForAnyTeam) {
  const Problem problem(2, true, kRows);
  const Result one = problem.few(1), three = problem.few(3);
  EXPECT_TRUE(bit_equal(one.y, three.y));
  EXPECT_TRUE(bit_equal(one.dx, three.dx));
  for (std::size_t p = 0; p < one.gradients.size(); ++p) {
    EXPECT_TRUE(bit_equal(one.gradients[p], three.gradients[p])) << p;
  }
}

TEST(FewQueries, AreForAQuarterOfTheTokensAtMost) {
  const auto fused = make_attention<float>({.width = 4, .heads = 2});
  EXPECT_GT(fused->row_scratch({2, 8}, {.wanted = 4}), 0);
  EXPECT_EQ(fused->row_scratch({2, 8}, {.wanted = 5}), 0);
  const auto turned = make_attention<float>({.width = 4, .heads = 2, .rotary = true});
  EXPECT_EQ(turned->row_scratch({2, 8}, {.wanted = 4}), 0);
  const auto naive =
      make_attention<float>({.width = 4, .heads = 2, .kernel = AttentionKernel::kNaive});
  EXPECT_EQ(naive->row_scratch({2, 8}, {.wanted = 4}), 0);
}

}  // namespace
}  // namespace seqbench

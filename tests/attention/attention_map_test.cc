#include "attention/attention_map.h"

#include <gtest/gtest.h>

#include "attention/multi_head_attention.h"
#include "core/eigen_view.h"
#include "tests/attention/attention_data.h"

namespace seqbench {
namespace {

struct KernelRun {
  Tensor<float> o;
  AttentionProblem<float> problem;
};

/// The naive kernel's output, and the problem for maps.
KernelRun run_naive(const AttentionData<float>& data, const HiddenKeys& hidden) {
  KernelRun run{.o = Tensor<float>({data.shape.batch * data.shape.steps, data.width()}),
                .problem = {}};
  const Index d_k = data.shape.head_width;
  run.problem = {.shape = data.shape,
                 .q = in_blocks(data.part(0), d_k),
                 .k = in_blocks(data.part(1), d_k),
                 .v = in_blocks(data.part(2), d_k),
                 .output = in_blocks(run.o.matrix(), d_k),
                 .hidden = &hidden};
  auto workspace = allocate<float>(naive_workspace(data.shape, Pass::kForward, 1));
  naive_forward(ThreadTeam(), run.problem, workspace);
  return run;
}

TEST(AttentionMap, ItsWeightsAndValuesMakeTheKernelsOutput) {
  const AttentionShape shape{.batch = 2, .steps = 7, .heads = 2, .head_width = 3, .causal = true};
  const auto data = random_attention<float>(shape, 1);
  HiddenKeys hidden{.keys = std::vector<bool>(14), .from = {}};
  hidden.keys[7 + 2] = true;
  const KernelRun run = run_naive(data, hidden);
  const double bound = attention_bounds(data).o;
  for (Index b = 0; b < 2; ++b) {
    for (Index h = 0; h < 2; ++h) {
      const AttentionMap map = attention_map(run.problem, b, h);
      const RowMajorMatrix<double> expected =
          as_eigen(map.weights.matrix()) * as_eigen(map.v.matrix());
      const auto actual = as_eigen(head_of(run.o.matrix(), shape, b, h));
      EXPECT_LE((expected - actual.template cast<double>()).cwiseAbs().maxCoeff(), bound);
    }
  }
}

TEST(AttentionMap, AHiddenKeyHasNoWeightInItsSequenceAlone) {
  const AttentionShape shape{.batch = 2, .steps = 4, .heads = 1, .head_width = 2};
  const auto data = random_attention<float>(shape, 2);
  HiddenKeys hidden{.keys = std::vector<bool>(8), .from = {}};
  hidden.keys[4 + 1] = true;
  const KernelRun run = run_naive(data, hidden);
  for (Index b = 0; b < 2; ++b) {
    const AttentionMap map = attention_map(run.problem, b, 0);
    for (Index i = 0; i < 4; ++i) {
      EXPECT_EQ(map.weights.matrix()(i, 1) == 0, b == 1);
      EXPECT_EQ(std::isinf(map.scores.matrix()(i, 1)), b == 1);
      EXPECT_NEAR(as_eigen(map.weights.matrix()).row(i).sum(), 1, 4 * 2.3e-16);  // T roundings
    }
  }
}

// What stands at a hidden key cannot be told from the output of the others.
TEST(AttentionMap, TheOutputDoesNotDependOnAHiddenKey) {
  const AttentionShape shape{.batch = 1, .steps = 5, .heads = 1, .head_width = 4};
  auto data = random_attention<float>(shape, 3);
  HiddenKeys hidden{.keys = std::vector<bool>(5), .from = {}};
  hidden.keys[3] = true;
  const KernelRun before = run_naive(data, hidden);
  const auto projection = data.projection.matrix();
  for (Index j = data.width(); j < 3 * data.width(); ++j) projection(3, j) += 1;  // its K and V
  const KernelRun after = run_naive(data, hidden);
  for (Index i = 0; i < before.o.size(); ++i) EXPECT_EQ(before.o[i], after.o[i]);
}

TEST(AttentionMap, AWatchedLayerKeepsOneForEachSequenceAndHead) {
  AttentionWatch watch;
  const auto layer = make_attention<float>(
      {.width = 4, .heads = 2, .kernel = AttentionKernel::kNaive, .watch = &watch});
  Random random(4);
  layer->initialise(random);
  layer->reserve({3, 5}, Pass::kForward, 1);
  Tensor<float> x({3, 5, 4}), y({3, 5, 4});
  fill_normal(random, x.values());
  layer->forward(ThreadTeam(), std::as_const(x).sequence(), y.sequence(), Keep::kNothing);
  ASSERT_EQ(watch.maps.size(), 6u);
  EXPECT_EQ(watch.maps[0].q.shape(), (std::vector<Index>{5, 2}));
  watch.keeps_maps = false;
  layer->forward(ThreadTeam(), std::as_const(x).sequence(), y.sequence(), Keep::kNothing);
  EXPECT_EQ(watch.maps.size(), 6u);
}

}  // namespace
}  // namespace seqbench

#include "tests/golden_check.h"

namespace seqbench {
namespace {

/// Forward: projections over D in and out, scores over d_k, a sum of exponentials and a weighted
/// sum over T, some 16 roundings in the softmax. Backward runs through the same sums, and through
/// the scores a second time.
RoundingDepth attention_depth(Index T, Index D, Index heads) {
  const Index d_k = D / heads;
  return {.forward = 2 * D + d_k + 2 * T + 16, .backward = 2 * D + 3 * d_k + 3 * T + 32};
}

TEST(AttentionGolden, EveryKernelMatchesPyTorch) {
  expect_kernels_match_golden_files("attention", attention_depth);
}

}  // namespace
}  // namespace seqbench

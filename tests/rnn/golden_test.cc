#include "harness/models/registry.h"
#include "tests/golden_check.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

/// Every step, forward, is two dot products over D elements, and backward one over `gates`·D; and
/// some 16 roundings in activations, gates and state. T steps follow from each other.
RoundingDepth recurrent_depth(Index T, Index D, Index gates) {
  return {.forward = T * (2 * D + 16), .backward = T * (gates * D + 16)};
}

class RecurrentGolden : public testing::TestWithParam<std::string> {};

TEST_P(RecurrentGolden, EveryKernelMatchesPyTorch) {
  const Index gates = gates_of(GetParam());
  expect_kernels_match_golden_files(
      GetParam(), [&](Index T, Index D, Index) { return recurrent_depth(T, D, gates); });
}

INSTANTIATE_TEST_SUITE_P(Models, RecurrentGolden,
                         testing::ValuesIn(model_names(ModelKind::kRecurrent)),
                         [](const auto& model) { return model.param; });

}  // namespace
}  // namespace seqbench

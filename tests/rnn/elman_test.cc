#include "rnn/elman.h"

#include "tests/rnn/cell_reference.h"

namespace seqbench {
namespace {

void elman_step(const CellReference& W, const Vector& x, Vector& h, Vector&) {
  const Vector h_previous = h;
  for (Index j = 0; j < W.D; ++j)
    h[std::size_t(j)] = std::tanh(W.a(0, j, x) + W.u(0, j, h_previous));
}

TEST(Elman, ForwardMatchesTheFormulaInFloat) { expect_forward_matches<float>(kElman, elman_step); }
TEST(Elman, ForwardMatchesTheFormulaInDouble) {
  expect_forward_matches<double>(kElman, elman_step);
}

}  // namespace
}  // namespace seqbench

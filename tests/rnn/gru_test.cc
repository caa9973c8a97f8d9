#include "rnn/gru.h"

#include "tests/rnn/cell_reference.h"

namespace seqbench {
namespace {

void gru_step(const CellReference& W, const Vector& x, Vector& h, Vector&) {
  const Vector h_previous = h;
  for (Index j = 0; j < W.D; ++j) {
    const double r = logistic(W.a(0, j, x) + W.u(0, j, h_previous));
    const double z = logistic(W.a(1, j, x) + W.u(1, j, h_previous));
    const double n = std::tanh(W.a(2, j, x) + r * W.u(2, j, h_previous));
    const auto at = std::size_t(j);
    h[at] = (1 - z) * n + z * h_previous[at];
  }
}

TEST(Gru, ForwardMatchesTheFormulaInFloat) { expect_forward_matches<float>(kGru, gru_step); }
TEST(Gru, ForwardMatchesTheFormulaInDouble) { expect_forward_matches<double>(kGru, gru_step); }

}  // namespace
}  // namespace seqbench

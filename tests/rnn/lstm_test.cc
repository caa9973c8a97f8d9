#include "rnn/lstm.h"

#include "tests/rnn/cell_reference.h"

namespace seqbench {
namespace {

void lstm_step(const CellReference& W, const Vector& x, Vector& h, Vector& c) {
  const Vector h_previous = h;
  for (Index j = 0; j < W.D; ++j) {
    const double i = logistic(W.a(0, j, x) + W.u(0, j, h_previous));
    const double f = logistic(W.a(1, j, x) + W.u(1, j, h_previous));
    const double g = std::tanh(W.a(2, j, x) + W.u(2, j, h_previous));
    const double o = logistic(W.a(3, j, x) + W.u(3, j, h_previous));
    const auto at = std::size_t(j);
    c[at] = f * c[at] + i * g;
    h[at] = o * std::tanh(c[at]);
  }
}

TEST(Lstm, ForwardMatchesTheFormulaInFloat) { expect_forward_matches<float>(kLstm, lstm_step); }
TEST(Lstm, ForwardMatchesTheFormulaInDouble) { expect_forward_matches<double>(kLstm, lstm_step); }

}  // namespace
}  // namespace seqbench

// What the steps of the `scan` kernel add to the products of its input, which any layer of two
// gates needs: the claim that such a recurrence costs hardly more than its products. Timed, so that
// it runs where SEQBENCH_LONG_TESTS is set; it prints every case.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "core/gemm.h"
#include "core/random.h"
#include "rnn/mingru_layer.h"

namespace seqbench {
namespace {

constexpr int kPairs = 7;  // of a pass and its products, one behind the other
constexpr double kLeastSeconds = 0.02;

template <typename Run>
double seconds_of(const Run& run) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  double seconds = 0;
  int runs = 0;
  do {
    run();
    ++runs;
    seconds = std::chrono::duration<double>(Clock::now() - start).count();
  } while (seconds < kLeastSeconds);
  return seconds / runs;
}

double middle(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + std::ptrdiff_t(values.size() / 2));
  return values[values.size() / 2];
}

/// Median of seconds of a pass ÷ seconds of its products alone.
double share_of_products(const ThreadTeam& team, SequenceShape shape, Index width, Pass pass) {
  const auto layer = make_mingru<float>({.width = width});
  Random random(1);
  layer->initialise(random);
  layer->reserve(shape, pass, team.size());
  const Index rows = shape.batch * shape.steps;
  Tensor<float> x({shape.batch, shape.steps, width}), y(x.shape()), dy(x.shape()), dx(x.shape());
  Tensor<float> a({rows, 2 * width});
  fill_normal(random, x.values());
  fill_normal(random, dy.values());
  const bool trains = pass == Pass::kTrain;
  const auto run_layer = [&] {
    layer->forward(team, x.sequence(), y.sequence(), trains ? Keep::kForBackward : Keep::kNothing);
    if (trains) layer->backward(team, x.sequence(), y.sequence(), dy.sequence(), dx.sequence());
  };
  const Parameter<float>& weight = layer->parameters().front();
  Tensor<float> dweight(weight.value.shape());
  const MatrixView<const float> tokens = x.matrix();
  const auto run_products = [&] {
    gemm(team, tokens, weight.value.matrix(), a.matrix(), {.transpose_b = true});
    if (!trains) return;
    gemm<float>(team, a.matrix(), weight.value.matrix(), dx.matrix());
    gemm<float>(team, a.matrix(), tokens, dweight.matrix(), {.transpose_a = true});
  };
  run_layer();
  run_products();
  std::vector<double> shares, layers, products;
  for (int pair = 0; pair < kPairs; ++pair) {
    layers.push_back(seconds_of(run_layer));
    products.push_back(seconds_of(run_products));
    shares.push_back(layers.back() / products.back());
  }
  std::printf(
      "%-7s D=%-4d B=%-2d T=%-4d t%d  %.3g s, its products alone %.3g s: %.3f (%.3f to %.3f)\n",
      trains ? "train" : "forward", int(width), int(shape.batch), int(shape.steps), team.size(),
      middle(layers), middle(products), middle(shares), *std::ranges::min_element(shares),
      *std::ranges::max_element(shares));
  return middle(shares);
}

TEST(MinGruSpeed, StepsAddLittleToTheProductsIfSoAsked) {
  if (std::getenv("SEQBENCH_LONG_TESTS") == nullptr) GTEST_SKIP() << "set SEQBENCH_LONG_TESTS";
  for (const Pass pass : {Pass::kForward, Pass::kTrain}) {
    std::vector<double> shares;
    for (const Index width : {256, 1024}) {
      for (const SequenceShape shape : {SequenceShape{1, 512}, {1, 8192}, {16, 512}, {16, 8192}}) {
        for (const int threads : {1, 2}) {
          shares.push_back(share_of_products(ThreadTeam(threads), shape, width, pass));
        }
      }
    }
    // Of the middle case: a single one may fall into a slow period of the machine.
    EXPECT_LE(middle(shares), pass == Pass::kTrain ? 1.35 : 1.25);
  }
}

}  // namespace
}  // namespace seqbench

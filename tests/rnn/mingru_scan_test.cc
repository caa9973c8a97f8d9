#include "rnn/mingru_scan.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <thread>

#include "rnn/mingru_layer.h"
#include "tests/rnn/recurrent_cases.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

// One unit; one more and one less than whole vectors, panels and tiles; sequences that end within a
// tile; depths of one pass and of several.
const std::pair<SequenceShape, Index> kCases[] = {
    {{1, 1}, 1},   {{1, 95}, 5},  {{1, 97}, 15}, {{1, 193}, 33},
    {{3, 40}, 31}, {{97, 1}, 17}, {{5, 96}, 65}, {{2, 100}, 260},
};

TEST(MinGruScan, MatchesStepwise) {
  for (const Candidate candidate : {Candidate::kPositive, Candidate::kLinear}) {
    for (const auto& [shape, D] : kCases) {
      const auto result_by = [&, size = shape, width = D](MinGruKernel kernel) {
        return train_once(
            *make_mingru<double>({.width = width, .kernel = kernel, .candidate = candidate}), size);
      };
      expect_equal_within_rounding(result_by(MinGruKernel::kScan),
                                   result_by(MinGruKernel::kStepwise), shape, D, "mingru");
    }
  }
}

/// On so many workers, all of which count as able to run although they share one CPU; on a thread
/// of its own, since pinning outlives the team.
TrainingResult<float> train_on(SequenceShape shape, Index width, int workers) {
  TrainingResult<float> result;
  std::thread([&] {
    const std::vector<int> cpus(static_cast<std::size_t>(workers), sched_getcpu());
    result = train_once(*make_mingru<float>({.width = width}), shape, ThreadTeam(workers, cpus));
  }).join();
  return result;
}

TEST(MinGruScan, IsBitEqualHoweverTheWorkIsShared) {
  for (const auto& [shape, D] : kCases) {
    const auto alone = train_on(shape, D, 1);
    for (const int workers : {2, 3, 5}) {
      const auto together = train_on(shape, D, workers);
      SCOPED_TRACE(workers);
      expect_bit_equal(together, alone);
    }
  }
}

/// Makes a layer in bfloat16.
auto rounded_layer(MinGruKernel kernel, Candidate candidate, Index width) {
  return [=](auto scalar) {
    return make_mingru<decltype(scalar)>(
        {.width = width, .kernel = kernel, .candidate = candidate, .factors = Factors::kBfloat16});
  };
}

TEST(MinGruScan, InBfloat16MatchesRoundedProductsInDouble) {
  for (const Candidate candidate : {Candidate::kPositive, Candidate::kLinear}) {
    for (const auto& [shape, D] : kCases) {
      const auto ours =
          train_rounded<float>(rounded_layer(MinGruKernel::kScan, candidate, D), shape, 2);
      const auto exact =
          train_rounded<double>(rounded_layer(MinGruKernel::kStepwise, candidate, D), shape, 1);
      expect_close_as_rounded(ours, exact, shape, D, "mingru");
    }
  }
}

TEST(MinGruScan, InBfloat16IsBitEqualHoweverTheWorkIsShared) {
  for (const auto& [shape, D] : kCases) {
    const auto layer = rounded_layer(MinGruKernel::kScan, Candidate::kPositive, D);
    const auto alone = train_rounded<float>(layer, shape, 1);
    for (const int workers : {2, 3, 5}) {
      SCOPED_TRACE(std::to_string(D) + ", " + std::to_string(workers));
      expect_bit_equal(train_rounded<float>(layer, shape, workers), alone);
    }
  }
}

// Whatever meets x or a weight as a factor sees it rounded, in every product.
TEST(MinGruScan, InBfloat16RoundedFactorsGiveTheSameBits) {
  for (const auto& [shape, D] : kCases) {
    const auto layer = rounded_layer(MinGruKernel::kScan, Candidate::kPositive, D);
    SCOPED_TRACE(D);
    expect_bit_equal(train_rounded<float>(layer, shape, 2, /*is_held=*/true),
                     train_rounded<float>(layer, shape, 2));
  }
}

// Channels that an input lacks are left out of the product, an odd number of them too.
TEST(MinGruScan, InBfloat16TakesANarrowInput) {
  const SequenceShape shape{.batch = 2, .steps = 100};
  const Index D = 24, C = 7;
  const auto layer = rounded_layer(MinGruKernel::kScan, Candidate::kPositive, D)(float());
  Random random(5);
  randomise_parameters(random, *layer);
  const Tensor<float> narrow = normal_tensor<float>(random, {shape.batch, shape.steps, C});
  Tensor<float> wide({shape.batch, shape.steps, D}), y(wide.shape()), y_of_narrow(wide.shape());
  copy(narrow.matrix(), wide.matrix().column_block(0, C));
  layer->reserve(shape, Pass::kForward, 1);
  layer->forward(ThreadTeam(), wide.sequence(), y.sequence(), Keep::kNothing);
  layer->forward(ThreadTeam(), narrow.sequence(), y_of_narrow.sequence(), Keep::kNothing);
  EXPECT_TRUE(bit_equal(y_of_narrow, y));
}

TEST(PlanScan, SharesUnitsOnlyWhereSequencesAreTooFew) {
  constexpr double kMuch = 1e9;
  const auto plan = [](SequenceShape shape, double flops, int workers) {
    const ScanPlan of_shape = plan_scan<float>(shape, 256, flops, workers);
    return std::pair(of_shape.sequence_groups, of_shape.unit_shares);
  };
  EXPECT_EQ(plan({1, 512}, kMuch, 1), std::pair(Index{1}, Index{1}));
  EXPECT_EQ(plan({1, 512}, kMuch, 2), std::pair(Index{1}, Index{2}));
  EXPECT_EQ(plan({2, 512}, kMuch, 2), std::pair(Index{2}, Index{1}));
  EXPECT_EQ(plan({3, 512}, kMuch, 2), std::pair(Index{3}, Index{2}));
  EXPECT_EQ(plan({4, 512}, kMuch, 6), std::pair(Index{4}, Index{3}));
  EXPECT_EQ(plan({17, 512}, kMuch, 2), std::pair(Index{17}, Index{1}));
  // Short sequences fill a tile together: three of 40 steps.
  EXPECT_EQ(plan({64, 40}, kMuch, 2), std::pair(Index{22}, Index{1}));
  EXPECT_EQ(plan({64, 40}, 1e5, 2), std::pair(Index{1}, Index{1}));
}

TEST(PlanScan, HasNoMoreSharesThanPanels) {
  const Index panel = kScanBlockVectors * unit_lanes<float>();
  EXPECT_EQ(plan_scan<float>({1, 512}, panel, 1e9, 8).unit_shares, 1);
  EXPECT_EQ(plan_scan<float>({1, 512}, panel + 1, 1e9, 8).unit_shares, 2);
}

/// The scan's memory and what it reads.
struct ScanData {
  SequenceShape shape;
  Index D;
  Tensor<double> weight, bias, x, dy, start, packed, packed_bias, gates, y;

  ScanData(SequenceShape shape_, Index width)
      : shape(shape_),
        D(width),
        packed({D, 2 * UnitCut<double>{.width = D}.columns()}),
        packed_bias({2 * UnitCut<double>{.width = D}.columns()}),
        gates({shape.batch, shape.steps, 2 * D}),
        y({shape.batch, shape.steps, D}) {
    Random random(5);
    weight = normal_tensor<double>(random, {2 * D, D}, 1 / std::sqrt(double(D)));
    bias = normal_tensor<double>(random, {2 * D});
    x = normal_tensor<double>(random, {shape.batch, shape.steps, D});
    dy = normal_tensor<double>(random, {shape.batch, shape.steps, D});
    start = normal_tensor<double>(random, {shape.batch, D});
  }

  ScanForward<double> pass(Tensor<double>& to_y, Tensor<double>& to_gates) {
    return {.weight = std::as_const(weight).matrix(),
            .bias = bias.data(),
            .x = std::as_const(x).sequence(),
            .y = to_y.sequence(),
            .h_start = std::as_const(start).matrix(),
            .gates = to_gates.sequence(),
            .packed_weights = packed.data(),
            .packed_bias = packed_bias.data()};
  }
};

// A summary applied to a state gives the state after all steps, and the gates blended from it each.
TEST(MinGruScan, SummaryAndBlendAreTheScan) {
  for (const auto& [shape, D] : kCases) {
    for (const int workers : {1, 2}) {
      const ThreadTeam team(workers);
      ScanData data(shape, D);
      scan_forward<double>(team, data.pass(data.y, data.gates));
      Tensor<double> gates(data.gates.shape()), y(data.y.shape());
      Tensor<double> end({shape.batch, D}), rest({shape.batch, D});
      scan_summary<double>(
          team, {.pass = data.pass(y, gates), .end = end.matrix(), .rest = rest.matrix()});
      EXPECT_TRUE(bit_equal(gates, data.gates));
      scan_forward<double>(team,
                           ScanSharedForward<double>{.shared = std::as_const(gates).matrix(),
                                                     .h_start = std::as_const(data.start).matrix(),
                                                     .y = y.sequence()});
      EXPECT_TRUE(bit_equal(y, data.y));
      const double bound = rounding_bound<double>(shape, D, max_abs(std::as_const(y).values()) + 1);
      for (Index b = 0; b < shape.batch; ++b) {
        for (Index j = 0; j < D; ++j) {
          EXPECT_NEAR(end.matrix()(b, j) + rest.matrix()(b, j) * data.start.matrix()(b, j),
                      y.sequence().sequence(b)(shape.steps - 1, j), bound);
        }
      }
    }
  }
}

// The gradient of the state before is that of the steps plus Π (1 − z) times the one behind them.
TEST(MinGruScan, SummaryBackwardGivesTheGradientOfTheStateBefore) {
  for (const auto& [shape, D] : kCases) {
    const ThreadTeam team(2);
    ScanData data(shape, D);
    Tensor<double> end({shape.batch, D}), rest({shape.batch, D}), dh({shape.batch, D});
    scan_forward<double>(team, data.pass(data.y, data.gates));
    Tensor<double> scratch_gates(data.gates.shape()), unused_y(data.y.shape());
    scan_summary<double>(
        team,
        {.pass = data.pass(unused_y, scratch_gates), .end = end.matrix(), .rest = rest.matrix()});
    Random random(6);
    const auto dh_end = normal_tensor<double>(random, {shape.batch, D});
    scan_backward_summary<double>(team, {.gates = std::as_const(data.gates).matrix(),
                                         .dy = std::as_const(data.dy).sequence(),
                                         .dh = dh.matrix()});
    Tensor<double> da(data.gates.shape()), dh_whole(dh.shape()), sums({shape.batch, 2 * D});
    scan_backward<double>(team, {.gates = std::as_const(data.gates).matrix(),
                                 .h_start = std::as_const(data.start).matrix(),
                                 .y = std::as_const(data.y).sequence(),
                                 .dy = std::as_const(data.dy).sequence(),
                                 .da = da.sequence(),
                                 .dh_end = dh_end.matrix(),
                                 .dh = dh_whole.matrix(),
                                 .sums = sums.matrix()});
    const double largest = max_abs(std::as_const(dh_whole).values()) + max_abs(dh_end.values());
    for (Index i = 0; i < dh.size(); ++i) {
      EXPECT_NEAR(dh[i] + rest[i] * dh_end[i], dh_whole[i],
                  rounding_bound<double>(shape, D, largest));
    }
  }
}

}  // namespace
}  // namespace seqbench

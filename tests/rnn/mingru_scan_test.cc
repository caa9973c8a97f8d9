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
      EXPECT_TRUE(bit_equal(together.y, alone.y)) << workers;
      EXPECT_TRUE(bit_equal(together.dx, alone.dx)) << workers;
      for (std::size_t p = 0; p < alone.gradients.size(); ++p) {
        EXPECT_TRUE(bit_equal(together.gradients[p], alone.gradients[p])) << workers << ' ' << p;
      }
    }
  }
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

}  // namespace
}  // namespace seqbench

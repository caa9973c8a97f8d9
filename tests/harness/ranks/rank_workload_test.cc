#include "harness/ranks/rank_workload.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <vector>

#include "harness/ranks/local_communicator.h"
#include "harness/ranks/strategies.h"
#include "harness/timing/workload.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

Case case_of(const std::string& model, Pass pass, int ranks) {
  return {
      .layer = {.model = model, .kernel = model_info(model).default_kernel, .width = 8, .heads = 2},
      .pass = pass,
      .shape = {.batch = 5, .steps = 7},
      .ranks = ranks,
      .strategy = "data"};
}

TEST(RankWorkload, HasItsShareOfWhatOneProcessDraws) {
  constexpr std::uint64_t kSeed = 4;
  for (const std::string& model : model_names()) {
    for (const int size : {1, 2, 3, 5}) {
      const Case one = case_of(model, Pass::kTrain, size);
      Workload alone(one, kSeed);
      Tensor<float> x({5, 7, 8}), dy({5, 7, 8});
      std::mutex mutex;
      run_local_ranks(size, [&](Communicator& ranks) {
        RankWorkload own(one, kSeed, ranks);
        own.allocate();
        const std::lock_guard lock(mutex);
        put_share(own.x().values(), own.share(), x.sequence());
        put_share(own.dy().values(), own.share(), dy.sequence());
        for (std::size_t i = 0; i < own.layer().parameters().size(); ++i) {
          EXPECT_TRUE(
              bit_equal(own.layer().parameters()[i].value, alone.layer().parameters()[i].value));
        }
      });
      EXPECT_TRUE(std::ranges::equal(x.values(), std::span(alone.x().data, 5 * 7 * 8)));
      EXPECT_TRUE(std::ranges::equal(dy.values(), std::span(alone.dy().data, 5 * 7 * 8)));
    }
  }
}

TEST(RankWorkload, ItsUpstreamGradientIsDrawnAnew) {
  run_local_ranks(2, [](Communicator& ranks) {
    RankWorkload own(case_of("gru", Pass::kTrain, 2), 1, ranks);
    own.allocate();
    const std::vector<float> before(own.dy().values().begin(), own.dy().values().end());
    std::ranges::fill(own.dy().values(), 0.0f);
    own.draw_upstream_gradient();
    EXPECT_TRUE(std::ranges::equal(own.dy().values(), before));
  });
}

TEST(RankWorkload, ATraceLeavesResultsAsTheyAreAndEndsWithTheMeeting) {
  run_local_ranks(3, [](Communicator& ranks) {
    const ThreadTeam team;
    RankWorkload own(case_of("lstm", Pass::kTrain, 3), 1, ranks);
    own.allocate();
    own.run(team);
    own.meet();
    EXPECT_GT(own.take_traffic().bytes_sent, 0);
    const std::vector<float> y(own.y().values().begin(), own.y().values().end());
    const RankTrace trace = own.trace(team);
    EXPECT_TRUE(std::ranges::equal(own.y().values(), y));
    ASSERT_GT(trace.size(), 2u);
    EXPECT_EQ(trace[trace.size() - 2].kind, RankEvent::Kind::kMeet);
    // Four gradients, each to two ranks in two turns.
    EXPECT_EQ(sent_messages(trace), 4 * 2 * 2);
    EXPECT_EQ(own.take_traffic().bytes_sent, 0);
    own.meet();  // calls are real again
  });
}

TEST(RankWorkload, PredictsItsMemory) {
  run_local_ranks(2, [](Communicator& ranks) {
    // Of five sequences the first rank has three.
    const Case forward = case_of("attention", Pass::kForward, 2);
    const double parameters = 4 * 8 * 8 + 4 * 8;
    const RankWorkload own(forward, 1, ranks);
    const auto layer = make_rank_layer<float>(forward.layer, Strategy::kData, ranks);
    EXPECT_EQ(own.predicted_bytes(), layer->workspace_bytes(forward.shape, Pass::kForward, 1) +
                                         sizeof(float) * (parameters + 2 * 3 * 7 * 8));
    EXPECT_GT(RankWorkload(case_of("attention", Pass::kTrain, 2), 1, ranks).predicted_bytes(),
              own.predicted_bytes() + sizeof(float) * 2 * 3 * 7 * 8);
  });
}

TEST(RankWorkload, SharesOfSeveralPartsAreTakenAndPutBack) {
  Random random(1);
  const Tensor<float> whole = normal_tensor<float>(random, {3, 10, 2});
  const RankShare share{.batch = {1, 2}, .steps = {{0, 2}, {7, 3}}};
  std::vector<float> own(2 * 5 * 2);
  take_share(whole.sequence(), share, own);
  EXPECT_EQ(own[0], whole[(1 * 10 + 0) * 2]);
  EXPECT_EQ(own[4], whole[(1 * 10 + 7) * 2]);
  EXPECT_EQ(own[19], whole[(2 * 10 + 9) * 2 + 1]);
  Tensor<float> back({3, 10, 2});
  put_share(own, share, back.sequence());
  for (Index b = 0; b < 3; ++b) {
    for (Index t = 0; t < 10; ++t) {
      const Index at = (b * 10 + t) * 2;
      const bool is_own = b > 0 && (t < 2 || t >= 7);
      EXPECT_EQ(back[at], is_own ? whole[at] : 0.0f) << b << " " << t;
    }
  }
}

}  // namespace
}  // namespace seqbench

#include "harness/ranks/rank_leader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "harness/ranks/local_communicator.h"

namespace seqbench {
namespace {

CaseGroup group_of(Pass pass, int ranks, const std::string& strategy = "data",
                   bool causal = false) {
  CaseGroup group;
  for (const std::string& model : model_names()) {
    group.cases.push_back({.layer = {.model = model,
                                     .kernel = model_info(model).default_kernel,
                                     .width = 8,
                                     .heads = 2,
                                     .causal = causal && model_info(model).has_heads()},
                           .pass = pass,
                           .shape = {.batch = 7, .steps = 9},
                           .ranks = ranks,
                           .strategy = strategy});
  }
  return group;
}

constexpr RankOptions kOptions{.seed = 3, .min_seconds = 1e-4, .memory_limit_bytes = 1e9};
constexpr MeasureOptions kMeasured{
    .repetitions = 4, .processes = 1, .min_seconds = 1e-4, .seed = 3, .memory_limit_bytes = 1e9};

/// Calls `lead` on rank 0, which the others follow.
void with_ranks(int size, const CaseGroup& group, const RankOptions& options,
                const std::function<void(RankLeader&)>& lead) {
  run_local_ranks(size, [&](Communicator& ranks) {
    RankMember member(ranks, group.cases, options);
    if (ranks.rank() != 0) return member.follow();
    RankLeader leader(member, options);
    lead(leader);
  });
}

TEST(RankLeader, ChecksAndMeasuresEveryCaseAsOneProcessDoes) {
  for (const Pass pass : {Pass::kForward, Pass::kTrain}) {
    for (int size = 1; size <= 4; ++size) {
      const CaseGroup group = group_of(pass, size);
      with_ranks(size, group, kOptions, [&](RankLeader& leader) {
        const std::vector<Measurement> measured =
            measure_group(group, kMeasured, {.others = leader.as_other_processes()});
        ASSERT_EQ(measured.size(), group.cases.size());
        for (const Measurement& one : measured) {
          EXPECT_EQ(one.status, "") << one.the_case.id() << ": " << one.reason;
          EXPECT_GT(one.predicted_bytes, 0);
          ASSERT_EQ(one.samples.size(), 4u) << one.the_case.id();
          for (const Sample& sample : one.samples) {
            EXPECT_GT(sample.seconds, 0);
            EXPECT_GT(sample.peak_gflops, 0);
            EXPECT_GE(sample.comm_seconds, 0);
            EXPECT_LE(sample.comm_seconds, sample.seconds * 1.01);
            EXPECT_EQ(sample.bytes_sent > 0, pass == Pass::kTrain && size > 1);
            EXPECT_EQ(sample.process, 0);
          }
        }
      });
    }
  }
}

TEST(RankLeader, ChecksAndMeasuresEveryModelsStepsOverRanks) {
  for (const Pass pass : {Pass::kForward, Pass::kTrain}) {
    for (int size = 1; size <= 5; ++size) {
      for (const bool causal : {false, true}) {
        const CaseGroup group = group_of(pass, size, "sequence", causal);
        with_ranks(size, group, kOptions, [&](RankLeader& leader) {
          for (const Measurement& one :
               measure_group(group, kMeasured, {.others = leader.as_other_processes()})) {
            EXPECT_EQ(one.status, "") << one.the_case.id() << ": " << one.reason;
            ASSERT_EQ(one.samples.size(), 4u);
            EXPECT_EQ(one.samples.front().bytes_sent > 0, size > 1);
            if (size != 3) continue;  // what messages cost is probed for it
            const RankPrediction prediction = leader.prediction(one.the_case);
            EXPECT_EQ(prediction.passes, 3);
            EXPECT_GE(prediction.seconds, prediction.compute_seconds);
          }
        });
      }
    }
  }
}

TEST(RankLeader, BytesAreThoseOfAllRanksAndOfOnePass) {
  CaseGroup group = group_of(Pass::kTrain, 3);
  group.cases.resize(1);
  with_ranks(3, group, kOptions, [&](RankLeader& leader) {
    const std::vector<Measurement> measured =
        measure_group(group, kMeasured, {.others = leader.as_other_processes()});
    const double parameters = group.cases.front().cost().parameters;
    for (const Sample& sample : measured.front().samples) {
      EXPECT_DOUBLE_EQ(sample.bytes_sent, 2.0 * (3 - 1) * parameters * sizeof(float));
    }
  });
}

TEST(RankLeader, PredictsTheTimeFromEachRanksOwn) {
  CaseGroup group = group_of(Pass::kTrain, 2);
  with_ranks(2, group, kOptions, [&](RankLeader& leader) {
    EXPECT_EQ(leader.prediction(group.cases.front()).passes, 0);
    measure_group(group, kMeasured, {.others = leader.as_other_processes()});
    for (const Case& one : group.cases) {
      const RankPrediction prediction = leader.prediction(one);
      EXPECT_EQ(prediction.passes, 3);
      EXPECT_GT(prediction.compute_seconds, 0);
      EXPECT_GT(prediction.seconds, prediction.compute_seconds);
      EXPECT_GT(prediction.messages, 0);
    }
    EXPECT_TRUE(leader.message_costs().is_known());
  });
}

TEST(RankLeader, AWrongResultFailsWithWhatDiffers) {
  CaseGroup group = group_of(Pass::kTrain, 2);
  with_ranks(2, group, kOptions, [&](RankLeader& leader) {
    const MeasureHooks hooks{.check =
                                 [](Workload& workload) {
                                   Reference reference(workload);
                                   workload.layer().parameters()[0].gradient[1] += 1;
                                   return reference.difference(workload);
                                 },
                             .others = leader.as_other_processes()};
    for (const Measurement& one : measure_group(group, kMeasured, hooks)) {
      EXPECT_EQ(one.status, "failed");
      EXPECT_NE(one.reason.find("d."), std::string::npos) << one.reason;
      EXPECT_TRUE(one.samples.empty());
    }
  });
}

TEST(RankLeader, ACaseAboveTheLimitOfARankIsSkipped) {
  const CaseGroup group = group_of(Pass::kForward, 2);
  RankOptions options = kOptions;
  options.memory_limit_bytes = 1000;
  with_ranks(2, group, options, [&](RankLeader& leader) {
    for (const Measurement& one :
         measure_group(group, kMeasured, {.others = leader.as_other_processes()})) {
      EXPECT_EQ(one.status, "skipped");
      EXPECT_NE(one.reason.find("on a rank, limit 1000 B"), std::string::npos) << one.reason;
    }
  });
}

TEST(RankLeader, CasesMakeRoomForEachOtherAndAreMadeAgain) {
  const CaseGroup group = group_of(Pass::kTrain, 2);
  double largest = 0;
  with_ranks(2, group, kOptions, [&](RankLeader& leader) {
    for (const Measurement& one :
         measure_group(group, kMeasured, {.others = leader.as_other_processes()})) {
      largest = std::max(largest, one.predicted_bytes);
    }
  });
  RankOptions options = kOptions;
  options.memory_limit_bytes = 1.01 * largest;  // two do not fit
  with_ranks(2, group, options, [&](RankLeader& leader) {
    for (const Measurement& one :
         measure_group(group, kMeasured, {.others = leader.as_other_processes()})) {
      EXPECT_EQ(one.status, "") << one.reason;
      EXPECT_EQ(one.samples.size(), 4u);
    }
  });
}

}  // namespace
}  // namespace seqbench

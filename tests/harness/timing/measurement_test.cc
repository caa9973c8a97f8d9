#include "harness/timing/measurement.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "harness/base/errors.h"
#include "harness/base/statistics.h"
#include "harness/timing/case.h"
#include "harness/timing/measure_options.h"
#include "harness/timing/time_estimate.h"

namespace seqbench {
namespace {

CaseGroup small_group(Pass pass) {
  CaseGroup group;
  for (const int threads : {1, 2}) {
    for (const char* model : {"lstm", "attention"}) {
      group.cases.push_back({.layer = {.model = model,
                                       .kernel = model_info(model).default_kernel,
                                       .width = 16,
                                       .heads = 2},
                             .pass = pass,
                             .shape = {.batch = 2, .steps = 9},
                             .threads = threads});
    }
  }
  return group;
}

TEST(Measurement, TakesEveryRepetitionOfEveryCase) {
  const MeasureOptions options{.repetitions = 3, .min_seconds = 1e-4, .memory_limit_bytes = 1e9};
  for (const Pass pass : {Pass::kForward, Pass::kTrain, Pass::kDecode}) {
    const std::vector<Measurement> measured = measure_group(small_group(pass), options, {});
    ASSERT_EQ(measured.size(), 4u);
    for (const Measurement& one : measured) {
      EXPECT_EQ(one.status, "") << one.the_case.id() << one.reason;
      ASSERT_EQ(one.samples.size(), 3u) << one.the_case.id();
      for (const Sample& sample : one.samples) {
        EXPECT_GT(sample.seconds, 0);
        EXPECT_LT(sample.seconds, 1);
        EXPECT_GT(sample.peak_gflops, 0.1);
        EXPECT_FALSE(sample.disturbance.steal_fraction < 0);  // or not known
        EXPECT_FALSE(sample.disturbance.wait_fraction < 0);
        EXPECT_EQ(sample.disturbance.unpinned_threads, 0);
      }
    }
  }
}

TEST(Measurement, TellsEachSampleWhenItIsTakenInRoundsOfAllCases) {
  std::vector<std::string> ids;
  std::vector<Index> repetitions;
  std::string next;
  const MeasureHooks hooks{.on_step = [&](const std::string& step) { next = step; },
                           .on_sample =
                               [&](const TakenSample& taken) {
                                 EXPECT_EQ(next, taken.the_case.id());
                                 ids.push_back(taken.the_case.id());
                                 repetitions.push_back(taken.repetition);
                               }};
  measure_group(small_group(Pass::kForward),
                {.repetitions = 3, .min_seconds = 1e-4, .memory_limit_bytes = 1e9}, hooks);
  EXPECT_EQ(repetitions, (std::vector<Index>{0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2}));
  for (int round = 0; round < 3; ++round) {
    std::sort(ids.begin() + 4 * round, ids.begin() + 4 * round + 4);
    EXPECT_TRUE(std::equal(ids.begin(), ids.begin() + 4, ids.begin() + 4 * round)) << round;
  }
}

TEST(Measurement, AddsRepetitionsUntilEachCaseIsKnownAsWellAsAsked) {
  for (const Measurement& one : measure_group(small_group(Pass::kForward),
                                              {.repetitions = 1,
                                              .min_seconds = 1e-4,
                                              .precision = 0.5,
                                              .precision_seconds = 60,
                                              .memory_limit_bytes = 1e9},
                                              {})) {
    EXPECT_GE(one.samples.size(), kLeastForInterval) << one.the_case.id();
    EXPECT_LE(estimate_seconds(one.samples).relative_half_width(), 0.5);
  }
}

TEST(Measurement, AddsRepetitionsOnlyForALimitedTimeAndOnlyWhenAsked) {
  MeasureOptions options{.repetitions = 2,
                         .min_seconds = 1e-4,
                         .precision = 1e-9,
                         .precision_seconds = 0.2,
                         .memory_limit_bytes = 1e9};
  const auto start = std::chrono::steady_clock::now();
  const auto limited = measure_group(small_group(Pass::kForward), options, {});
  // Checks and one round beyond the limit included.
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
  options.precision = 0;
  const auto unasked = measure_group(small_group(Pass::kForward), options, {});
  for (std::size_t i = 0; i < limited.size(); ++i) {
    EXPECT_GT(limited[i].samples.size(), 2u);
    EXPECT_EQ(unasked[i].samples.size(), 2u);
  }
}

TEST(Measurement, VisitsAreOfOneProcessAfterTheOtherWhereThereAreAny) {
  std::vector<Index> processes;
  std::map<std::string, std::vector<Index>> passes;
  int releases = 0;
  const MeasureHooks hooks{
      .others = {.repeat = [&](const RemoteRequest& request) -> RemoteRepetition {
                   processes.push_back(request.process);
                   passes[request.the_case.id()].push_back(request.passes);
                   return {.sample = {.seconds = 0.25, .peak_gflops = 3}, .passes = 5};
                 },
                 .release = [&] { ++releases; }}};
  const auto measured = measure_group(
      small_group(Pass::kForward),
      {.repetitions = 3, .processes = 2, .min_seconds = 100, .memory_limit_bytes = 1e9}, hooks);
  EXPECT_EQ(processes, (std::vector<Index>{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1}));
  EXPECT_EQ(releases, 3);  // before the check, and after each visit
  for (const Measurement& one : measured) {
    EXPECT_EQ(passes.at(one.the_case.id()), (std::vector<Index>{0, 5, 5}));
    ASSERT_EQ(one.samples.size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(one.samples[i].process, i < 2 ? 0 : 1);
      EXPECT_EQ(one.samples[i].seconds, 0.25);
      EXPECT_EQ(one.samples[i].peak_gflops, 3);
    }
  }
}

TEST(Measurement, VisitsOfTwoGroupsMayBeTakenInTurn) {
  std::vector<std::pair<Index, Index>> visited;  // length and process
  const MeasureHooks hooks{.others = {.repeat = [&](const RemoteRequest& request) {
                             visited.emplace_back(request.the_case.shape.steps, request.process);
                             return RemoteRepetition{.sample = {.seconds = 1, .peak_gflops = 1},
                                                     .passes = 1};
                           }}};
  CaseGroup first_group = small_group(Pass::kForward);
  first_group.cases.resize(1);
  CaseGroup second_group = first_group;
  second_group.cases[0].shape.steps = 10;
  const MeasureOptions options{.repetitions = 3, .processes = 2, .memory_limit_bytes = 1e9};
  GroupMeasurement first(first_group, options, hooks), second(second_group, options, hooks);
  for (GroupMeasurement* one : {&first, &second}) {
    EXPECT_EQ(one->visits(), 2);
    one->check();
  }
  for (int visit = 0; visit < 2; ++visit) {
    for (GroupMeasurement* one : {&first, &second}) {
      EXPECT_FALSE(one->is_finished());
      one->visit();
    }
  }
  EXPECT_EQ(visited, (std::vector<std::pair<Index, Index>>{
                         {9, 0}, {9, 0}, {10, 0}, {10, 0}, {9, 1}, {10, 1}}));
  for (GroupMeasurement* one : {&first, &second}) {
    EXPECT_TRUE(one->is_finished());
    EXPECT_EQ(one->result()[0].samples.size(), 3u);
  }
}

TEST(Measurement, RoundsThatPrecisionAddsAreOfANewProcessEach) {
  double seconds = 1;
  std::set<Index> processes;
  const MeasureHooks hooks{.others = {.repeat = [&](const RemoteRequest& request) {
                             processes.insert(request.process);
                             seconds = seconds == 1 ? 1.1 : 1;
                             return RemoteRepetition{
                                 .sample = {.seconds = seconds, .peak_gflops = 1}, .passes = 1};
                           }}};
  CaseGroup group = small_group(Pass::kForward);
  group.cases.resize(1);
  const auto measured = measure_group(
      group, {.repetitions = 2, .processes = 6, .precision = 0.04, .memory_limit_bytes = 1e9},
      hooks);
  const TimeEstimate estimate = estimate_seconds(measured[0].samples);
  EXPECT_LE(estimate.relative_half_width(), 0.04);
  EXPECT_GT(estimate.processes, 4);
  EXPECT_EQ(Index(processes.size()), estimate.processes);
  EXPECT_EQ(*processes.rbegin(), estimate.processes - 1);
}

TEST(Measurement, ACaseThatAnotherProcessCannotRepeatHasNoTime) {
  int asked = 0;
  const MeasureHooks hooks{
      .others = {.repeat = [&](const RemoteRequest& request) -> RemoteRepetition {
        if (request.the_case.layer.model != "lstm" || ++asked < 2) {
          return {.sample = {.seconds = 1, .peak_gflops = 1}, .passes = 1};
        }
        return {.status = "failed", .reason = "it died"};
      }}};
  const auto measured =
      measure_group(small_group(Pass::kForward),
                    {.repetitions = 4, .processes = 2, .memory_limit_bytes = 1e9}, hooks);
  for (const Measurement& one : measured) {
    const bool failed = one.the_case.layer.model == "lstm";
    EXPECT_EQ(one.status, failed ? "failed" : "") << one.the_case.id();
    EXPECT_EQ(one.reason, failed ? "it died" : "");
    EXPECT_EQ(one.samples.size(), failed ? 0u : 4u);
  }
  EXPECT_EQ(asked, 3);  // the first of two cases once more, and each once in vain
}

TEST(Measurement, EndsWhenASampleCannotBeKept) {
  const MeasureHooks hooks{.on_sample = [](const TakenSample&) { throw FileError("disk full"); }};
  const MeasureOptions options{.repetitions = 2, .min_seconds = 1e-5, .memory_limit_bytes = 1e9};
  EXPECT_THROW(measure_group(small_group(Pass::kForward), options, hooks), FileError);
  EXPECT_EQ(measure_group(small_group(Pass::kForward), options, {})[0].samples.size(), 2u);
}

TEST(Measurement, SkipsWhatDoesNotFitAndSaysWhatItNeeds) {
  CaseGroup group;
  group.cases.push_back({.layer = {.model = "attention", .kernel = "naive", .heads = 4},
                         .shape = {.batch = 1, .steps = 131072}});
  const auto measured = measure_group(group, {.memory_limit_bytes = 16e9}, {});
  ASSERT_EQ(measured.size(), 1u);
  EXPECT_EQ(measured[0].status, "skipped");
  EXPECT_TRUE(measured[0].samples.empty());
  EXPECT_NE(measured[0].reason.find("256."), std::string::npos) << measured[0].reason;  // GiB
  EXPECT_NE(measured[0].reason.find("--kernel fused"), std::string::npos) << measured[0].reason;
}

TEST(Measurement, TimesAGroupThatFitsOnlyOneWorkloadAtATime) {
  const CaseGroup group = small_group(Pass::kTrain);
  double largest = 0;
  for (const Case& one : group.cases) largest = std::max(largest, one.predicted_bytes());
  const auto measured = measure_group(
      group, {.repetitions = 2, .min_seconds = 1e-5, .memory_limit_bytes = 1.5 * largest}, {});
  for (const Measurement& one : measured) EXPECT_EQ(one.samples.size(), 2u) << one.reason;
}

TEST(Measurement, DoesNotTimeAWrongResult) {
  const CaseGroup group = small_group(Pass::kForward);
  const MeasureHooks hooks{.check = [](Workload& workload) {
    return workload.the_case().model().has_heads() ? "y differs" : "";
  }};
  const auto measured = measure_group(
      group, {.repetitions = 2, .min_seconds = 1e-5, .memory_limit_bytes = 1e9}, hooks);
  for (const Measurement& one : measured) {
    const bool attention = one.the_case.model().has_heads();
    EXPECT_EQ(one.status, attention ? "failed" : "");
    EXPECT_EQ(one.reason, attention ? "y differs" : "");
    EXPECT_EQ(one.samples.size(), attention ? 0u : 2u);
  }
}

TEST(Measurement, PredictsTheMemoryThatACaseTakes) {
#ifdef SEQBENCH_SANITIZED
  GTEST_SKIP() << "a sanitizer's shadow counts as the case's memory";
#endif
  for (const Pass pass : {Pass::kForward, Pass::kTrain, Pass::kDecode}) {
    CaseGroup group;
    group.cases.push_back({.layer = {.model = "attention", .kernel = "fused", .heads = 4},
                           .pass = pass,
                           .shape = {.batch = 8, .steps = 2048}});
    const auto measured = measure_group(
        group, {.repetitions = 1, .min_seconds = 1e-5, .memory_limit_bytes = 4e9}, {});
    const double predicted = group.cases[0].predicted_bytes();
    ASSERT_GT(predicted, 64e6);
    // Besides, the BLAS's packing buffers and the threads' stacks: a few MiB.
    EXPECT_NEAR(measured[0].peak_bytes, predicted, 0.1 * predicted) << pass_name(pass);
  }
}

}  // namespace
}  // namespace seqbench

#include "harness/timing/span_measurement.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "harness/machine/placement.h"
#include "harness/models/registry.h"
#include "harness/timing/workload.h"

namespace seqbench {
namespace {

constexpr Index kSteps = 5;

Case small_case(const ModelInfo& model, const std::string& kernel, Pass pass, Index batch) {
  return {.layer = {.model = model.name,
                    .kernel = kernel,
                    .width = 64,
                    .heads = model.has_heads() ? 2 : 1},
          .pass = pass,
          .shape = {.batch = batch, .steps = kSteps}};
}

TaskGraph recorded(const Case& one, int processors) {
  Workload workload(one, 1, make_layer<float>, processors);
  TaskRecorder recorder;
  const ThreadTeam team(processors, {}, recorder);
  recorder.begin_pass();
  workload.run(team);
  return recorder.end_pass();
}

template <typename Body>
void for_each_kernel(const Body& body) {
  for (const ModelInfo& model : all_models()) {
    for (const std::string& kernel : model.kernels) body(model, kernel);
  }
}

TEST(TasksOfKernels, StepsAreThoseOfTheLoopsOverTime) {
  for_each_kernel([](const ModelInfo& model, const std::string& kernel) {
    for (const int processors : {1, 2, 64}) {
      for (const Index batch : {1, 9}) {
        SCOPED_TRACE(model.name + ":" + kernel + " for " + std::to_string(processors));
        const auto steps = [&](Pass pass) {
          return recorded(small_case(model, kernel, pass, batch), processors).steps;
        };
        if (model.kind == ModelKind::kAttention) {
          EXPECT_EQ(steps(Pass::kTrain), 0);
        } else if (kernel == "newton") {  // as many as there are sweeps
          EXPECT_GE(steps(Pass::kForward), 1);
        } else {
          EXPECT_EQ(steps(Pass::kForward), kSteps);
          EXPECT_EQ(steps(Pass::kTrain), 2 * kSteps);
        }
      }
    }
  });
}

TEST(TasksOfKernels, WorkersMeetAtEachStepWhereTheyShareTheUnits) {
  for_each_kernel([](const ModelInfo& model, const std::string& kernel) {
    for (const Index batch : {1, 9}) {
      SCOPED_TRACE(model.name + ":" + kernel + " B=" + std::to_string(batch));
      if (kernel == "newton") continue;  // a window may fall back to steps
      const TaskGraph alone = recorded(small_case(model, kernel, Pass::kTrain, batch), 1);
      EXPECT_EQ(alone.barriers(), 0);
      const TaskGraph two = recorded(small_case(model, kernel, Pass::kTrain, batch), 2);
      // Nine sequences are shared out whole (rnn/loop_plan.h).
      EXPECT_EQ(two.barriers(), kernel == "persistent" && batch == 1 ? 2 * kSteps : 0);
    }
  });
}

TEST(TasksOfKernels, PersistentLoopHasATaskForEachWorkerAndStep) {
  for (const std::string model : {"elman", "gru", "lstm"}) {
    // Products of five rows are too small to wake anybody: the loop is all that there is.
    const TaskGraph shared =
        recorded(small_case(model_info(model), "persistent", Pass::kForward, 1), 2);
    EXPECT_EQ(shared.regions(), 1) << model;
    EXPECT_EQ(shared.tasks(), 2 * kSteps) << model;
    EXPECT_EQ(shared.handed_over_bytes(), kSteps * 64 * 4) << model;  // h, a float a unit
    // As many shares as there are vectors, of 4 to 16 units.
    const TaskGraph many =
        recorded(small_case(model_info(model), "persistent", Pass::kForward, 1), 64);
    EXPECT_EQ(many.barriers(), kSteps) << model;
    EXPECT_EQ(many.tasks() % kSteps, 0) << model;
    EXPECT_GE(many.tasks(), 4 * kSteps) << model;
    EXPECT_LE(many.tasks(), 16 * kSteps) << model;
  }
}

TEST(TasksOfKernels, AttentionHasATaskForEachHead) {
  for (const std::string kernel : {"naive", "fused"}) {
    for (const Index batch : {1, 3}) {
      const Case one = small_case(model_info("attention"), kernel, Pass::kForward, batch);
      const TaskGraph graph = recorded(one, 2);
      EXPECT_EQ(graph.tasks(), 2 * batch) << kernel;
      EXPECT_EQ(graph.regions(), 1) << kernel;
    }
  }
}

TEST(TasksOfKernels, MinGruScansWithoutMeeting) {
  // Long enough to be worth sharing out: panels packed, then groups of sequences by shares of
  // units.
  Case one = small_case(model_info("mingru"), "scan", Pass::kForward, 4);
  one.shape.steps = 500;
  const TaskGraph graph = recorded(one, 2);
  EXPECT_EQ(graph.barriers(), 0);
  EXPECT_EQ(graph.steps, 500);
  EXPECT_GE(graph.regions(), 1);
  const Stage& scan =
      *std::find_if(graph.stages.rbegin(), graph.stages.rend(),
                    [](const Stage& stage) { return stage.end != StageEnd::kNone; });
  EXPECT_EQ(scan.seconds.size() % 4, 0u);
}

TEST(TasksOfKernels, ARecordedPassThatNeverMeetsComputesTheSame) {
  const Case one = small_case(model_info("attention"), "fused", Pass::kTrain, 2);
  Workload plain(one, 1), noted(one, 1, make_layer<float>, 3);
  plain.run(ThreadTeam(1));
  TaskRecorder recorder;
  recorder.begin_pass();
  noted.run(ThreadTeam(3, {}, recorder));
  const Index size = one.shape.batch * kSteps * 64;
  EXPECT_TRUE(std::equal(plain.y().data, plain.y().data + size, noted.y().data));
  EXPECT_TRUE(std::equal(plain.dx().data, plain.dx().data + size, noted.dx().data));
}

SpanMeasurement measured(const Case& one, double memory_limit_bytes = 1e9) {
  return measure_span(one,
                      {.memory_limit_bytes = memory_limit_bytes,
                       .min_seconds = 0.001,
                       .repetitions = 3,
                       .processors = {1, 2, 64},
                       .threads = {1}},
                      MeetingCosts({{2, {1e-3, 1e-3, 0}}}), [](const std::string&) {});
}

TEST(SpanMeasurement, ProjectsForEachNumberOfProcessors) {
  const SpanMeasurement found =
      measured(small_case(model_info("lstm"), "persistent", Pass::kForward, 1));
  ASSERT_EQ(found.status, "ok");
  ASSERT_EQ(found.points.size(), 3u);
  EXPECT_EQ(found.steps, kSteps);
  EXPECT_EQ(found.barriers, kSteps);
  EXPECT_EQ(found.regions, 1);
  EXPECT_GT(found.work_seconds, 0);
  EXPECT_GT(found.span_seconds, 0);
  // Six meetings of 32 ms each.
  EXPECT_NEAR(found.burdened_span_seconds - found.span_seconds, 6 * 32e-3, 1e-9);
  const std::vector<int> processors = {1, 2, 64};
  for (std::size_t i = 0; i < processors.size(); ++i) {
    const SpanPoint& point = found.points[i];
    EXPECT_EQ(point.processors, processors[i]);
    EXPECT_LE(point.projected.low, point.projected.predicted);
    // Sums of other orders differ by a rounding each.
    EXPECT_LE(point.projected.predicted, point.projected.high * (1 + 1e-12));
    EXPECT_GT(point.peak_gflops, 0);
    EXPECT_EQ(point.measured.size(), processors[i] == 1 ? 3u : 0u);
  }
  EXPECT_DOUBLE_EQ(found.points[0].projected.predicted, found.work_seconds);
  EXPECT_GT(found.points[1].projected.predicted, 6e-3);
  EXPECT_LT(found.points[1].projected.low, 6e-3);
}

TEST(SpanMeasurement, SaysWhyACaseIsSkipped) {
  const SpanMeasurement found =
      measured(small_case(model_info("gru"), "persistent", Pass::kTrain, 1), 1000);
  EXPECT_EQ(found.status, "skipped");
  EXPECT_NE(found.reason.find("limit"), std::string::npos);
  EXPECT_TRUE(found.points.empty());
}

TEST(SpanMeasurement, DecodesAToken) {
  for (const ModelInfo& model : all_models()) {
    const SpanMeasurement found =
        measured(small_case(model, model.default_kernel, Pass::kDecode, 1));
    EXPECT_EQ(found.status, "ok") << model.name;
    EXPECT_EQ(found.steps, model.kind == ModelKind::kAttention ? 0 : 1) << model.name;
  }
}

}  // namespace
}  // namespace seqbench

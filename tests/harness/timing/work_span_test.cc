#include "harness/timing/work_span.h"

#include <gtest/gtest.h>

namespace seqbench {
namespace {

/// One second alone; a region of five tasks; two workers that meet twice; one second alone.
TaskGraph small_graph() {
  return {.stages = {{.seconds = {1}, .end = StageEnd::kNone},
                     {.seconds = {3, 3, 2, 2, 2}, .end = StageEnd::kRegion},
                     {.seconds = {4, 2}, .end = StageEnd::kBarrier, .handed_over_bytes = 16},
                     {.seconds = {1, 3}, .end = StageEnd::kBarrier, .handed_over_bytes = 16},
                     {.seconds = {}, .end = StageEnd::kRegion},
                     {.seconds = {1}, .end = StageEnd::kNone}},
          .steps = 2};
}

TEST(WorkSpan, AddsUpAllTasksAndTheLongestOfEachStage) {
  const TaskGraph graph = small_graph();
  EXPECT_DOUBLE_EQ(work_seconds(graph), 1 + 12 + 6 + 4 + 1);
  EXPECT_DOUBLE_EQ(span_seconds(graph), 1 + 3 + 4 + 3 + 1);
  EXPECT_EQ(graph.tasks(), 9);
  EXPECT_EQ(graph.barriers(), 2);
  EXPECT_EQ(graph.regions(), 2);
}

TEST(WorkSpan, ChargesMeetingsAndRegions) {
  EXPECT_DOUBLE_EQ(burden_seconds(small_graph(), {.barrier_seconds = 0.5,
                                                  .region_seconds = 0.25,
                                                  .handover_seconds_per_byte = 0.125}),
                   2 * 0.5 + 2 * 0.25 + 32 * 0.125);
}

TEST(WorkSpan, OneProcessorTakesTheWorkAndNoBurden) {
  const ProjectedTime one = projected_time(small_graph(), 1, {100, 100, 100});
  EXPECT_DOUBLE_EQ(one.low, 24);
  EXPECT_DOUBLE_EQ(one.predicted, 24);
  EXPECT_DOUBLE_EQ(one.high, 24);
}

TEST(WorkSpan, BoundsTheTimeOnTwoProcessors) {
  const Burden burden{.barrier_seconds = 0.5, .region_seconds = 0.25};
  const ProjectedTime two = projected_time(small_graph(), 2, burden);
  EXPECT_DOUBLE_EQ(two.low, 1 + 6 + 4 + 3 + 1);
  // 3 + 2 + 2 and 3 + 2: handed out in order, the fifth waits for the third.
  EXPECT_DOUBLE_EQ(two.predicted, 1 + 7 + 4 + 3 + 1 + 1.5);
  EXPECT_DOUBLE_EQ(two.high, 1 + (9. / 2 + 3) + (2. / 2 + 4) + (1. / 2 + 3) + 1 + 1.5);
}

TEST(WorkSpan, ManyProcessorsTakeTheSpanAndTheBurden) {
  const ProjectedTime many = projected_time(small_graph(), 64, {0.5, 0.25, 0});
  EXPECT_DOUBLE_EQ(many.low, 12);
  EXPECT_DOUBLE_EQ(many.predicted, 12 + 1.5);
  EXPECT_GT(many.high, many.predicted);
  EXPECT_DOUBLE_EQ(many.high, 12 + 1.5 + (9. + 2 + 1) / 64);
}

TEST(WorkSpan, HandsOutTasksInTheirOrder) {
  // The long one last: 1 + 4 on one of the two, which a better order would avoid.
  const TaskGraph late{.stages = {{.seconds = {1, 1, 4}, .end = StageEnd::kRegion}}, .steps = 0};
  EXPECT_DOUBLE_EQ(projected_time(late, 2, {}).predicted, 5);
  const TaskGraph early{.stages = {{.seconds = {4, 1, 1}, .end = StageEnd::kRegion}}, .steps = 0};
  EXPECT_DOUBLE_EQ(projected_time(early, 2, {}).predicted, 4);
}

}  // namespace
}  // namespace seqbench

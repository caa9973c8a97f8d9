#include "harness/timing/preparation.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "harness/timing/case.h"

namespace seqbench {
namespace {

const Case kCase{.layer = {.model = "gru", .kernel = "hoisted", .width = 16},
                 .pass = Pass::kTrain,
                 .shape = {.batch = 2, .steps = 9}};

TEST(Preparation, HandsOverAWorkloadWhoseResultIsRight) {
  double announced = 0;
  const Preparation ready =
      prepare(kCase, {.memory_limit_bytes = 1e9, .make_room = [&](double b) { announced = b; }});
  ASSERT_NE(ready.workload, nullptr) << ready.reason;
  EXPECT_EQ(ready.status, "");
  EXPECT_EQ(ready.workload->the_case().id(), kCase.id());
  EXPECT_GE(announced, kCase.predicted_bytes());
}

TEST(Preparation, LeavesTheUpstreamGradientAsItWas) {
  Workload fresh(kCase, 1);
  const SequenceView<float> dy = fresh.dy();
  const Index size = dy.batch * dy.steps * dy.width;
  EXPECT_EQ(std::count(dy.data, dy.data + size, 0.0f), 0);
  const Preparation ready = prepare(kCase, {.seed = 1, .memory_limit_bytes = 1e9});
  ASSERT_NE(ready.workload, nullptr) << ready.reason;
  EXPECT_TRUE(std::equal(dy.data, dy.data + size, ready.workload->dy().data));
}

TEST(Preparation, HoldsBackAWrongResult) {
  const Preparation wrong =
      prepare(kCase, {.memory_limit_bytes = 1e9, .check = [](Workload&) { return "y differs"; }});
  EXPECT_EQ(wrong.workload, nullptr);
  EXPECT_EQ(wrong.status, "failed");
  EXPECT_EQ(wrong.reason, "y differs");
}

TEST(Preparation, AllocatesNothingAboveTheLimit) {
  const Preparation skipped =
      prepare(kCase, {.memory_limit_bytes = 1, .make_room = [](double) { FAIL(); }});
  EXPECT_EQ(skipped.workload, nullptr);
  EXPECT_EQ(skipped.status, "skipped");
  EXPECT_NE(skipped.reason.find("--batch"), std::string::npos) << skipped.reason;
}

}  // namespace
}  // namespace seqbench

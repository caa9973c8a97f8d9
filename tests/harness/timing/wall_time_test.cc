#include "harness/timing/wall_time.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

namespace seqbench {
namespace {

TEST(WallTime, AllTimeBelongsToSomeActivity) {
  const auto start = std::chrono::steady_clock::now();
  WallTime time;
  for (const auto& [activity, milliseconds] :
       {std::pair(Activity::kPasses, 30), std::pair(Activity::kProbes, 20),
        std::pair(Activity::kChecks, 10), std::pair(Activity::kPasses, 40)}) {
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    time.lap(activity);
  }
  const double elapsed =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_GE(time.total_seconds(), 0.1);
  EXPECT_LE(time.total_seconds(), elapsed);
  EXPECT_GE(time.seconds(Activity::kPasses), 0.07);
  EXPECT_GE(time.seconds(Activity::kProbes), 0.02);
  EXPECT_EQ(time.seconds(Activity::kSetUp), 0);
  EXPECT_NEAR(time.measuring_share(), 1 - time.seconds(Activity::kChecks) / time.total_seconds(),
              1e-12);
  double sum = 0;
  const nlohmann::ordered_json json = time.as_json();  // items() keeps a reference only
  for (const auto& [name, seconds] : json.items()) sum += seconds.get<double>();
  EXPECT_NEAR(sum, time.total_seconds(), 1e-12);
}

TEST(WallTime, IsZeroBeforeTheFirstLap) { EXPECT_EQ(WallTime().measuring_share(), 0); }

}  // namespace
}  // namespace seqbench

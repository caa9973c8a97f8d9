#include "harness/base/stopwatch.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace seqbench {
namespace {

TEST(Stopwatch, CountsSecondsSinceItWasMade) {
  const Stopwatch stopwatch;
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const double first = stopwatch.seconds();
  EXPECT_GE(first, 0.02);
  EXPECT_LT(first, 20);  // not milliseconds, on however busy a machine
  EXPECT_GE(stopwatch.seconds(), first);
}

TEST(Stopwatch, LeavesOutWhatIsSaidNotToCount) {
  const Stopwatch whole;
  Stopwatch stopwatch;
  stopwatch.leave_out([] { std::this_thread::sleep_for(std::chrono::milliseconds(20)); });
  const double counted = stopwatch.seconds();
  EXPECT_GE(counted, 0);
  EXPECT_LE(counted, whole.seconds() - 0.02);
}

}  // namespace
}  // namespace seqbench

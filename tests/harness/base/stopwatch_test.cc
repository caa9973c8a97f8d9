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

}  // namespace
}  // namespace seqbench

#include "harness/timing/slow_periods.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <utility>
#include <vector>

namespace seqbench {
namespace {

/// Takes repetitions with these peaks, in their order; its seconds are their numbers from 1.
class Repetitions {
 public:
  explicit Repetitions(std::vector<double> peaks) : peaks_(std::move(peaks)) {}

  RemoteRepetition next() {
    const double peak = peaks_.at(taken_++);
    return {.sample = {.seconds = double(taken_), .peak_gflops = peak}};
  }
  std::size_t left() const { return peaks_.size() - taken_; }

 private:
  std::vector<double> peaks_;
  std::size_t taken_ = 0;
};

const Case kOnOneThread{.layer = {.model = "gru", .kernel = "hoisted"}, .shape = {}};

TEST(SlowPeriods, ARepetitionInASlowPeriodIsTakenAnewTwiceAtMost) {
  Repetitions repetitions({10, 10, 10, 10, 10, 10, /*slow, then not*/ 6, 10, 10,
                           /*slow*/ 6, 7, 5, /*a little*/ 8.6});
  SlowPeriods periods;
  const auto take = [&] {
    return periods.taken_outside(kOnOneThread, [&] { return repetitions.next(); }).sample;
  };
  for (int i = 0; i < 6; ++i) EXPECT_EQ(take().retaken, 0);
  const Sample again = take();
  EXPECT_EQ(again.retaken, 1);
  EXPECT_EQ(again.seconds, 8);
  EXPECT_EQ(take().retaken, 0);
  const Sample slow = take();  // the least slow of three
  EXPECT_EQ(slow.retaken, 2);
  EXPECT_EQ(slow.seconds, 11);
  EXPECT_EQ(slow.peak_gflops, 7);
  EXPECT_EQ(take().retaken, 0);
  EXPECT_EQ(repetitions.left(), 0u);
}

TEST(SlowPeriods, OtherThreadsAndFactorsHaveOtherPeaks) {
  Repetitions repetitions({10, 10, 10, 10, 10, 10, 5, 5});
  SlowPeriods periods;
  Case on_two = kOnOneThread, rounded = kOnOneThread;
  on_two.threads = 2;
  rounded.layer.factors = Factors::kBfloat16;
  const auto take = [&](const Case& one) {
    return periods.taken_outside(one, [&] { return repetitions.next(); }).sample.retaken;
  };
  for (int i = 0; i < 6; ++i) EXPECT_EQ(take(kOnOneThread), 0);
  EXPECT_EQ(take(on_two), 0);
  EXPECT_EQ(take(rounded), 0);
}

}  // namespace
}  // namespace seqbench

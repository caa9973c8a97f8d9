#include "harness/timing/noise.h"

#include <gtest/gtest.h>

#include <limits>

#include "harness/base/statistics.h"
#include "harness/machine/placement.h"

namespace seqbench {
namespace {

/// Nine repetitions that are `seconds` × 0.98 to 1.02 long.
Measurement measured(const Disturbance& disturbance) {
  Measurement one;
  one.the_case = {.layer = {.model = "gru", .kernel = "hoisted", .width = 16},
                  .shape = {.batch = 2, .steps = 9}};
  for (int i = 0; i < 9; ++i) {
    one.samples.push_back(
        {.seconds = 1 + 0.005 * (i - 4), .peak_gflops = 100, .disturbance = disturbance});
  }
  return one;
}

TEST(Noise, QuietRepetitionsHaveNone) {
  EXPECT_EQ(noise_of(measured({}), 0), "");
  EXPECT_EQ(noise_of(measured({.wait_fraction = kMostWaiting, .involuntary_switches = 9}), 0), "");
}

TEST(Noise, WideIntervalsNameWhatHelps) {
  Measurement one = measured({});
  for (std::size_t i = 0; i < one.samples.size(); i += 2) one.samples[i].seconds *= 1.5;
  EXPECT_NE(noise_of(one, 0).find("--precision"), std::string::npos);
  EXPECT_EQ(noise_of(one, 0.5), "");
  EXPECT_NE(noise_of(measured({}), 0.001).find("--precision-time"), std::string::npos);
  one.samples.resize(kLeastForInterval - 1);
  EXPECT_NE(noise_of(one, 0).find("--repetitions"), std::string::npos);
}

TEST(Noise, WaitingInHalfOfTheRepetitionsIsNoiseHoweverSteady) {
  Measurement one = measured({});
  for (std::size_t i = 0; i < 4; ++i) one.samples[i].disturbance.wait_fraction = 0.5;
  EXPECT_EQ(noise_of(one, 0), "");
  one.samples[4].disturbance.wait_fraction = 0.06;
  EXPECT_NE(noise_of(one, 0).find("6 %"), std::string::npos) << noise_of(one, 0);
  EXPECT_NE(noise_of(one, 0).find("taskset"), std::string::npos);
  // As asked for: threads that take turns.
  one.the_case.threads = static_cast<int>(usable_cpus().size()) + 1;
  EXPECT_EQ(noise_of(one, 0), "");
}

TEST(Noise, AnExhaustedQuotaIsNoise) {
  Measurement one = measured({});
  for (std::size_t i = 0; i < 4; ++i) one.samples[i].disturbance.throttled = 2;
  EXPECT_EQ(noise_of(one, 0), "");
  one.samples[8].disturbance.throttled = 1;
  EXPECT_NE(noise_of(one, 0).find("5 of 9 repetitions"), std::string::npos) << noise_of(one, 0);
}

TEST(Noise, UnknownWaitingIsNone) {
  EXPECT_EQ(noise_of(measured({.wait_fraction = std::numeric_limits<double>::quiet_NaN()}), 0), "");
}

}  // namespace
}  // namespace seqbench

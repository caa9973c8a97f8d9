#include "harness/attention_maps/heat_map.h"

#include <gtest/gtest.h>

namespace seqbench {
namespace {

TEST(HeatMap, ShowsPercentAndAShadeUnderEachWord) {
  Tensor<double> weights({2, 2});
  weights[0] = 1, weights[1] = 0, weights[2] = 0.25, weights[3] = 0.75;
  EXPECT_EQ(heat_map({"caf\u00e9s", "it"}, std::as_const(weights).matrix()),
            "      caf\u00e9s    it\n"
            "caf\u00e9s 100\u2588\u2588   0  \n"
            "it     25\u2591\u2591  75\u2593\u2593\n");
}

TEST(HeatMap, AColumnIsAsWideAsItsWord) {
  Tensor<double> weights({1, 1});
  weights[0] = 1;
  EXPECT_EQ(heat_map({"because"}, std::as_const(weights).matrix()),
            "        because\n"
            "because   100\u2588\u2588\n");
}

}  // namespace
}  // namespace seqbench

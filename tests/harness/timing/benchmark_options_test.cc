#include "harness/timing/benchmark_options.h"

#include <gtest/gtest.h>

#include "harness/base/errors.h"

namespace seqbench {
namespace {

TEST(BenchmarkOptions, RefusesWhatGoogleBenchmarkDoesNotKnowOrSeqbenchSets) {
  EXPECT_THROW(pass_to_benchmark({"--benchmark_nonsense=1"}), UsageError);
  EXPECT_THROW(pass_to_benchmark({"--benchmark_repetitions=3"}), UsageError);
  EXPECT_NO_THROW(pass_to_benchmark({}));
}

}  // namespace
}  // namespace seqbench

#include "harness/base/environment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

namespace seqbench {
namespace {

TEST(Environment, KeepsOptionsAndTopologiesFromLibraries) {
  for (const char* name : {"BENCHMARK_FORMAT", "BENCHMARK_FILTER", "HWLOC_XMLFILE",
                           "HWLOC_SYNTHETIC", "OMP_DISPLAY_ENV", "OPENBLAS_VERBOSE"}) {
    EXPECT_TRUE(is_kept_from_libraries(name)) << name;
  }
  for (const char* name : {"OMP_WAIT_POLICY", "OPENBLAS_CORETYPE", "PATH", "XBENCHMARK_FORMAT"}) {
    EXPECT_FALSE(is_kept_from_libraries(name)) << name;
  }
}

TEST(Environment, NamesWhatLibrariesMayRead) {
  using Variable = std::pair<std::string, std::string>;
  ::setenv("OMP_WAIT_POLICY", "a=b", 1);
  ::setenv("GOMP_SPINCOUNT", "", 1);
  ::setenv("SEQBENCH_OTHER", "x", 1);
  const auto found = library_variables();
  ::unsetenv("OMP_WAIT_POLICY");
  ::unsetenv("GOMP_SPINCOUNT");
  ::unsetenv("SEQBENCH_OTHER");
  EXPECT_EQ(std::ranges::count(found, Variable("OMP_WAIT_POLICY", "a=b")), 1);
  EXPECT_EQ(std::ranges::count(found, Variable("GOMP_SPINCOUNT", "")), 1);
  EXPECT_TRUE(std::ranges::is_sorted(found));
  for (const auto& [name, value] : found) EXPECT_NE(name, "SEQBENCH_OTHER");
}

}  // namespace
}  // namespace seqbench

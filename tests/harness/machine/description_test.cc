#include "harness/machine/description.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/machine/build_id.h"
#include "harness/machine/memory.h"
#include "harness/machine/placement.h"

namespace seqbench {
namespace {

TEST(Description, HasEveryPart) {
  const auto machine = describe_machine();
  for (const char* key :
       {"host", "cpu", "affinity", "cpus_usable", "cpu_quota", "governor", "turbo", "topology",
        "caches", "memory_bytes", "build", "libraries", "flush_subnormals"}) {
    EXPECT_TRUE(machine.contains(key)) << key;
  }
}

TEST(Description, IsWhatTheSystemAndTheBuildTell) {
  const auto machine = describe_machine();
  EXPECT_EQ(machine["affinity"], nlohmann::ordered_json(affinity_mask()));
  EXPECT_EQ(machine["cpus_usable"], nlohmann::ordered_json(usable_cpus()));
  EXPECT_EQ(machine["memory_bytes"], 1024 * number_of_key("/proc/meminfo", "MemTotal"));
  EXPECT_EQ(machine["build"]["id"], build_id());
  EXPECT_EQ(machine["libraries"]["hwloc"], hwloc_version());
}

TEST(Description, OfLimitsHasEveryProbe) {
  const MachineLimits limits{.threads = 2,
                             .peak_gflops = 100.5,
                             .bandwidth = {{1024, 4e9}, {4096, 2e9}},
                             .barrier_seconds = 1e-6};
  EXPECT_EQ(to_json(limits).dump(),
            R"({"threads":2,"peak_gflops":100.5,"barrier_seconds":1e-06,"bandwidth_per_thread":)"
            R"([{"working_set_bytes":1024.0,"bytes_per_second":4000000000.0},)"
            R"({"working_set_bytes":4096.0,"bytes_per_second":2000000000.0}]})");
}

}  // namespace
}  // namespace seqbench

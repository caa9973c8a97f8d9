#include "harness/machine/description.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "harness/machine/build_id.h"
#include "harness/machine/memory.h"
#include "harness/machine/placement.h"
#include "tests/harness/temporary_folder.h"

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
  EXPECT_EQ(machine["memory_bytes"], total_memory_bytes().value());
  EXPECT_EQ(machine.contains("pinning"), !pinning_problem(usable_cpus()).empty());
  EXPECT_EQ(machine["cpu"], cpu_model());
  EXPECT_EQ(machine["build"]["id"], build_id());
  EXPECT_EQ(machine["libraries"]["hwloc"], hwloc_version());
}

class CpuModel : public FolderTest {
 protected:
  std::string model_in(const std::string& cpuinfo) const {
    write("cpuinfo", cpuinfo);
    return cpu_model(folder_ / "cpuinfo");
  }
};

TEST_F(CpuModel, IsTheNameThatTheKernelHas) {
  EXPECT_EQ(model_in("processor\t: 0\nmodel\t\t: 143\nmodel name\t: Some CPU @ 2 GHz\n\n"
                     "processor\t: 1\nmodel name\t: Some CPU @ 2 GHz"),
            "Some CPU @ 2 GHz");
  EXPECT_EQ(model_in("model name:Some CPU"), "Some CPU");
  EXPECT_EQ(model_in("processor : 0\ncpu\t\t: POWER9, altivec supported"),
            "POWER9, altivec supported");
  EXPECT_EQ(model_in("Processor\t: ARMv7 Processor rev 4 (v7l)\nprocessor\t: 0\n"
                     "CPU implementer\t: 0x41\nCPU part\t: 0xd03\nHardware\t: BCM2709"),
            "ARMv7 Processor rev 4 (v7l)");
}

TEST_F(CpuModel, OfArmIsMakerAndPartOfEachKind) {
  EXPECT_EQ(model_in("processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd05\n\n"
                     "processor\t: 1\nCPU implementer\t: 0x41\nCPU part\t: 0xd0a\n"),
            "implementer 0x41, part 0xd05, 0xd0a");
  EXPECT_EQ(model_in("processor\t: 0\nHardware\t: BCM2835"), "BCM2835");
}

TEST_F(CpuModel, IsUnknownWhereTheFileDoesNotTell) {
  EXPECT_EQ(cpu_model(folder_ / "nowhere"), "unknown");
  for (const char* text : {"", "model name", "model name\t:", "model name\t: \t", ":", ": x",
                           "CPU implementer\t: 0x41"}) {
    EXPECT_EQ(model_in(text), "unknown") << text;
  }
}

TEST(Description, OfLimitsHasEveryProbe) {
  const MachineLimits limits{.threads = 2,
                             .peak_gflops = 100.5,
                             .bfloat16_peak_gflops = 200.25,
                             .bandwidth = {{1024, 4e9}, {4096, 2e9}},
                             .barrier_seconds = 1e-6};
  EXPECT_EQ(
      to_json(limits).dump(),
      R"({"threads":2,"peak_gflops":100.5,"bfloat16_peak_gflops":200.25,"barrier_seconds":1e-06,"bandwidth_per_thread":)"
      R"([{"working_set_bytes":1024.0,"bytes_per_second":4000000000.0},)"
      R"({"working_set_bytes":4096.0,"bytes_per_second":2000000000.0}]})");
}

}  // namespace
}  // namespace seqbench

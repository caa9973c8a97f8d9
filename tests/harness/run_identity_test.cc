#include "harness/run_identity.h"

#include <gtest/gtest.h>

#include "harness/build_id.h"
#include "harness/machine.h"

namespace seqbench {
namespace {

using Json = nlohmann::ordered_json;

Json sample_run() {
  return {{"host", "vm"},
          {"cpus_usable", {0, 1}},
          {"memory_bytes", 1024},
          {"build", {{"git_commit", "abc"}, {"id", "1"}}},
          {"environment", Json::object()},
          {"run_id", "one"},
          {"commands", Json::array({1, 2})}};
}

/// The record of a command that was called with these options.
Json sample_record(const std::vector<std::string>& arguments) {
  CommandLine line("throughput", "", "", "");
  line.option("length", "512", "").option("memory-limit", "", "").option("out", "", "");
  line.flag("resume", "").flag("no-progress", "").flag("causal", "");
  line.parse(arguments);
  return command_record("throughput", line);
}

TEST(RunIdentity, OfOneMachineAndBuildDoesNotDiffer) {
  EXPECT_EQ(listed(run_differences(describe_machine(), describe_machine())), "");
}

TEST(RunIdentity, ListsEveryDifferenceByItsName) {
  Json other = sample_run();
  other["host"] = "vm2";
  other["cpus_usable"] = {0};
  other["build"]["id"] = "2";
  other["environment"]["OMP_DYNAMIC"] = "true";
  EXPECT_EQ(listed(run_differences(sample_run(), other)),
            "host: 'vm' then, 'vm2' now; build.id: '1' then, '2' now; environment.OMP_DYNAMIC: "
            "'unknown' then, 'true' now; cpus_usable.1: '1' then, 'unknown' now; environment: '{}' "
            "then, 'unknown' now");
}

TEST(RunIdentity, IgnoresWhatIsNotOfTheMachine) {
  Json other = sample_run();
  other["run_id"] = "two";
  other["commands"] = Json::array();
  other["memory_bytes"] = 2048;
  EXPECT_TRUE(run_differences(sample_run(), other).empty());
}

TEST(RunIdentity, OfTheMachineAloneLeavesTheBuildOut) {
  Json other = sample_run();
  other["build"]["git_commit"] = "def";
  EXPECT_EQ(run_differences(sample_run(), other).size(), 1u);
  EXPECT_TRUE(machine_differences(sample_run(), other).empty());
}

TEST(RunIdentity, ComparesTheOptionsThatLeadToOtherRows) {
  const Json then = sample_record({"--length", "8"});
  EXPECT_TRUE(command_differences(
                  then, sample_record({"--length", "8", "--out", "x", "--resume", "--no-progress"}))
                  .empty());
  EXPECT_EQ(listed(command_differences(
                then, sample_record({"--causal", "--memory-limit", "1G", "--", "--filter=x"}))),
            "--length: '8' then, '512' now; --memory-limit: '' then, '1G' now; --causal: 'false' "
            "then, 'true' now; --: '' then, '--filter=x' now");
}

TEST(RunIdentity, OfTheBuildIsTheLinkersHash) {
  EXPECT_GE(build_id().size(), 16u);
  EXPECT_EQ(build_id().find_first_not_of("0123456789abcdef"), std::string::npos);
}

}  // namespace
}  // namespace seqbench

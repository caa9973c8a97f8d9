#include "harness/files/run_identity.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "harness/base/errors.h"
#include "harness/machine/description.h"

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

TEST(RunIdentity, ReadsARunWhateverElseItHolds) {
  const Json run =
      parse_run(R"({"host":"vm","probes":null,"commands":[{"command":"recall"}]})", "f");
  EXPECT_EQ(list_in(run, "commands").size(), 1u);
  EXPECT_TRUE(list_in(run, "probes").empty());
  EXPECT_TRUE(list_in(run, "missing").empty());
}

TEST(RunIdentity, RefusesWhatIsNoRun) {
  const std::string nested = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string("{"), std::string("{\"a\":\"\xff\"}"),
        std::string(R"({"commands":{}})"), std::string(R"({"commands":[1]})"),
        std::string(R"({"commands":[{"command":5}]})"),
        std::string(R"({"commands":[{"passed_on":[]}]})"), std::string(R"({"probes":[[]]})"),
        std::string("{\"a\":").append(nested).append("}")}) {
    try {
      parse_run(text, "run/machine.json");
      FAIL() << text.substr(0, 80);
    } catch (const FileError& error) {
      EXPECT_TRUE(std::string(error.what()).starts_with("run/machine.json: is no JSON object"))
          << error.what();
    }
  }
}

TEST(RunIdentity, FindsTheLastRecordOfSomeCommands) {
  const Json run = Json::parse(
      R"({"commands":[{"command":"scaling","n":1},{"command":"throughput","n":2},
                      {"command":"recall","n":3},{"n":4}]})");
  EXPECT_EQ(last_record(run, {"throughput", "scaling"})["n"], 2);
  EXPECT_EQ(last_record(run, {"recall"})["n"], 3);
  EXPECT_TRUE(last_record(run, {"machine"}).empty());
  EXPECT_TRUE(last_record(Json::object(), {"machine"}).empty());
}

TEST(RunIdentity, ComparesRecordsThatLackTheirOptions) {
  const Json now = sample_record({"--length", "8"});
  for (const char* text :
       {R"({"command":"throughput"})", R"({"command":"throughput","options":5})"}) {
    const std::string found = listed(command_differences(Json::parse(text), now));
    EXPECT_NE(found.find("--length: '' then, '8' now"), std::string::npos) << found;
  }
}

TEST(RunIdentity, NamesNestedValuesThatOneSideLacks) {
  const Json then = {{"list", {{{"a", 1}, {"b", {true, nullptr}}}}}};
  EXPECT_EQ(
      listed(run_differences(then, Json::object())),
      "list.0.a: '1' then, 'unknown' now; list.0.b.0: 'true' then, 'unknown' now; list.0.b.1: "
      "'null' then, 'unknown' now");
}

}  // namespace
}  // namespace seqbench

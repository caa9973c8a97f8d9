#include "harness/server/server_process.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "core/affinity.h"
#include "harness/machine/placement.h"
#include "tests/harness/file_error.h"
#include "tests/harness/temporary_folder.h"

namespace seqbench {
namespace {

using Json = nlohmann::ordered_json;

/// Shell scripts take the part of the other build.
class ServerProcessTest : public FolderTest {
 protected:
  std::string script(const std::string& body) const {
    const std::filesystem::path file = folder_ / "program";
    write("program", "#!/bin/sh\n" + body);
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
    return file;
  }
  /// The error of one request to such a program.
  std::string refused(const std::string& body) const {
    ServerProcess process(script(body), {});
    return error_of([&] { process.ask({{"do", "list"}}); });
  }
};

TEST_F(ServerProcessTest, AsksTheCommandRepeatALineATime) {
  ServerProcess process(
      script(R"(while read -r line; do echo "{\"words\":\"$*\",\"request\":$line}"; done)"),
      {"--model", "gru"});
  EXPECT_EQ(process.program(), folder_ / "program");
  for (const char* what : {"list", "dance"}) {
    EXPECT_EQ(process.ask({{"do", what}}),
              (Json{{"words", "repeat --model gru"}, {"request", {{"do", what}}}}));
  }
}

TEST_F(ServerProcessTest, TakesAnAnswerInPiecesAndTwoAtOnce) {
  ServerProcess process(
      script("read -r line; printf '{\"a\":'; sleep 0.1; printf '1}\\n{\"a\":2}\\n'\n"
             "read -r line; read -r line"),
      {});
  EXPECT_EQ(process.ask({{"do", "list"}})["a"], 1);
  EXPECT_EQ(process.ask({{"do", "list"}})["a"], 2);
}

TEST_F(ServerProcessTest, AProgramThatCannotBeRunIsNamed) {
  const std::string program = folder_ / "nowhere";
  EXPECT_EQ(error_of([&] { ServerProcess(program, {}); }),
            "'" + program + "' cannot be run: No such file or directory");
}

TEST_F(ServerProcessTest, AProgramThatEndsIsTold) {
  for (const auto& [body, how] :
       {std::pair("exit 2", "exit code 2"), std::pair("read -r line", "exit code 0"),
        std::pair("read -r line; printf 'torn'", "exit code 0"),
        std::pair("read -r line; kill -9 $$", "signal 9")}) {
    const std::string error = refused(body);
    EXPECT_NE(error.find(std::string("program' ended with ") + how +
                         " on {\"do\":\"list\"}; expected a build of seqbench"),
              std::string::npos)
        << error;
    ServerProcess process(script(body), {});
    try {
      process.ask({{"do", "list"}});
      ADD_FAILURE() << body;
    } catch (const ServerEnded& ended) {
      EXPECT_EQ(ended.how(), how);
    }
  }
}

TEST_F(ServerProcessTest, TheProcessMayRunWhereThisOneMight) {
  const std::vector<int>& before = affinity_mask();
  if (before.empty()) GTEST_SKIP() << "the system tells no CPUs";
  // In a thread of its own, so that the others of this process stay where they are.
  std::string told;
  std::thread([&] {
    pin_to(before.front());
    ServerProcess process(script("read -r line; count=$(nproc); echo \"{\\\"cpus\\\":$count}\""),
                          {});
    told = process.ask({{"do", "list"}}).dump();
  }).join();
  EXPECT_EQ(told, Json({{"cpus", before.size()}}).dump());
}

TEST_F(ServerProcessTest, AnAnswerOfSomethingElseIsQuoted) {
  for (const std::string answer : {"usage: program", "[1]", "7"}) {
    const std::string error = refused("read -r line; echo '" + answer + "'");
    EXPECT_NE(error.find("answered '" + answer + "'; expected a JSON object"), std::string::npos)
        << error;
  }
}

TEST_F(ServerProcessTest, ARefusalIsAnError) {
  const std::string error = refused(R"(read -r line; echo '{"error":"case: none"}')");
  EXPECT_NE(error.find("program': case: none"), std::string::npos) << error;
}

TEST_F(ServerProcessTest, TheProcessEndsWithItsInputAndIsWaitedFor) {
  const std::filesystem::path ended = folder_ / "ended";
  {
    const ServerProcess process(
        script("while read -r line; do :; done; sleep 0.1; touch '" + ended.string() + "'"), {});
    EXPECT_FALSE(std::filesystem::exists(ended));
  }
  EXPECT_TRUE(std::filesystem::exists(ended));
}

}  // namespace
}  // namespace seqbench

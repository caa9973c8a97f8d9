#include "harness/server/protocol.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <iostream>
#include <limits>
#include <sstream>
#include <stdexcept>

#include "harness/base/interrupt.h"

namespace seqbench {
namespace {

using Json = nlohmann::ordered_json;

struct SampleCase {
  std::string name;
  std::string id() const { return name; }
};

/// Two cases, of which "b" cannot be prepared; a prepared one counts its repetitions.
class SampleServer : public CaseServer<SampleCase, int> {
 public:
  SampleServer() : CaseServer({{"a"}, {"b"}}, {"start"}) {}

 private:
  Json prepare_case(const SampleCase& one, const Json& request) override {
    if (one.id() == "b") throw std::runtime_error("b is out of order");
    ready_[one.id()] = request.value("start", 0);
    return {{"case", one.id()}, {"status", "ready"}};
  }
  Json repeat(const SampleCase& one, int& prepared, Index passes) override {
    if (prepared == 9) throw Interrupted{2};
    prepared += passes > 0 ? static_cast<int>(passes) : 1;
    return {{"case", one.id()}, {"passes", prepared}};
  }
  Json judge(const SampleCase&, const JudgeRequest&) override { return Json::object(); }
};

std::string answer(SampleServer& server, const std::string& line) {
  return server.answer(line).dump();
}

TEST(CaseServer, AnswersEachKindOfRequest) {
  SampleServer server;
  EXPECT_EQ(answer(server, R"({"do":"list"})"), R"({"cases":["a","b"]})");
  EXPECT_EQ(answer(server, R"({"do":"prepare","case":"a","start":4})"),
            R"({"case":"a","status":"ready"})");
  EXPECT_EQ(answer(server, R"({"do":"repeat","case":"a"})"), R"({"case":"a","passes":5})");
  EXPECT_EQ(answer(server, R"({"do":"repeat","case":"a"})"), R"({"case":"a","passes":6})");
  EXPECT_EQ(answer(server, R"({"do":"repeat","case":"a","passes":2})"),
            R"({"case":"a","passes":8})");
  EXPECT_EQ(answer(server, R"({"do":"release","case":"a"})"), R"({"case":"a"})");
  const Json probed = server.answer(R"({"do":"probe","threads":1})");
  EXPECT_GT(probed["peak_gflops"], 0.1);
  const Json rounded = server.answer(R"({"do":"probe","threads":1,"dtype":"bfloat16"})");
  EXPECT_GT(rounded["peak_gflops"], 0.1);
}

TEST(CaseServer, WhatCannotBeMetIsAnErrorAndNothingElse) {
  SampleServer server;
  for (const auto& [request, part] :
       {std::pair(R"({"do":"dance"})", "'dance' is not allowed"),
        std::pair(R"({"do":"repeat","case":"a"})", "case: 'a' is not prepared"),
        std::pair(R"({"do":"prepare","case":"c"})", "case: 'c' is not allowed"),
        std::pair(R"({"do":"prepare"})", "case: 'null'"),
        std::pair(R"({"do":"release","case":["a"]})", R"(case: '["a"]')"),
        std::pair(R"({"do":"prepare","case":"b"})", "b is out of order"),
        std::pair("list", "'list' is not allowed")}) {
    const Json reply = server.answer(request);
    EXPECT_EQ(reply.size(), 1u) << request;
    EXPECT_NE(reply.value("error", "").find(part), std::string::npos) << reply;
  }
}

TEST(CaseServer, RefusesFieldsThatARequestOfItsKindDoesNotHave) {
  SampleServer server;
  for (const auto& [request, error] :
       {std::pair(R"({"do":"list","case":"a"})",
                  R"(case: '"a"' is not allowed; expected the fields do)"),
        std::pair(R"({"do":"prepare","case":"a","again":true})",
                  "again: 'true' is not allowed; expected the fields do, case, start"),
        std::pair(R"({"do":"repeat","case":"a","least_second":3})",
                  "least_second: '3' is not allowed; expected the fields do, case, passes"),
        std::pair(R"({"do":"judge","case":"a","sample":[]})",
                  "sample: '[]' is not allowed; expected the fields do, case, samples, remedy"),
        std::pair(R"({"do":"probe","threads":1,"cpu":0})",
                  "cpu: '0' is not allowed; expected the fields do, threads, dtype"),
        std::pair(R"({"do":"prepare","case":"a","case":"b"})",
                  "the field 'case' is there twice; expected it once")}) {
    EXPECT_EQ(server.answer(request), Json({{"error", error}})) << request;
  }
}

TEST(CaseServer, EscapesBytesThatAreNoUtf8) {
  SampleServer server;
  EXPECT_EQ(answer(server, "caf\xe9"),
            R"({"error":"'caf\\xe9' is not allowed; expected a JSON object such as )"
            R"({\"do\":\"list\"}"})");
}

TEST(CaseServer, AReleasedCaseIsNotPrepared) {
  SampleServer server;
  server.answer(R"({"do":"prepare","case":"a"})");
  server.answer(R"({"do":"release","case":"a"})");
  EXPECT_TRUE(server.answer(R"({"do":"repeat","case":"a"})").contains("error"));
}

TEST(CaseServer, AnInterruptionIsNoError) {
  SampleServer server;
  server.answer(R"({"do":"prepare","case":"a","start":9})");
  EXPECT_THROW(server.answer(R"({"do":"repeat","case":"a"})"), Interrupted);
}

TEST(ParseRequest, TakesObjectsThatSayWhatToDo) {
  EXPECT_EQ(parse_request(R"({"do":"list","more":1})").dump(), R"({"do":"list","more":1})");
  for (const char* line : {"", "list", "[1]", R"("do")", "{}", R"({"do":7})", R"({"do":"list")"}) {
    EXPECT_THROW(parse_request(line), std::invalid_argument) << line;
  }
}

TEST(ParseJudgeRequest, KeepsWhatIsNotKnownUnknown) {
  const auto disturbance_in = [](const Json& more) {
    Json told = {{"seconds", 1}, {"peak_gflops", 100}};
    told.update(more);
    return parse_judge_request({{"samples", {told}}}).samples.front().disturbance;
  };
  for (const Json& nothing : {Json::object(), Json{{"throttled", nullptr},
                                                   {"involuntary_switches", nullptr},
                                                   {"steal_fraction", nullptr},
                                                   {"unpinned_threads", nullptr}}}) {
    const Disturbance unknown = disturbance_in(nothing);
    EXPECT_EQ(unknown.throttled, std::nullopt);
    EXPECT_EQ(unknown.involuntary_switches, std::nullopt);
    EXPECT_TRUE(std::isnan(unknown.steal_fraction));
    EXPECT_EQ(unknown.unpinned_threads, 0);
  }
  EXPECT_EQ(disturbance_in({{"throttled", 2}}).throttled, 2);
  EXPECT_EQ(disturbance_in({{"unpinned_threads", 3}}).unpinned_threads, 3);
  EXPECT_THROW(disturbance_in({{"unpinned_threads", -1}}), std::invalid_argument);
}

TEST(ProbeAnswer, RefusesWhatIsNoNumberFormat) {
  for (const Json& dtype : {Json(), Json("half"), Json(16)}) {
    EXPECT_THROW(probe_answer({{"do", "probe"}, {"threads", 1}, {"dtype", dtype}}),
                 std::invalid_argument)
        << dtype;
  }
}

TEST(ProbeAnswer, RefusesWhatIsNoNumberOfThreads) {
  for (const Json& threads :
       {Json(), Json(0), Json(-1), Json(4097), Json(1.5), Json("1"), Json(true)}) {
    EXPECT_THROW(probe_answer({{"do", "probe"}, {"threads", threads}}), std::invalid_argument)
        << threads;
  }
}

TEST(RepeatPasses, TimesAllPassesButTheFirst) {
  int calls = 0;
  const Json once = repeat_passes(ThreadTeam(1), {}, [&] { ++calls; });
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(once["passes"], 1);

  constexpr double kLeastSeconds = 0.01;
  calls = 0;
  const Json several = repeat_passes(ThreadTeam(1), {.least_seconds = kLeastSeconds}, [&] {
    ++calls;
    ::usleep(1000);
  });
  EXPECT_EQ(several["passes"], calls - 1);
  EXPECT_LE(several["passes"], 10);  // of a millisecond or more
  EXPECT_GE(several["passes"].get<double>() * several["seconds"].get<double>(), kLeastSeconds);
  EXPECT_GT(several["peak_gflops"], 0.1);
  EXPECT_EQ(several["unpinned_threads"], 0);
  EXPECT_TRUE(several["steal_fraction"].is_null());  // a team without CPUs
  EXPECT_EQ(several.size(), 8u);

  for (const auto& [passes, expected] : {std::pair(1, 1), std::pair(3, 4)}) {
    calls = 0;
    const Json given =
        repeat_passes(ThreadTeam(1), {.least_seconds = 9, .passes = passes}, [&] { ++calls; });
    EXPECT_EQ(given["passes"], passes);
    EXPECT_EQ(calls, expected);  // an untimed one before several
  }
}

TEST(PassesOf, AreAWholeNumberOrNone) {
  EXPECT_EQ(passes_of({{"do", "repeat"}}), 0);
  EXPECT_EQ(passes_of({{"passes", 3}}), 3);
  for (const Json& wrong : {Json(0), Json(-1), Json(1.5), Json("3")}) {
    EXPECT_THROW(passes_of({{"passes", wrong}}), std::invalid_argument) << wrong;
  }
}

TEST(OrNull, KeepsFiniteNumbersAlone) {
  EXPECT_EQ(or_null(1.5), Json(1.5));
  EXPECT_EQ(or_null(std::optional<Index>(0)), Json(0));
  EXPECT_TRUE(or_null(std::optional<Index>()).is_null());
  EXPECT_TRUE(or_null(std::numeric_limits<double>::quiet_NaN()).is_null());
  EXPECT_TRUE(or_null(-std::numeric_limits<double>::infinity()).is_null());
}

/// What serve() answers to this standard input.
std::string served(const std::string& input, const std::function<Json(const std::string&)>& with) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  EXPECT_EQ(::write(ends[1], input.data(), input.size()), ssize_t(input.size()));
  ::close(ends[1]);
  const int before = ::dup(STDIN_FILENO);
  ::dup2(ends[0], STDIN_FILENO);
  ::close(ends[0]);
  std::ostringstream output;
  std::streambuf* const screen = std::cout.rdbuf(output.rdbuf());
  serve(with);
  std::cout.rdbuf(screen);
  ::dup2(before, STDIN_FILENO);
  ::close(before);
  return output.str();
}

TEST(Serve, AnswersEveryWholeLineInOrder) {
  const auto echo = [](const std::string& line) -> Json { return {{"line", line}}; };
  EXPECT_EQ(served("one\n\ntwo\ncut o", echo),
            "{\"line\":\"one\"}\n{\"line\":\"\"}\n{\"line\":\"two\"}\n");
  EXPECT_EQ(served("", echo), "");
  const std::string longer(10000, 'x');  // than what is read at a time
  EXPECT_EQ(served(longer + "\n", echo), "{\"line\":\"" + longer + "\"}\n");
}

}  // namespace
}  // namespace seqbench

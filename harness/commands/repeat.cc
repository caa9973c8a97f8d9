#include "harness/commands/repeat.h"

#include <stdexcept>

#include "harness/machine/machine.h"
#include "harness/server/repeat_protocol.h"
#include "harness/server/repeat_steps.h"
#include "harness/timing/sweep.h"

namespace seqbench {
namespace {

using Json = nlohmann::ordered_json;

Json as_json(const CsvRow& cells) {
  Json object = Json::object();
  for (const std::string& column : kThroughputColumns) {
    if (const auto cell = cells.find(column); cell != cells.end()) {
      object[column] = cell->second.text();
    }
  }
  return object;
}

}  // namespace

Json RepeatServer::prepare_case(const Case& one, const Json& request) {
  const bool again = request.value("again", false);
  if (!again)
    probe_limits_of(one.threads);  // a pause for it between repetitions would let the machine cool
  ready_.erase(one.id());
  PrepareOptions options{.seed = options_.seed,
                         .memory_limit_bytes = options_.memory_limit_bytes,
                         .make_layer = make_layer_};
  if (again) options.check = [](Workload&) { return std::string(); };
  Preparation prepared = prepare(one, options);
  const bool ready = prepared.workload != nullptr;
  Json reply = {{"case", one.id()}, {"status", ready ? "ready" : prepared.status}};
  if (!ready) reply["reason"] = prepared.reason;
  reply["peak_bytes"] = or_null(prepared.peak_bytes);
  reply["cells"] = as_json(static_cells(one));
  if (ready) ready_[one.id()] = std::move(prepared);
  return reply;
}

Json RepeatServer::repeat(const Case& one, Preparation& prepared) {
  Workload& workload = *prepared.workload;
  const ThreadTeam team = make_team(one.threads);
  Json reply = repeat_passes(team, options_.min_seconds, [&] { workload.run(team); });
  reply["limit_seconds"] = limit_seconds(one, reply["peak_gflops"]);
  return reply;
}

void RepeatServer::probe_limits_of(int threads) {
  if (limits_.contains(threads)) return;
  limits_[threads] = probe_limits(make_team(running_workers(threads)));
}

Json RepeatServer::limit_seconds(const Case& one, double peak_gflops) const {
  const auto limits = limits_.find(one.threads);
  return limits == limits_.end() ? Json()
                                 : or_null(limit_seconds_at(one, limits->second, peak_gflops));
}

void add_repeat_options(CommandLine& line) {
  add_grid_options(line, "512");
  add_timing_options(line);
}

std::vector<Case> parse_repeat_cases(const CommandLine& line) {
  std::vector<Case> cases;
  for (const CaseGroup& group : expand(parse_grid(line))) {
    cases.insert(cases.end(), group.cases.begin(), group.cases.end());
  }
  return cases;
}

int repeat_command(const std::vector<std::string>& arguments) {
  CommandLine line(
      "repeat", "[options of a grid]",
      "Single repetitions on request, so that another program can interleave them with those of\n"
      "other libraries (scripts/peers). Reads one JSON object a line and answers each with one;\n"
      "ends with its input. Requests: list, prepare CASE, repeat CASE, probe THREADS, release "
      "CASE.",
      "  echo '{\"do\":\"list\"}' | seqbench repeat --length 512\n"
      "  printf '%s\\n' '{\"do\":\"prepare\",\"case\":\"gru:hoisted:forward:B1:T64:D256:H-:t1\"}' "
      "\\\n"
      "    '{\"do\":\"repeat\",\"case\":\"gru:hoisted:forward:B1:T64:D256:H-:t1\"}' |\n"
      "    seqbench repeat --model gru --kernel hoisted --length 64\n");
  add_repeat_options(line);
  add_step_options(line);
  if (!line.parse(arguments)) return 0;
  line.refuse_passed_on();
  const MeasureOptions options = parse_timing_options(line);
  if (line.given("task")) {
    StepServer server(parse_step_cases(line), options);
    serve([&](const std::string& request) { return server.answer(request); });
  } else {
    RepeatServer server(parse_repeat_cases(line), options);
    serve([&](const std::string& request) { return server.answer(request); });
  }
  return 0;
}

}  // namespace seqbench

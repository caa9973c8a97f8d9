#include "harness/repeat.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <iostream>
#include <stdexcept>

#include "harness/interrupt.h"
#include "harness/machine.h"
#include "harness/sweep.h"

namespace seqbench {
namespace {

using Json = nlohmann::ordered_json;

Json parse_request(const std::string& line) {
  Json request = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!request.is_object() || !request.contains("do") || !request["do"].is_string()) {
    throw std::invalid_argument("'" + line + "' is not allowed; expected a JSON object such as " +
                                R"({"do":"list"})");
  }
  return request;
}

Json or_null(double value) { return std::isfinite(value) ? Json(value) : Json(); }

Json as_json(const CsvRow& cells) {
  Json object = Json::object();
  for (const std::string& column : kThroughputColumns) {
    if (const auto cell = cells.find(column); cell != cells.end()) {
      object[column] = cell->second.text();
    }
  }
  return object;
}

struct TimedPasses {
  double seconds_per_pass = 0;
  Index passes = 0;
};

TimedPasses run_for(double least_seconds, Workload& workload, const ThreadTeam& team) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  Index passes = 0;
  double elapsed = 0;
  do {
    workload.run(team);
    ++passes;
    elapsed = std::chrono::duration<double>(Clock::now() - start).count();
  } while (elapsed < least_seconds);
  return {.seconds_per_pass = elapsed / double(passes), .passes = passes};
}

/// The lines of standard input. Reading a stream would go on after a signal (SA_RESTART); poll(2)
/// does not.
class RequestLines {
 public:
  /// False at the end of the input; a last line without its line break is dropped. Throws
  /// Interrupted.
  bool next(std::string& line) {
    std::size_t end;
    while ((end = buffer_.find('\n')) == std::string::npos) {
      if (!read_more()) return false;
    }
    line = buffer_.substr(0, end);
    buffer_.erase(0, end + 1);
    return true;
  }

 private:
  bool read_more() {
    // The time limit is for a signal that comes between the look at it and poll().
    constexpr int kMilliseconds = 1000;
    pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    int ready = 0;
    do {
      stop_if_interrupted();
      ready = ::poll(&input, 1, kMilliseconds);
    } while (ready == 0 || (ready < 0 && errno == EINTR));
    char bytes[4096];
    const ssize_t count = ::read(STDIN_FILENO, bytes, sizeof(bytes));
    if (count <= 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(count));
    return true;
  }

  std::string buffer_;
};

}  // namespace

Json RepeatServer::answer(const std::string& line) {
  try {
    const Json request = parse_request(line);
    const std::string what = request["do"];
    if (what == "list") return list();
    if (what == "probe") return probe(request);
    if (what == "prepare")
      return prepare_case(case_named_in(request), request.value("again", false));
    if (what == "repeat") return repeat(case_named_in(request));
    if (what == "release") {
      const std::string id = case_named_in(request).id();
      ready_.erase(id);
      return {{"case", id}};
    }
    throw std::invalid_argument(
        "do: '" + what + "' is not allowed; expected list, prepare, repeat, probe or release");
  } catch (const std::exception& error) {
    return {{"error", error.what()}};
  }
}

Json RepeatServer::list() const {
  Json ids = Json::array();
  for (const Case& one : cases_) ids.push_back(one.id());
  return {{"cases", ids}};
}

Json RepeatServer::prepare_case(const Case& one, bool again) {
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

Json RepeatServer::repeat(const Case& one) {
  const auto found = ready_.find(one.id());
  if (found == ready_.end()) {
    throw std::invalid_argument("case: '" + one.id() +
                                "' is not prepared; expected prepare before repeat");
  }
  Workload& workload = *found->second.workload;
  const ThreadTeam team = make_team(one.threads);
  const RepetitionBracket bracket(team);
  workload.run(team);
  const TimedPasses timed = run_for(options_.min_seconds, workload, team);
  const Sample sample = bracket.close(timed.seconds_per_pass);
  return {{"seconds", sample.seconds},
          {"passes", timed.passes},
          {"peak_gflops", sample.peak_gflops},
          {"steal_fraction", sample.disturbance.steal_fraction},
          {"wait_fraction", or_null(sample.disturbance.wait_fraction)},
          {"involuntary_switches", sample.disturbance.involuntary_switches},
          {"throttled", sample.disturbance.throttled},
          {"limit_seconds", limit_seconds(one, sample.peak_gflops)}};
}

Json RepeatServer::probe(const Json& request) const {
  const Json threads = request.value("threads", Json());
  if (!threads.is_number_integer() || threads < 1 || threads > kMostThreads) {
    throw std::invalid_argument("threads: '" + threads.dump() +
                                "' is not allowed; expected an integer from 1 to " +
                                std::to_string(kMostThreads));
  }
  return {{"peak_gflops", probe_beside_repetition(make_team(threads))}};
}

const Case& RepeatServer::case_named_in(const Json& request) const {
  const Json id = request.value("case", Json());
  for (const Case& one : cases_) {
    if (id == one.id()) return one;
  }
  throw std::invalid_argument("case: '" + (id.is_string() ? id.get<std::string>() : id.dump()) +
                              R"(' is not allowed; expected one of the answer to {"do":"list"})");
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
  if (!line.parse(arguments)) return 0;
  line.refuse_passed_on();
  const MeasureOptions options = parse_timing_options(line);
  RepeatServer server(parse_repeat_cases(line), options);
  RequestLines requests;
  for (std::string request; requests.next(request);) {
    // A byte that is no UTF-8 came with the request and may stand in the error's text.
    std::cout << server.answer(request).dump(-1, ' ', false, Json::error_handler_t::replace)
              << std::endl;
  }
  return 0;
}

}  // namespace seqbench

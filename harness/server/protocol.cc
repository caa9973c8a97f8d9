#include "harness/server/protocol.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <iostream>
#include <stdexcept>

#include "harness/base/interrupt.h"
#include "harness/machine/placement.h"

namespace seqbench {
namespace {

using Json = nlohmann::ordered_json;

struct TimedPasses {
  double seconds_per_pass = 0;
  Index passes = 0;
};

TimedPasses run_for(double least_seconds, const std::function<void()>& pass) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  Index passes = 0;
  double elapsed = 0;
  do {
    pass();
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

Json parse_request(const std::string& line) {
  Json request = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!request.is_object() || !request.contains("do") || !request["do"].is_string()) {
    throw std::invalid_argument("'" + line + "' is not allowed; expected a JSON object such as " +
                                R"({"do":"list"})");
  }
  return request;
}

void refuse_request(const std::string& what) {
  throw std::invalid_argument("do: '" + what +
                              "' is not allowed; expected list, prepare, repeat, probe or release");
}

void refuse_case(const Json& id) {
  throw std::invalid_argument("case: '" + (id.is_string() ? id.get<std::string>() : id.dump()) +
                              R"(' is not allowed; expected one of the answer to {"do":"list"})");
}

void refuse_unprepared(const std::string& id) {
  throw std::invalid_argument("case: '" + id + "' is not prepared; expected prepare before repeat");
}

void serve(const std::function<Json(const std::string&)>& answer) {
  RequestLines requests;
  for (std::string request; requests.next(request);) {
    // A byte that is no UTF-8 came with the request and may stand in the error's text.
    std::cout << answer(request).dump(-1, ' ', false, Json::error_handler_t::replace) << std::endl;
  }
}

Json probe_answer(const Json& request) {
  const Json threads = request.value("threads", Json());
  if (!threads.is_number_integer() || threads < 1 || threads > kMostThreads) {
    throw std::invalid_argument("threads: '" + threads.dump() +
                                "' is not allowed; expected an integer from 1 to " +
                                std::to_string(kMostThreads));
  }
  return {{"peak_gflops", probe_beside_repetition(make_team(threads))}};
}

Json repeat_passes(const ThreadTeam& team, double least_seconds,
                   const std::function<void()>& pass) {
  const RepetitionBracket bracket(team);
  pass();
  const TimedPasses timed = run_for(least_seconds, pass);
  const Sample sample = bracket.close(timed.seconds_per_pass);
  return {{"seconds", sample.seconds},
          {"passes", timed.passes},
          {"peak_gflops", sample.peak_gflops},
          {"steal_fraction", sample.disturbance.steal_fraction},
          {"wait_fraction", or_null(sample.disturbance.wait_fraction)},
          {"involuntary_switches", sample.disturbance.involuntary_switches},
          {"throttled", sample.disturbance.throttled}};
}

Json or_null(double value) { return std::isfinite(value) ? Json(value) : Json(); }

}  // namespace seqbench

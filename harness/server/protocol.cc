#include "harness/server/protocol.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <iostream>
#include <limits>
#include <stdexcept>

#include "harness/base/command_line.h"
#include "harness/base/errors.h"
#include "harness/base/interrupt.h"
#include "harness/base/statistics.h"
#include "harness/files/json_names.h"
#include "harness/machine/cgroup.h"
#include "harness/machine/placement.h"

namespace seqbench {
namespace {

using Json = nlohmann::ordered_json;

struct TimedPasses {
  double seconds_per_pass = 0;
  Index passes = 0;
};

TimedPasses time_passes(const RepetitionLength& length, const std::function<void()>& pass) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  Index passes = 0;
  double elapsed = 0;
  do {
    pass();
    ++passes;
    elapsed = std::chrono::duration<double>(Clock::now() - start).count();
  } while (length.passes > 0 ? passes < length.passes : elapsed < length.least_seconds);
  return {.seconds_per_pass = elapsed / double(passes), .passes = passes};
}

/// The lines of standard input. Reading a stream would go on after a signal (SA_RESTART); poll(2)
/// does not.
class RequestLines {
 public:
  /// False at the end of the input; a last line without its line break is dropped. Throws
  /// Interrupted, FileError.
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
    if (count < 0) throw FileError(std::string("standard input: ") + std::strerror(errno));
    if (count == 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(count));
    return true;
  }

  std::string buffer_;
};

/// Throws std::invalid_argument for a field that is not `known`; `place` stands before its name.
void refuse_fields_but(const std::vector<std::string>& known, const Json& object,
                       const std::string& place) {
  for (const auto& [field, value] : object.items()) {
    if (std::ranges::find(known, field) != known.end()) continue;
    refuse_field(place + field, value, "the fields " + join(known));
  }
}

// Those of an answer to repeat, and what samples.csv has besides.
const std::vector<std::string> kSampleFields = {
    "seconds",        "passes",           "peak_gflops",
    "steal_fraction", "wait_fraction",    "involuntary_switches",
    "throttled",      "unpinned_threads", "limit_seconds",
    "process",        "retaken"};

/// One of a request's samples to judge.
class ToldSample {
 public:
  /// `name` is what errors call it. Throws std::invalid_argument, as the others do.
  ToldSample(const Json& told, std::string name) : told_(told), name_(std::move(name)) {
    if (!told.is_object()) refuse_field(name_, told, "an object such as an answer to repeat");
    refuse_fields_but(kSampleFields, told, name_ + ".");
  }

  /// Throws where it is not known, too.
  double positive(const std::string& key) const {
    const Json value = told_.value(key, Json());
    if (!value.is_number() || value <= 0)
      refuse_field(name_ + "." + key, value, "a number above 0");
    return value;
  }

  /// Not a number where it is not known.
  double from_zero(const std::string& key) const {
    const Json value = told_.value(key, Json());
    if (value.is_null()) return std::numeric_limits<double>::quiet_NaN();
    if (!value.is_number() || value < 0) {
      refuse_field(name_ + "." + key, value, "a number from 0, or null");
    }
    return value;
  }

  /// Nothing where it is not known.
  std::optional<Index> count(const std::string& key) const {
    const Json value = told_.value(key, Json());
    if (value.is_null()) return std::nullopt;
    if (!value.is_number_integer() || value < 0) {
      refuse_field(name_ + "." + key, value, "an integer from 0, or null");
    }
    return value.get<Index>();
  }

 private:
  const Json& told_;
  std::string name_;
};

Sample sample_of(const ToldSample& told) {
  return {.seconds = told.positive("seconds"),
          .peak_gflops = told.positive("peak_gflops"),
          .disturbance = {.steal_fraction = told.from_zero("steal_fraction"),
                          .wait_fraction = told.from_zero("wait_fraction"),
                          .involuntary_switches = told.count("involuntary_switches"),
                          .throttled = told.count("throttled"),
                          .unpinned_threads = told.count("unpinned_threads").value_or(0)},
          .process = told.count("process").value_or(0)};
}

}  // namespace

Json parse_request(const std::string& line) {
  UniqueNames names;
  const auto check = [&names](int, Json::parse_event_t event, const Json& parsed) {
    if (const auto repeated = names.repeated(event, parsed)) {
      throw std::invalid_argument("the field '" + *repeated + "' is there twice; expected it once");
    }
    return true;
  };
  Json request = Json::parse(line, check, /*allow_exceptions=*/false);
  if (!request.is_object() || !request.contains("do") || !request["do"].is_string()) {
    throw std::invalid_argument("'" + line + "' is not allowed; expected a JSON object such as " +
                                R"({"do":"list"})");
  }
  return request;
}

void refuse_other_fields(const Json& request, const std::vector<std::string>& prepare_fields) {
  const std::map<std::string, std::vector<std::string>> fields = {{"list", {}},
                                                                  {"probe", {"threads", "dtype"}},
                                                                  {"prepare", prepare_fields},
                                                                  {"repeat", {"passes"}},
                                                                  {"release", {}},
                                                                  {"judge", {"samples", "remedy"}}};
  const std::string what = request.at("do");
  const auto found = fields.find(what);
  if (found == fields.end()) refuse_request(what);
  std::vector<std::string> known = {"do"};
  if (what != "list" && what != "probe") known.emplace_back("case");
  known.insert(known.end(), found->second.begin(), found->second.end());
  refuse_fields_but(known, request, "");
}

void refuse_field(const std::string& name, const Json& value, const std::string& expected) {
  throw std::invalid_argument(name + ": '" + value.dump() + "' is not allowed; expected " +
                              expected);
}

void refuse_request(const std::string& what) {
  throw std::invalid_argument("do: '" + what +
                              "' is not allowed; expected list, prepare, repeat, judge, probe or "
                              "release");
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
    std::cout << answer(request).dump() << std::endl;
    // Whoever asked has ended, or its disk is full: nobody would read the rest.
    if (!std::cout) throw FileError("standard output: an answer cannot be written");
  }
}

Json probe_answer(const Json& request) {
  const Json threads = request.value("threads", Json());
  if (!threads.is_number_integer() || threads < 1 || threads > kMostThreads) {
    refuse_field("threads", threads, "an integer from 1 to " + std::to_string(kMostThreads));
  }
  const Json dtype = request.value("dtype", Json("float32"));
  if (dtype != "float32" && dtype != "bfloat16") {
    refuse_field("dtype", dtype, "float32 or bfloat16");
  }
  const Factors factors = dtype == "bfloat16" ? Factors::kBfloat16 : Factors::kAsTheyAre;
  return {{"peak_gflops", probe_beside_repetition(make_team(threads), factors)},
          {"throttled_so_far", or_null(throttled_periods())}};
}

Index passes_of(const Json& request) {
  const Json passes = request.value("passes", Json());
  if (passes.is_null()) return 0;
  if (!passes.is_number_integer() || passes < 1) {
    refuse_field("passes", passes, "an integer from 1");
  }
  return passes.get<Index>();
}

Json told(const Sample& sample) {
  const Disturbance& disturbance = sample.disturbance;
  return {{"seconds", sample.seconds},
          {"peak_gflops", sample.peak_gflops},
          {"steal_fraction", or_null(disturbance.steal_fraction)},
          {"wait_fraction", or_null(disturbance.wait_fraction)},
          {"involuntary_switches", or_null(disturbance.involuntary_switches)},
          {"throttled", or_null(disturbance.throttled)},
          {"unpinned_threads", disturbance.unpinned_threads}};
}

Sample parse_sample(const Json& told, const std::string& name) {
  return sample_of(ToldSample(told, name));
}

Json repeat_passes(const ThreadTeam& team, const RepetitionLength& length,
                   const std::function<void()>& pass) {
  const RepetitionBracket bracket(team, length.factors);
  if (length.passes != 1) pass();
  const TimedPasses timed = time_passes(length, pass);
  Json answer = told(bracket.close(timed.seconds_per_pass));
  answer["passes"] = timed.passes;
  return answer;
}

JudgeRequest parse_judge_request(const Json& request) {
  const Json samples = request.value("samples", Json());
  if (!samples.is_array() || samples.empty()) {
    refuse_field("samples", samples, "an array of one answer to repeat or more");
  }
  const Json remedy = request.value("remedy", Json(""));
  if (!remedy.is_string()) refuse_field("remedy", remedy, R"(a text such as "raise --rounds")");
  JudgeRequest judged{.terms = {.remedy = remedy}};
  std::vector<double> limits;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const ToldSample told(samples[i], "samples[" + std::to_string(i) + "]");
    judged.samples.push_back(sample_of(told));
    const double limit = told.from_zero("limit_seconds");
    if (!std::isnan(limit)) limits.push_back(limit);
  }
  judged.limit_seconds = limits.empty() ? std::numeric_limits<double>::quiet_NaN() : median(limits);
  return judged;
}

Json texts_of(const CsvRow& cells, const std::vector<std::string>& columns) {
  Json object = Json::object();
  for (const std::string& column : columns) {
    if (const auto cell = cells.find(column); cell != cells.end()) {
      object[column] = cell->second.text();
    }
  }
  return object;
}

Json or_null(const std::optional<Index>& count) { return count ? Json(*count) : Json(); }

Json or_null(double value) { return std::isfinite(value) ? Json(value) : Json(); }

}  // namespace seqbench

// The protocol of `seqbench repeat`: single repetitions on request, so that another program can
// interleave them with those of other libraries (scripts/peers).
//
// One JSON object a line on standard input, its answer in one line on standard output. Times are
// in seconds, peaks in 10⁹ FLOP/s; a number that is not known is null.
//
//   {"do":"list"}                            {"cases":[ID, …]} in the order of the options
//   {"do":"prepare","case":ID}               {"case":ID, "status":"ready", "peak_bytes":…,
//                                             "cells":{…}}, the texts of throughput.csv's columns
//                                            model to state_bytes; or "status":"failed" or
//                                            "skipped" with a "reason", and the same cells
//                                            With "again":true, of what another process has
//                                            prepared: neither checked nor are limits probed
//   {"do":"repeat","case":ID}                {"seconds":…, "passes":…, "peak_gflops":…,
//                                             "steal_fraction":…, "wait_fraction":…,
//                                             "involuntary_switches":…, "throttled":…,
//                                             "unpinned_threads":…, "limit_seconds":…}: one untimed
//                                            pass, then passes for --min-time, a probe of the FMA
//                                            peak on either side
//   {"do":"repeat","case":ID,"passes":N}     the same of so many passes, without the untimed one
//                                            where N is 1
//   {"do":"judge","case":ID,                 {"case":ID, "cells":{…}}, the texts of the columns of
//    "samples":[{"seconds":…, …}, …]}        throughput.csv that follow from samples: repetitions
//                                            to fraction_of_limit, status, reason, outliers; by
//                                            the rules of `seqbench throughput`
//   {"do":"probe","threads":N}               {"peak_gflops":…, "throttled_so_far":…}: the
//                                            probe alone, and how often a CPU quota was ever
//                                            used up. "dtype":"bfloat16": of such factors
//   {"do":"release","case":ID}               {"case":ID}
//
// Samples to judge are one answer to repeat or more. The case need not be prepared: another
// library's samples are judged as seqbench's case of the same FLOPs. A sample has "seconds" and
// "peak_gflops" above 0; anything else of an answer is null or left out where it is not known.
// Waiting that is not known of all samples makes none noisy, nor does an unknown "throttled" or
// "unpinned_threads"; "limit_seconds" is the median of those known, without which the limit's
// columns are empty. "remedy":TEXT ("raise --rounds") stands in a reason instead of the options of
// `seqbench throughput` for more repetitions.
//
// A request that cannot be met answers {"error":TEXT}, and the command goes on; so does one with a
// field that its kind does not have, or twice the same. It ends with its input.
//
// With --task or --text, the cases are steps of trainings instead: harness/server/step_server.h and
// text_step_server.h.
#pragma once

#include <exception>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/thread_team.h"
#include "harness/base/utf8.h"
#include "harness/files/csv.h"
#include "harness/timing/noise.h"
#include "harness/timing/repetition.h"

namespace seqbench {

/// The JSON object that a line is, which says what to "do". Throws std::invalid_argument, also for
/// an object that has a field twice.
nlohmann::ordered_json parse_request(const std::string& line);

/// Throws std::invalid_argument for a field that a request of its kind does not have;
/// `prepare_fields` are those of a request to prepare besides "do" and "case".
void refuse_other_fields(const nlohmann::ordered_json& request,
                         const std::vector<std::string>& prepare_fields);

/// Throws std::invalid_argument: "NAME: 'VALUE' is not allowed; expected WHAT".
[[noreturn]] void refuse_field(const std::string& name, const nlohmann::ordered_json& value,
                               const std::string& expected);

/// What is wrong with a request that asks for something else, for a case that is not there, or for
/// repeating one that is not prepared. They throw std::invalid_argument.
[[noreturn]] void refuse_request(const std::string& what);
[[noreturn]] void refuse_case(const nlohmann::ordered_json& id);
[[noreturn]] void refuse_unprepared(const std::string& id);

/// The answer to a request to probe. Throws std::invalid_argument.
nlohmann::ordered_json probe_answer(const nlohmann::ordered_json& request);

/// How many passes a repetition has.
struct RepetitionLength {
  double least_seconds = 0;               // of all, where their number is not given
  Index passes = 0;                       // their number; 0: not given
  Factors factors = Factors::kAsTheyAre;  // whose peak is probed
};

/// The answer to a request to repeat: passes between two probes, with an untimed one before them
/// unless one alone is a repetition.
nlohmann::ordered_json repeat_passes(const ThreadTeam& team, const RepetitionLength& length,
                                     const std::function<void()>& pass);

/// "passes" of a request to repeat, 0 where there is none. Throws std::invalid_argument.
Index passes_of(const nlohmann::ordered_json& request);

/// A sample as an answer to repeat tells it.
nlohmann::ordered_json told(const Sample& sample);

/// The sample that an answer to repeat or an entry of a request to judge is; errors call it `name`.
/// Throws std::invalid_argument.
Sample parse_sample(const nlohmann::ordered_json& told, const std::string& name);

/// What a request to judge tells.
struct JudgeRequest {
  std::vector<Sample> samples = {};  // one or more
  double limit_seconds = 0;          // the median of those told; not a number where none is
  NoiseTerms terms;
};

/// Throws std::invalid_argument for samples that cannot be judged, or a remedy that is no text.
JudgeRequest parse_judge_request(const nlohmann::ordered_json& request);

/// The texts of the cells in the order of `columns`, which may have more.
nlohmann::ordered_json texts_of(const CsvRow& cells, const std::vector<std::string>& columns);

/// Null for what is not finite, or not known.
nlohmann::ordered_json or_null(double value);
nlohmann::ordered_json or_null(const std::optional<Index>& count);

/// Answers requests about cases of one kind, each of which has an id(). A derived class says what
/// preparing, repeating and judging one means, and what a prepared one is.
template <typename SomeCase, typename Prepared>
class CaseServer {
 public:
  /// `prepare_fields` are those of a request to prepare besides "do" and "case".
  CaseServer(std::vector<SomeCase> cases, std::vector<std::string> prepare_fields)
      : cases_(std::move(cases)), prepare_fields_(std::move(prepare_fields)) {
    for (std::size_t i = 0; i < cases_.size(); ++i) position_.emplace(cases_[i].id(), i);
  }
  CaseServer(CaseServer&&) = delete;
  virtual ~CaseServer() = default;

  /// The answer to one line, or the error that it was. Throws Interrupted.
  nlohmann::ordered_json answer(const std::string& line) {
    try {
      return answer_request(parse_request(line));
    } catch (const std::exception& error) {
      return {{"error", utf8_or_escaped(error.what())}};  // bytes of the line may stand in it
    }
  }

 protected:
  using Json = nlohmann::ordered_json;

  std::map<std::string, Prepared> ready_;  // by case id

 private:
  /// Puts the case among ready_, or says why not.
  virtual Json prepare_case(const SomeCase& one, const Json& request) = 0;
  virtual Json repeat(const SomeCase& one, Prepared& prepared, Index passes) = 0;
  /// The cells that follow from a case's samples.
  virtual Json judge(const SomeCase& one, const JudgeRequest& request) = 0;

  Json answer_request(const Json& request) {
    const std::string what = request["do"];
    refuse_other_fields(request, prepare_fields_);
    if (what == "list") return list();
    if (what == "probe") return probe_answer(request);
    if (what == "prepare") return prepare_case(case_named_in(request), request);
    if (what == "repeat") return repeat_case(case_named_in(request), passes_of(request));
    if (what == "judge") return judge_case(case_named_in(request), request);
    if (what == "release") return release(case_named_in(request));
    refuse_request(what);
  }

  Json list() const {
    Json ids = Json::array();
    for (const SomeCase& one : cases_) ids.push_back(one.id());
    return {{"cases", ids}};
  }

  Json repeat_case(const SomeCase& one, Index passes) {
    const auto found = ready_.find(one.id());
    if (found == ready_.end()) refuse_unprepared(one.id());
    return repeat(one, found->second, passes);
  }

  Json judge_case(const SomeCase& one, const Json& request) {
    return {{"case", one.id()}, {"cells", judge(one, parse_judge_request(request))}};
  }

  Json release(const SomeCase& one) {
    ready_.erase(one.id());
    return {{"case", one.id()}};
  }

  const SomeCase& case_named_in(const Json& request) const {
    const Json id = request.value("case", Json());
    const auto found = position_.find(id.is_string() ? id.get<std::string>() : "");
    if (found == position_.end()) refuse_case(id);
    return cases_[found->second];
  }

  std::vector<SomeCase> cases_;
  std::map<std::string, std::size_t> position_;  // in cases_, by id
  std::vector<std::string> prepare_fields_;
};

/// Answers each line of standard input with one, until its end. Throws Interrupted; FileError when
/// the input cannot be read or an answer cannot be written.
void serve(const std::function<nlohmann::ordered_json(const std::string& line)>& answer);

}  // namespace seqbench

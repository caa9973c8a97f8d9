// `seqbench repeat`: single repetitions on request, so that another program can interleave them
// with those of other libraries (scripts/peers).
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
//                                             "limit_seconds":…}: one untimed pass, then passes for
//                                            --min-time, a probe of the FMA peak on either side
//   {"do":"probe","threads":N}               {"peak_gflops":…}, the same probe alone
//   {"do":"release","case":ID}               {"case":ID}
//
// A request that cannot be met answers {"error":TEXT}, and the command goes on. It ends with its
// input.
//
// With --task, the cases are steps of trainings instead: harness/server/repeat_steps.h.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "harness/machine/probe.h"
#include "harness/server/repeat_protocol.h"
#include "harness/timing/measurement.h"
#include "harness/timing/preparation.h"

namespace seqbench {

/// Answers the requests about some cases of throughput.
class RepeatServer : public CaseServer<Case, Preparation> {
 public:
  RepeatServer(std::vector<Case> cases, const MeasureOptions& options,
               LayerFactory make = make_layer<float>)
      : CaseServer(std::move(cases)), options_(options), make_layer_(std::move(make)) {}

 private:
  Json prepare_case(const Case& one, const Json& request) override;
  Json repeat(const Case& one, Preparation& prepared) override;

  /// Bandwidths are probed once for each number of threads.
  void probe_limits_of(int threads);
  /// Null where they were not.
  Json limit_seconds(const Case& one, double peak_gflops) const;

  MeasureOptions options_;
  LayerFactory make_layer_;
  std::map<int, MachineLimits> limits_;  // by number of threads
};

/// Declares the options of the grid and of the timing.
void add_repeat_options(CommandLine& line);

/// The cases of those options, in their order. Throws UsageError.
std::vector<Case> parse_repeat_cases(const CommandLine& line);

/// The command.
int repeat_command(const std::vector<std::string>& arguments);

}  // namespace seqbench

// Single repetitions of the cases of a grid on request (harness/server/protocol.h).
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "harness/machine/probe.h"
#include "harness/server/protocol.h"
#include "harness/timing/case.h"
#include "harness/timing/measure_options.h"
#include "harness/timing/measurement.h"
#include "harness/timing/preparation.h"
#include "harness/timing/roofline.h"

namespace seqbench {

/// Answers the requests about some cases of throughput.
class LayerServer : public CaseServer<Case, Preparation> {
 public:
  LayerServer(std::vector<Case> cases, const MeasureOptions& options,
              LayerFactory make = make_layer<float>)
      : CaseServer(std::move(cases), {"again"}), options_(options), make_layer_(std::move(make)) {}

 private:
  Json prepare_case(const Case& one, const Json& request) override;
  Json repeat(const Case& one, Preparation& prepared, Index passes) override;
  Json judge(const Case& one, const JudgeRequest& request) override;

  /// Bandwidths are probed once for each number of threads.
  void probe_limits_of(int threads);
  /// Null where they were not.
  Json limit_seconds(const Case& one, double peak_gflops) const;

  MeasureOptions options_;
  LayerFactory make_layer_;
  std::map<int, MachineLimits> limits_;  // by number of threads
};

}  // namespace seqbench

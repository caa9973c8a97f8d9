#include "harness/server/layer_server.h"

#include "harness/machine/placement.h"
#include "harness/server/protocol.h"
#include "harness/timing/case.h"
#include "harness/timing/roofline.h"
#include "harness/timing/throughput_rows.h"

namespace seqbench {

using Json = nlohmann::ordered_json;

Json LayerServer::prepare_case(const Case& one, const Json& request) {
  const Json told = request.value("again", Json(false));
  if (!told.is_boolean()) refuse_field("again", told, "true or false");
  const bool again = told;
  if (!again)
    probe_limits_of(one.threads);  // a pause for it between repetitions would let the machine cool
  ready_.erase(one.id());
  const PrepareOptions options{.seed = options_.seed,
                               .memory_limit_bytes = options_.memory_limit_bytes,
                               .make_layer = make_layer_};
  Preparation prepared = again ? prepare_unchecked(one, options) : prepare(one, options);
  const bool ready = prepared.workload != nullptr;
  Json reply = {{"case", one.id()}, {"status", ready ? "ready" : prepared.status}};
  if (!ready) reply["reason"] = prepared.reason;
  reply["peak_bytes"] = or_null(prepared.peak_bytes);
  reply["cells"] = texts_of(static_cells(one), kThroughputColumns);
  if (ready) ready_[one.id()] = std::move(prepared);
  return reply;
}

Json LayerServer::repeat(const Case& one, Preparation& prepared, Index passes) {
  Workload& workload = *prepared.workload;
  const ThreadTeam team = make_team(one.threads);
  Json reply = repeat_passes(
      team, {.least_seconds = options_.min_seconds, .passes = passes, .factors = one.layer.factors},
      [&] { workload.run(team); });
  reply["limit_seconds"] = limit_seconds(one, reply["peak_gflops"]);
  return reply;
}

Json LayerServer::judge(const Case& one, const JudgeRequest& request) {
  return texts_of(measured_cells(one, request.samples, request.limit_seconds, request.terms),
                  kThroughputColumns);
}

void LayerServer::probe_limits_of(int threads) {
  if (limits_.contains(threads)) return;
  limits_[threads] = probe_limits(make_team(running_workers(threads)));
}

Json LayerServer::limit_seconds(const Case& one, double peak_gflops) const {
  const auto limits = limits_.find(one.threads);
  return limits == limits_.end() ? Json()
                                 : or_null(limit_seconds_at(one, limits->second, peak_gflops));
}

}  // namespace seqbench

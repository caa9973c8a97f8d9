#include "harness/timing/preparation.h"

#include <chrono>
#include <new>

#include "harness/base/units.h"
#include "harness/machine/memory.h"
#include "harness/machine/placement.h"
#include "harness/timing/case.h"

namespace seqbench {
namespace {

using Clock = std::chrono::steady_clock;

std::string memory_advice(const Case& one) {
  if (one.layer.kernel == "naive") return "use --kernel fused";
  return "use a smaller --batch or --length";
}

Preparation not_timed(const std::string& status, const std::string& reason) {
  Preparation result;
  result.status = status;
  result.reason = reason;
  return result;
}

Preparation above_limit(const Case& one, const PrepareOptions& options) {
  return not_timed("skipped", "needs " + human_bytes(one.predicted_bytes()) + ", limit " +
                                  human_bytes(options.memory_limit_bytes) + "; " +
                                  memory_advice(one));
}

}  // namespace

std::string refused_memory(const Case& one) {
  return "memory of " + human_bytes(one.predicted_bytes()) + " was refused; " + memory_advice(one);
}

Preparation prepare(const Case& one, const PrepareOptions& options) {
  const double needed = one.predicted_bytes();
  if (needed > options.memory_limit_bytes) return above_limit(one, options);
  try {
    Preparation result;
    const ThreadTeam team = make_team(one.threads);
    options.make_room(needed + Reference::predicted_bytes(one));
    const MemoryGrowth growth;
    result.workload =
        std::make_unique<Workload>(one, options.seed, options.make_layer, options.workers);
    Reference::keep_sampled_gradient(*result.workload);
    options.on_lap(Activity::kSetUp);
    // The first run warms up, is what is checked, and touches every page before the reference adds
    // its own memory.
    const auto start = Clock::now();
    result.workload->run(team);
    result.first_pass_seconds = std::chrono::duration<double>(Clock::now() - start).count();
    options.on_lap(Activity::kPasses);
    result.peak_bytes = growth.peak_bytes();
    const std::string difference = options.check(*result.workload);
    options.on_lap(Activity::kChecks);
    if (difference.empty()) {
      result.workload->draw_upstream_gradient();
      options.on_lap(Activity::kSetUp);
      return result;
    }
    result.workload.reset();
    result.status = "failed";
    result.reason = difference;
    return result;
  } catch (const std::bad_alloc&) {
    return not_timed("skipped", refused_memory(one));
  }
}

Preparation prepare_unchecked(const Case& one, const PrepareOptions& options) {
  if (one.predicted_bytes() > options.memory_limit_bytes) return above_limit(one, options);
  try {
    Preparation result;
    result.workload = std::make_unique<Workload>(one, options.seed, options.make_layer);
    // The first run of a decode case reads the context, which is not to be timed.
    if (one.pass == Pass::kDecode) result.workload->run(make_team(one.threads));
    return result;
  } catch (const std::bad_alloc&) {
    return not_timed("skipped", refused_memory(one));
  }
}

}  // namespace seqbench

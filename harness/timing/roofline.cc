#include "harness/timing/roofline.h"

#include <algorithm>

#include "harness/models/registry.h"

namespace seqbench {
namespace {

/// At the peak and at the bandwidth, whichever takes longer.
double seconds_of(double flops, double bytes, const MachineLimits& limits) {
  const double compute = 1e-9 * flops / limits.peak_gflops;
  if (bytes == 0) return compute;
  const double slice = bytes / limits.threads;
  return std::max(compute, slice / limits.bytes_per_second(slice));
}

double limit_of_layer(const Case& one, const MachineLimits& limits) {
  const RooflineTerms terms = roofline_terms(one.layer, one.shape, one.pass);
  const double bulk = seconds_of(terms.bulk_flops, terms.bulk_bytes, limits);
  if (terms.steps == 0) return bulk;
  const double step = seconds_of(terms.step_flops, terms.step_bytes, limits);
  return bulk + terms.steps * (step + limits.barrier_seconds);
}

/// With the blocks' and the model's rest, where there is any.
double limit_seconds_by(const Case& one, const MachineLimits& limits) {
  const ScopedSpec spec = one.scoped();
  const double bytes = one.pass == Pass::kDecode ? parameter_bytes_beside_layers(spec) : 0;
  const double rest = flops_beside_layers(spec, one.shape, one.pass);
  return double(spec.blocks()) * limit_of_layer(one, limits) + seconds_of(rest, bytes, limits);
}

}  // namespace

double limit_seconds(const Case& one, const MachineLimits& limits) {
  const bool rounds = one.layer.factors == Factors::kBfloat16;
  return limit_seconds_at(one, limits, rounds ? limits.bfloat16_peak_gflops : limits.peak_gflops);
}

double limit_seconds_at(const Case& one, MachineLimits limits, double peak_gflops) {
  limits.peak_gflops = peak_gflops;
  return limit_seconds_by(one, limits);
}

}  // namespace seqbench

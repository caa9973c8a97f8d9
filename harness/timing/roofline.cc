#include "harness/timing/roofline.h"

#include <algorithm>

namespace seqbench {
namespace {

double read_seconds(double bytes, const MachineLimits& limits) {
  const double slice = bytes / limits.threads;
  return slice / limits.bytes_per_second(slice);
}

double attention_seconds(const Case& one, const MachineLimits& limits) {
  const LayerCost cost = one.cost();
  const double compute = 1e-9 * cost.flops / limits.peak_gflops;
  if (one.pass != Pass::kDecode) return compute;
  const double bytes = cost.state_bytes + double(sizeof(float)) * cost.parameters;
  return std::max(compute, read_seconds(bytes, limits));
}

double recurrent_seconds(const Case& one, const MachineLimits& limits) {
  const double gates = double(model_info(one.layer.model).gates);
  const double B = double(one.shape.batch), D = double(one.layer.width);
  const double T = one.pass == Pass::kDecode ? 1 : double(one.shape.steps);
  const double weight_bytes = double(sizeof(float)) * gates * D * D;

  // One of the layer's products for one step of every sequence.
  const double product_seconds = 1e-9 * 2 * gates * B * D * D / limits.peak_gflops;
  const double loop =
      T * (std::max(product_seconds, read_seconds(weight_bytes, limits)) + limits.barrier_seconds);
  switch (one.pass) {
    case Pass::kForward:
      return T * product_seconds + loop;
    case Pass::kTrain:
      return 4 * T * product_seconds + 2 * loop;
    case Pass::kDecode:
      return std::max(2 * product_seconds, read_seconds(2 * weight_bytes, limits));
  }
  return 0;
}

}  // namespace

double limit_seconds(const Case& one, const MachineLimits& limits) {
  return one.is_attention() ? attention_seconds(one, limits) : recurrent_seconds(one, limits);
}

double limit_seconds_at(const Case& one, MachineLimits limits, double peak_gflops) {
  limits.peak_gflops = peak_gflops;
  return limit_seconds(one, limits);
}

}  // namespace seqbench

#include "harness/timing/workload.h"

#include <algorithm>

#include "harness/timing/drawing.h"

namespace seqbench {

Workload::Workload(const Case& one, std::uint64_t seed, const LayerFactory& make, int workers)
    : case_(one), seed_(seed) {
  const Index B = one.shape.batch, T = one.shape.steps, D = one.layer.width;
  Random parameters(seed, kParameterStream);
  if (one.scope != Scope::kLayer) {
    Case reserved = one;
    reserved.threads = std::max(one.threads, workers);
    whole_ = make_whole<float>(reserved, seed);
    whole_->initialise(parameters);
    return;
  }
  layer_ = make(one.layer);
  initialise_as(one, parameters, *layer_);
  layer_->reserve(one.shape, one.pass, std::max(one.threads, workers));

  Random inputs(seed, kInputStream);
  x_ = Tensor<float>({B, T, D});
  draw_normal(inputs, x_.values());
  if (one.pass == Pass::kTrain) {
    dy_ = Tensor<float>({B, T, D});
    dx_ = Tensor<float>({B, T, D});
    draw_upstream_gradient();
  }
  if (one.pass == Pass::kDecode) {
    next_token_ = Tensor<float>({B, D});
    draw_normal(inputs, next_token_.values());
    y_ = Tensor<float>({B, 1, D});
  } else {
    y_ = Tensor<float>({B, T, D});
  }
}

void Workload::draw_upstream_gradient() {
  if (whole_) return;  // it has its own, and nobody changes that
  Random gradient(seed_, kGradientStream);
  draw_normal(gradient, dy_.values());
}

SweepCounts Workload::sweep_counts() const {
  if (layer_) return layer_->sweep_counts();
  SweepCounts all;
  for (const SequenceLayer<float>* layer : whole_->layers()) {
    const SweepCounts counts = layer->sweep_counts();
    if (counts.windows > 0) all.add(counts);
  }
  return all;
}

void Workload::run(const ThreadTeam& team) {
  if (whole_) return whole_->run(team);
  switch (case_.pass) {
    case Pass::kForward:
      layer_->forward(team, x_.sequence(), y_.sequence(), Keep::kNothing);
      break;
    case Pass::kTrain:
      layer_->forward(team, x_.sequence(), y_.sequence(), Keep::kForBackward);
      layer_->backward(team, x_.sequence(), y_.sequence(), dy_.sequence(), dx_.sequence());
      break;
    case Pass::kDecode:
      run_decode(team);
      break;
  }
}

void Workload::run_decode(const ThreadTeam& team) {
  if (!context_is_read_) {
    Tensor<float> context_output({case_.shape.batch, case_.shape.steps, case_.layer.width});
    layer_->prefill(team, x_.sequence(), context_output.sequence());
    context_is_read_ = true;
  }
  layer_->rewind(case_.shape.steps);
  layer_->decode(team, next_token_.matrix(), y_.sequence().step(0));
}

}  // namespace seqbench

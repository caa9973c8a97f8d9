#include "harness/workload.h"

namespace seqbench {

Workload::Workload(const Case& one, std::uint64_t seed, const LayerFactory& make)
    : case_(one), layer_(make(one.layer)) {
  const Index B = one.shape.batch, T = one.shape.steps, D = one.layer.width;
  Random parameters(seed, kParameterStream);
  layer_->initialise(parameters);
  layer_->reserve(one.shape, one.pass, one.threads);

  Random inputs(seed, kInputStream);
  x_ = Tensor<float>({B, T, D});
  fill_normal(inputs, x_.values());
  if (one.pass == Pass::kTrain) {
    dy_ = Tensor<float>({B, T, D});
    dx_ = Tensor<float>({B, T, D});
    fill_normal(inputs, dy_.values());
  }
  if (one.pass == Pass::kDecode) {
    next_token_ = Tensor<float>({B, D});
    fill_normal(inputs, next_token_.values());
    y_ = Tensor<float>({B, 1, D});
  } else {
    y_ = Tensor<float>({B, T, D});
  }
}

void Workload::run(const ThreadTeam& team) {
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

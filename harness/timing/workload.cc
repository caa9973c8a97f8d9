#include "harness/timing/workload.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <span>
#include <vector>

#include "harness/models/variants.h"

namespace seqbench {

namespace {

/// Quantiles (i + ½) ÷ 2¹⁶ of the standard normal distribution. A look-up takes a fifth of the time
/// of Random::normal(), with which drawing took a tenth of a sweep.
const std::vector<float>& normal_quantiles() {
  static const std::vector<float> quantiles = [] {
    constexpr std::size_t kCount = 1 << 16;
    const boost::math::normal normal;
    std::vector<float> values(kCount);
    for (std::size_t i = 0; i < kCount; ++i) {
      values[i] = static_cast<float>(boost::math::quantile(normal, (double(i) + 0.5) / kCount));
    }
    return values;
  }();
  return quantiles;
}

void draw_normal(Random& random, std::span<float> values) {
  const std::vector<float>& quantiles = normal_quantiles();
  const double count = double(quantiles.size());
  for (float& value : values) {
    value = quantiles[static_cast<std::size_t>(count * random.uniform())];
  }
}

}  // namespace

Workload::Workload(const Case& one, std::uint64_t seed, const LayerFactory& make)
    : case_(one), seed_(seed), layer_(make(one.layer)) {
  const Index B = one.shape.batch, T = one.shape.steps, D = one.layer.width;
  Random parameters(seed, kParameterStream);
  if (one.start.empty()) {
    layer_->initialise(parameters);
  } else {
    initialise(parameters, *layer_, find_variant(one.layer.model, one.start)->initialisation,
               std::max<Index>(2, T));
  }
  layer_->reserve(one.shape, one.pass, one.threads);

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
  Random gradient(seed_, kGradientStream);
  draw_normal(gradient, dy_.values());
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

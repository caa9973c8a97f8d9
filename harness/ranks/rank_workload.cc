#include "harness/ranks/rank_workload.h"

#include <algorithm>

#include "core/parts.h"
#include "harness/models/registry.h"
#include "harness/ranks/strategies.h"
#include "harness/timing/drawing.h"

namespace seqbench {
namespace {

/// Calls body(first element, elements) for each run of tokens of the share that is contiguous in a
/// tensor [B, T, D], in their order.
template <typename Body>
void for_each_run(SequenceShape whole, Index width, const RankShare& share, const Body& body) {
  for (Index b = share.batch.first; b < share.batch.first + share.batch.count; ++b) {
    for (const Part steps : share.steps) {
      body((b * whole.steps + steps.first) * width, steps.count * width);
    }
  }
}

}  // namespace

RankWorkload::RankWorkload(const Case& one, std::uint64_t seed, Communicator& ranks)
    : case_(one),
      seed_(seed),
      ranks_(ranks),
      layer_(make_rank_layer<float>(one.layer, strategy_called(one.strategy), ranks_)) {
  const auto plain = make_layer<float>(one.layer);
  Random random(seed, kParameterStream);
  initialise_as(one, random, *plain);
  for (std::size_t i = 0; i < plain->parameters().size(); ++i) {
    std::ranges::copy(plain->parameters()[i].value.values(), layer_->parameters()[i].value.data());
  }
}

double RankWorkload::predicted_bytes() const {
  double parameters = 0;
  for (const Parameter<float>& parameter : layer_->parameters()) {
    parameters += double(parameter.value.size());
  }
  // The largest share: whole sequences, or of each at most two parts of equal length.
  const Index P = ranks_.size();
  const Index sequences = parts_in(case_.shape.batch, P),
              steps = parts_in(case_.shape.steps, 2 * P);
  const double tokens = case_.strategy == strategy_name(Strategy::kData)
                            ? double(sequences) * double(case_.shape.steps)
                            : double(case_.shape.batch) * 2.0 * double(steps);
  const double tensors = case_.pass == Pass::kTrain ? 4 : 2;
  return layer_->workspace_bytes(case_.shape, case_.pass, case_.threads) +
         double(sizeof(float)) * (parameters + tensors * tokens * double(case_.layer.width));
}

void RankWorkload::allocate() {
  layer_->reserve(case_.shape, case_.pass, case_.threads);
  const SequenceShape own = share().shape();
  const std::vector<Index> shape = {own.batch, own.steps, case_.layer.width};
  x_ = Tensor<float>(shape);
  y_ = Tensor<float>(shape);
  draw_share(kInputStream, x_);
  if (case_.pass != Pass::kTrain) return;
  dy_ = Tensor<float>(shape);
  dx_ = Tensor<float>(shape);
  draw_upstream_gradient();
}

void RankWorkload::draw_upstream_gradient() {
  if (case_.pass == Pass::kTrain) draw_share(kGradientStream, dy_);
}

/// Workload draws the whole tensor; here what is others' is drawn and dropped.
void RankWorkload::draw_share(std::uint64_t stream, Tensor<float>& tensor) const {
  constexpr std::size_t kDropped = 4096;
  Random random(seed_, stream);
  std::vector<float> dropped(kDropped);
  Index drawn = 0;
  float* next = tensor.data();
  for_each_run(case_.shape, case_.layer.width, share(), [&](Index first, Index count) {
    while (drawn < first) {
      const auto some = std::min(std::size_t(first - drawn), kDropped);
      draw_normal(random, std::span(dropped).first(some));
      drawn += Index(some);
    }
    draw_normal(random, std::span(next, std::size_t(count)));
    next += count;
    drawn += count;
  });
}

void RankWorkload::run(const ThreadTeam& team) {
  forward(team);
  if (case_.pass == Pass::kTrain) backward(team);
}

void RankWorkload::forward(const ThreadTeam& team) {
  const bool keeps = case_.pass == Pass::kTrain;
  layer_->forward(team, x_.sequence(), y_.sequence(), keeps ? Keep::kForBackward : Keep::kNothing);
}

void RankWorkload::backward(const ThreadTeam& team) {
  layer_->backward(team, x_.sequence(), y_.sequence(), dy_.sequence(), dx_.sequence());
}

RankTrace RankWorkload::trace(const ThreadTeam& team) {
  ranks_.begin_trace();
  run(team);
  meet();
  ranks_.take_traffic();
  return ranks_.end_trace();
}

void take_share(SequenceView<const float> whole, const RankShare& share, std::span<float> own) {
  float* next = own.data();
  for_each_run({whole.batch, whole.steps}, whole.width, share, [&](Index first, Index count) {
    next = std::copy_n(whole.data + first, count, next);
  });
}

void put_share(std::span<const float> own, const RankShare& share, SequenceView<float> whole) {
  const float* next = own.data();
  for_each_run({whole.batch, whole.steps}, whole.width, share, [&](Index first, Index count) {
    std::copy_n(next, count, whole.data + first);
    next += count;
  });
}

}  // namespace seqbench

#include "harness/ranks/strategies.h"

#include <stdexcept>

#include "harness/ranks/data_parallel.h"
#include "harness/ranks/mingru_over_ranks.h"
#include "harness/ranks/recurrent_pipeline.h"
#include "harness/ranks/ring_attention.h"

namespace seqbench {
namespace {

enum class Kind { kRing, kPipeline, kScan, kNone };

/// How the ranks share out the steps of a model's sequences.
Kind kind_of(const std::string& model) {
  if (model == "attention") return Kind::kRing;
  if (model == "mingru") return Kind::kScan;
  if (model == "elman" || model == "lstm" || model == "gru") return Kind::kPipeline;
  return Kind::kNone;  // registered by a program of its own
}

std::string lacks_sequence(const std::string& model) { return model + " has strategy data alone"; }

}  // namespace

std::string reason_against(const LayerSpec& spec, Strategy strategy, SequenceShape whole,
                           int ranks) {
  if (strategy == Strategy::kData) {
    if (whole.batch >= ranks) return "";
    return std::to_string(whole.batch) + " sequences for " + std::to_string(ranks) + " ranks";
  }
  switch (kind_of(spec.model)) {
    case Kind::kRing:
      return reason_against_ring_attention(spec, whole, ranks);
    case Kind::kPipeline:
      return reason_against_recurrent_pipeline(spec, whole, ranks);
    case Kind::kScan:
      return reason_against_mingru_over_ranks(spec, whole, ranks);
    case Kind::kNone:
      break;
  }
  return lacks_sequence(spec.model);
}

template <typename T>
std::unique_ptr<RankLayer<T>> make_rank_layer(const LayerSpec& spec, Strategy strategy,
                                              Communicator& ranks) {
  if (strategy == Strategy::kData) return make_data_parallel<T>(spec, ranks);
  switch (kind_of(spec.model)) {
    case Kind::kRing:
      return make_sequence_parallel_attention<T>(spec, ranks);
    case Kind::kPipeline:
      return make_sequence_parallel_recurrent<T>(spec, ranks);
    case Kind::kScan:
      return make_sequence_parallel_mingru<T>(spec, ranks);
    case Kind::kNone:
      break;
  }
  throw std::invalid_argument(lacks_sequence(spec.model));
}
template std::unique_ptr<RankLayer<float>> make_rank_layer(const LayerSpec&, Strategy,
                                                           Communicator&);
template std::unique_ptr<RankLayer<double>> make_rank_layer(const LayerSpec&, Strategy,
                                                            Communicator&);

}  // namespace seqbench

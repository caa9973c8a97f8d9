#include "harness/ranks/strategies.h"

#include <stdexcept>

#include "harness/ranks/data_parallel.h"

namespace seqbench {
namespace {

std::string too_few(Index count, const std::string& things, int ranks) {
  return std::to_string(count) + " " + things + " for " + std::to_string(ranks) + " ranks";
}

}  // namespace

std::string reason_against(const LayerSpec& /*spec*/, Strategy strategy, SequenceShape whole,
                           int ranks) {
  switch (strategy) {
    case Strategy::kData:
      return whole.batch < ranks ? too_few(whole.batch, "sequences", ranks) : "";
    case Strategy::kSequence:
      return "strategy sequence is not built";
  }
  return "";
}

template <typename T>
std::unique_ptr<RankLayer<T>> make_rank_layer(const LayerSpec& spec, Strategy strategy,
                                              Communicator& ranks) {
  if (strategy == Strategy::kData) return make_data_parallel<T>(spec, ranks);
  throw std::invalid_argument("strategy sequence is not built");
}
template std::unique_ptr<RankLayer<float>> make_rank_layer(const LayerSpec&, Strategy,
                                                           Communicator&);
template std::unique_ptr<RankLayer<double>> make_rank_layer(const LayerSpec&, Strategy,
                                                            Communicator&);

}  // namespace seqbench

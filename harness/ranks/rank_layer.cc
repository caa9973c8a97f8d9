#include "harness/ranks/rank_layer.h"

#include <numeric>
#include <stdexcept>
#include <string>

namespace seqbench {

SequenceShape RankShare::shape() const {
  return {.batch = batch.count,
          .steps = std::accumulate(steps.begin(), steps.end(), Index{0},
                                   [](Index sum, Part part) { return sum + part.count; })};
}

const char* strategy_name(Strategy strategy) { return kStrategyNames[std::size_t(strategy)]; }

Strategy strategy_called(std::string_view name) {
  for (const Strategy strategy : {Strategy::kData, Strategy::kSequence}) {
    if (name == strategy_name(strategy)) return strategy;
  }
  throw std::invalid_argument("there is no strategy '" + std::string(name) + "'");
}

}  // namespace seqbench

#include "harness/ranks/sequence_shares.h"

#include <cassert>

namespace seqbench {

std::string reason_against_steps(Index steps, int ranks) {
  if (steps >= ranks) return "";
  return std::to_string(steps) + " steps for " + std::to_string(ranks) + " ranks";
}

Part block_of_steps(Index steps, const RankPlace& place) {
  assert(steps >= place.ranks);
  return EvenParts::into(steps, place.ranks)[place.rank];
}

std::vector<Part> zig_zag_steps(Index steps, const RankPlace& place) {
  assert(steps >= place.ranks);
  const EvenParts chunks = EvenParts::into(steps, 2 * place.ranks);
  std::vector<Part> parts{chunks[place.rank]};
  const Part late = chunks[2 * place.ranks - 1 - place.rank];
  if (late.count > 0) parts.push_back(late);
  return parts;
}

Index steps_in(const std::vector<Part>& parts) {
  Index steps = 0;
  for (const Part& part : parts) steps += part.count;
  return steps;
}

}  // namespace seqbench

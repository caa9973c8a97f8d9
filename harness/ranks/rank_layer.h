// A layer over [B, T, D] that several ranks compute together, each with a share of the tokens.
//
//   data      a rank has whole sequences; the gradients of the parameters are summed
//   sequence  a rank has a part of the steps of every sequence. Attention: keys and values go round
//             a ring of ranks (Liu et al. 2023), causal with two chunks a rank, one early and one
//             late, so that all have equal work ("zig-zag"). Recurrent layers: a block of steps a
//             rank, the state handed on, groups of sequences behind each other as in a pipeline.
//             minGRU: every block from the state 0, then a scan over the ranks.
//
// Results equal one rank's up to rounding; parameters are the same on every rank, and so are their
// gradients, bit for bit.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "core/parts.h"
#include "core/sequence_layer.h"

namespace seqbench {

enum class Strategy { kData, kSequence };
inline constexpr const char* kStrategyNames[] = {"data", "sequence"};  // in that order

const char* strategy_name(Strategy strategy);
/// Throws std::invalid_argument for a name that is none of these.
Strategy strategy_called(std::string_view name);

/// The tokens of a rank: `steps`, ascending and disjoint, of sequences [batch.first, …).
struct RankShare {
  Part batch;
  std::vector<Part> steps;

  /// B and T of the rank's own tensors, whose steps stand one part behind the other.
  SequenceShape shape() const;
};

template <typename T>
class RankLayer {
 public:
  virtual ~RankLayer() = default;

  /// As SequenceLayer's; `gradient` after backward is of all tokens of all ranks.
  virtual std::span<Parameter<T>> parameters() = 0;
  /// What reserve() allocates on this rank.
  virtual double workspace_bytes(SequenceShape whole, Pass pass, int workers) const = 0;
  /// For `whole` [B, T] over all ranks; kForward or kTrain.
  virtual void reserve(SequenceShape whole, Pass pass, int workers) = 0;
  virtual RankShare share() const = 0;  // of the shape that was reserved

  /// As SequenceLayer's over this rank's share; every rank calls it with its own.
  virtual void forward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y,
                       Keep keep) = 0;
  virtual void backward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<const T> y,
                        SequenceView<const T> dy, SequenceView<T> dx) = 0;
};

}  // namespace seqbench

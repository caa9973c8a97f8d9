// The time loop of the `persistent` kernel, one for all cells, forward and backward.
//
//   forward    u_t  = W_hh·h_{t−1} + b_hh    then the cell's step            for t = 0, 1, …
//   backward   dh_t += W_hhᵀ·du_{t+1}        then the cell's step backward   for t = T − 1, …, 0
//
// A step takes one block of units after the other: a product of the register block
// (core/register_block.h) with the lanes along the units, all gates of a unit in the same block,
// and at once the pointwise rest while the result is in L1. The recurrent weights are packed before
// the loop in the order in which it reads them. rnn/loop_plan.h says how the work is shared.
//
// Blocks are taken in turns forwards and backwards, and the rows of weights within each: what does
// not fit a cache would otherwise be evicted just before it is needed again. Weights beyond L2 are
// fetched while the piece before them is at work.
//
// W_ih·x + b_ih is there before the loop, or the loop multiplies it itself by the same register
// block, a window of steps at a time, whose products then come from the cache and not from memory.
//
// The factors of the products are T, or pairs of bfloat16 P (core/bfloat16.h): the weights are
// rounded while they are packed, each h and du when it is there. Gates and states stay T. A pair
// belongs to one gate: a gate's du takes D in elements of P.
//
// Cost of a step of n units: 2·G·B·n·D FLOPs; G·n·D elements of weights, once for every
// core's block of rows (6 to 12), and the rows that rnn/cell.h counts.
#pragma once

#include <algorithm>

#include "core/elementwise.h"
#include "core/embedding.h"
#include "core/gemm.h"
#include "core/register_block.h"
#include "core/spin_barrier.h"
#include "core/tensor.h"
#include "core/thread_team.h"
#include "rnn/cell.h"
#include "rnn/loop_plan.h"
#include "rnn/packed_gates.h"
#include "rnn/panel_product.h"

namespace seqbench {

/// Vectors of units in a block, as wide as so many rows need; forward with all gates of each. Many
/// rows take two of their widest blocks at a time, for fewer and longer pointwise steps.
template <typename C>
constexpr Index forward_block_vectors(Index rows) {
  return std::max<Index>(1, widest_block(std::min<Index>(rows, 2)) / C::kGates);
}
constexpr Index backward_block_vectors(Index rows) {
  return widest_block(std::min<Index>(rows, 2));
}

/// Columns of the pre-activations of a block, at most.
template <typename C>
constexpr Index forward_block_columns() {
  return C::kGates * forward_block_vectors<C>(1) * unit_lanes<typename C::Scalar>();
}

/// Rows of a window's products, for rows of so many columns: steps of all sequences of a group.
/// They fill most of an L2 cache, or are those of some whole register blocks of each sequence.
template <typename T>
constexpr Index window_rows(Index sequences, Index columns) {
  constexpr Index kElements = (768 << 10) / Index(sizeof(T));
  constexpr Index kLeastSteps = 12;
  return std::max(kElements / columns, kLeastSteps * sequences);
}
/// Its steps: whole register blocks.
constexpr Index window_steps(Index rows, Index sequences) {
  const Index block = block_rows(kBlockVectors);
  return std::max(block, rows / sequences / block * block);
}

/// x, where the loop multiplies it itself: where nothing is kept and no units are shared.
template <typename T>
struct LoopInput {
  SequenceView<const T> x = {};        // [B, T, C]; empty: the products are there
  MatrixView<const T> weight_ih = {};  // [G·D, C]
  const T* bias_ih = nullptr;          // [G·D]
  T* packed_weights = nullptr;  // [C, G·columns] scratch, C in elements of P; columns = D in whole
                                // vectors
  T* packed_bias = nullptr;     // [G·columns] scratch
  Index window_rows = 0;        // R ≥ the sequences of a group, as window_rows() says for most
  T* products = nullptr;        // [workers, R, G·columns] scratch
  T* rounded_x = nullptr;       // [workers, R, state_stride(⌈C/2⌉)] scratch, where P is not T

  bool is_empty() const { return x.data == nullptr; }
};

template <typename T>
struct PersistentForward {
  MatrixView<const T> weight_hh;  // [G·D, D]
  const T* bias_hh;               // [G·D]
  LoopInput<T> input = {};
  SequenceView<T> gates;           // [B, T, G·D] W_ih·x + b_ih, where no rows are shared; out:
                                   // activated gates, where `keeps`. Empty where there is `input`
  const Token* rows = nullptr;     // [B·T] of each token in `shared`; null: none are
  MatrixView<const T> shared;      // [U, G·D] W_ih·x + b_ih
  SequenceView<T> kept;            // [B, T or 1, K·D] assigned
  SequenceView<T> y;               // [B, T, D] assigned
  bool keeps;                      // for backward
  MatrixView<const T> h_start;     // [B, D] h_{−1}
  MatrixView<const T> kept_start;  // [B, D] kept_{−1}, where K is not 0
  T* packed_weights;  // [D, G·columns] scratch, D in elements of P; columns = D in whole
                      // vectors
  T* packed_bias;     // [G·columns] scratch
  T* h;               // [2, B, state_stride(D)] scratch
  T* rounded_h;       // [2, B, state_stride(⌈D/2⌉)] scratch, where P is not T
  T* u;               // [unit shares, B, forward_block_columns()] scratch
};

template <typename T>
struct PersistentBackward {
  MatrixView<const T> weight_hh;   // [G·D, D]
  SequenceView<const T> y;         // [B, T, D]
  SequenceView<const T> dy;        // [B, T, D]
  SequenceView<T> gates;           // [B, T, G·D] in: activated gates; out: da
  SequenceView<T> kept;            // [B, T, K·D] as Cell::step_backward says
  MatrixView<const T> h_start;     // [B, D] h_{−1}
  MatrixView<const T> kept_start;  // [B, D] kept_{−1}, where K is not 0
  T* packed_weights;               // [G·D, columns] scratch, D in elements of P
  T* du;                           // [2, B, state_stride(G·D)] scratch
  T* rounded_du;                   // [2, B, state_stride(G·⌈D/2⌉)] scratch, where P is not T
  MatrixView<T> dh;  // [B, D] in: gradient of the state after the last step from what follows it,
                     // 0 where nothing does; out: gradient of h_{−1} but for du_0's part
  MatrixView<T> dkept;  // [B, D] likewise, where C::kCarriesKept; out: all of it
};

/// The steps that a loop runs, of those that there are.
struct LoopSteps {
  Index first, count;
  bool packs = true;  // the weights, which otherwise a loop before has packed

  Index end() const { return first + count; }
};

/// What one worker runs: a share of the units through a group of sequences, or all of one of them.
template <typename T>
struct LoopShare {
  int worker;
  Index index;  // of the share of units
  UnitShare<T> units;
  Index first_row, rows;

  /// Whether the weights of the units, G·D rows or columns, come from beyond L2 at every step, and
  /// are met by so many rows that there is time to fetch them ahead.
  bool fetches_ahead(Index gate_units) const {
    constexpr Index kKept = (1 << 20) / Index(sizeof(T));  // what any L2 keeps
    return rows > 2 && units.columns() * gate_units > kKept;
  }
};

/// Of a cell, with factors P.
template <typename C, typename P = typename C::Scalar>
class PersistentLoop {
  using T = typename C::Scalar;
  static constexpr bool kRounds = !std::is_same_v<P, T>;
  static constexpr Index G = C::kGates;
  static constexpr Index K = C::kKept;
  static constexpr Index kLines = 64 / Index(sizeof(T));  // elements of a cache line

 public:
  /// All steps, from the state where they start.
  static void forward(const ThreadTeam& team, const PersistentForward<T>& loop) {
    forward(team, loop, {.first = 0, .count = loop.y.steps});
  }

  /// Some steps, from the state after the step before them, as y and kept have it.
  static void forward(const ThreadTeam& team, const PersistentForward<T>& loop,
                      const LoopSteps& steps) {
    const Index B = loop.y.batch, D = loop.y.width;
    const LoopPlan plan = plan_loop<T>(B, D, team.concurrency());
    const UnitCut<T> cut{D, plan.unit_shares, forward_block_vectors<C>(plan.rows)};
    const MatrixView<T> h_before = state(loop.h, steps.first + 1, loop.y);
    copy(steps.first == 0 ? loop.h_start : MatrixView<const T>(loop.y.step(steps.first - 1)),
         h_before);
    if constexpr (kRounds) round_along_rows(h_before, factors(loop, steps.first + 1));
    const auto pack = [&](const UnitBlock& block) { pack_forward(loop, block); };
    assert(loop.input.is_empty() || !(loop.keeps || plan.shares_units()));
    team.note_handover(double(B * D) * sizeof(T));  // h
    run(team, plan, B, cut, steps.packs, pack,
        [&](const LoopShare<T>& share, SpinBarrier& barrier) {
          InputWindow window{.first = steps.first};
          for (Index t = steps.first; t < steps.end(); ++t) {
            if (!loop.input.is_empty() && t == window.end()) {
              window = multiply_input(loop, share, t, steps.end());
            }
            if (plan.shares_units()) prefetch_state<P>(factors(loop, t + 1));
            for_each_block(share, t, [&](const UnitBlock& block, const UnitBlock& next) {
              advance(loop, share, block, next, t, window);
            });
            barrier.wait();
          }
        });
  }

  /// All steps.
  static void backward(const ThreadTeam& team, const PersistentBackward<T>& loop) {
    backward(team, loop, {.first = 0, .count = loop.y.steps});
  }

  /// Some steps; in: dh and dkept have the whole gradient that comes from the step behind them.
  static void backward(const ThreadTeam& team, const PersistentBackward<T>& loop,
                       const LoopSteps& steps) {
    const Index B = loop.y.batch, D = loop.y.width;
    const LoopPlan plan = plan_loop<T>(B, D, team.concurrency());
    const UnitCut<T> cut{D, plan.unit_shares, backward_block_vectors(plan.rows)};
    const auto pack = [&](const UnitBlock& block) { pack_backward(loop, block); };
    team.note_handover(double(B * G * D) * sizeof(T));  // du
    run(team, plan, B, cut, steps.packs, pack,
        [&](const LoopShare<T>& share, SpinBarrier& barrier) {
          for (Index t = steps.end() - 1; t >= steps.first; --t) {
            if (plan.shares_units()) prefetch_state<P>(factors(loop, t + 1));
            for_each_block(share, t, [&](const UnitBlock& block, const UnitBlock& next) {
              retreat(loop, share, block, next, t, steps.end());
            });
            barrier.wait();
          }
        });
  }

  /// du [B, G·D] of the first step of those that backward ran last.
  static MatrixView<const T> du_of(const PersistentBackward<T>& loop, Index t) {
    return state(loop.du, t, loop.y, G);
  }

  /// After all steps backward: dh becomes the whole gradient of h_{−1}. With dkept it is what the
  /// steps before these take as dh and dkept, so that a gradient passes from segment to segment.
  static void add_start_gradient(const ThreadTeam& team, const PersistentBackward<T>& loop) {
    gemm(team, du_of(loop, 0), loop.weight_hh, loop.dh,
         {.accumulate = true, .factors = kRounds ? Factors::kBfloat16 : Factors::kAsTheyAre});
  }

 private:
  /// Where `packs`, calls pack(block) for every block of units, then body(share, barrier) for every
  /// share of the plan, at the same time where they share the units. A worker that has units of its
  /// own packs them itself, so that they start in its cache.
  template <typename Pack, typename Body>
  static void run(const ThreadTeam& team, const LoopPlan& plan, Index batch, const UnitCut<T>& cut,
                  bool packs, const Pack& pack, const Body& body) {
    SpinBarrier barrier(static_cast<int>(plan.unit_shares), team.recorder());
    if (plan.shares_units()) {
      team.on_every_worker([&](int worker) {
        if (worker >= plan.unit_shares) return;
        const UnitShare<T> units = cut.share(worker);
        for (Index i = 0; packs && i < units.blocks(); ++i) pack(units.block(i));
        body({.worker = worker, .index = worker, .units = units, .first_row = 0, .rows = batch},
             barrier);
      });
    } else {
      const UnitShare<T> all = cut.share(0);
      if (packs) team.for_each_task(all.blocks(), [&](Index i, int) { pack(all.block(i)); });
      const EvenParts groups = EvenParts::into(batch, plan.sequence_groups);
      team.for_each_task(plan.sequence_groups, [&](Index group, int worker) {
        const auto [first, rows] = groups[group];
        body({.worker = worker, .index = 0, .units = all, .first_row = first, .rows = rows},
             barrier);
      });
    }
  }

  /// Calls body(block, the one after it or an empty one) for the blocks of a share, whose order
  /// turns round with every step.
  template <typename Body>
  static void for_each_block(const LoopShare<T>& share, Index t, const Body& body) {
    const Index n = share.units.blocks();
    const auto at = [&](Index i) { return share.units.block(goes_up(t) ? i : n - 1 - i); };
    for (Index i = 0; i < n; ++i) {
      const UnitBlock next = i + 1 < n ? at(i + 1) : UnitBlock{};
      body(at(i), next);
    }
  }
  static bool goes_up(Index t) { return t % 2 == 0; }

  /// The packed weights of a block in the pieces in which step t takes them. A piece stays in L2
  /// until all rows have met it.
  template <typename F>
  class Pieces {
   public:
    Pieces(MatrixView<const F> weights, Index t)
        : weights_(weights),
          up_(goes_up(t)),
          depth_(std::min(weights.rows, kPiece / std::max<Index>(1, weights.stride))),
          count_(parts_in(weights.rows, depth_)) {}

    Index count() const { return count_; }
    /// Where piece i starts in the depth of the product.
    Index first(Index i) const { return depth_ * (up_ ? i : count_ - 1 - i); }
    MatrixView<const F> operator[](Index i) const {
      return weights_.row_block(first(i), std::min(depth_, weights_.rows - first(i)));
    }
    Ahead<F> ahead(Index i) const { return {(*this)[i].data, (*this)[i].rows * weights_.stride}; }

   private:
    static constexpr Index kPiece = (128 << 10) / Index(sizeof(F));

    MatrixView<const F> weights_;
    bool up_;
    Index depth_, count_;
  };

  /// One block's product of step t. While one piece of the weights is at work, the one after it is
  /// fetched, at last the first of the next block's.
  template <typename F>
  static void multiply_ahead(Index t, MatrixView<const F> rows, MatrixView<const F> weights,
                             MatrixView<const F> next_weights, MatrixView<T> result,
                             BlockStart<T> start) {
    const Pieces<F> pieces(weights, t);
    for (Index i = 0; i < pieces.count(); ++i) {
      const LeftFactor<F> left = LeftFactor<F>(rows).depth_from(pieces.first(i));
      const bool last = i + 1 == pieces.count();
      const Ahead<F> ahead = last ? Pieces<F>(next_weights, t).ahead(0) : pieces.ahead(i + 1);
      multiply(t, left, pieces[i], result, i == 0 ? start : add_to<T>(), ahead);
    }
  }
  /// The product whose sums run through the depth in turns up and down.
  template <typename F>
  static void multiply(Index t, const LeftFactor<F>& left, MatrixView<const F> weights,
                       MatrixView<T> result, BlockStart<T> start, Ahead<F> ahead = {}) {
    if (goes_up(t)) {
      multiply_blocks(left, weights, result, start, ahead);
    } else {
      multiply_blocks(left.reversed(weights.rows), weights.upside_down(), result, start, ahead);
    }
  }

  /// The state of step t, of which the last two are held, as [B, width]: `width` of `like`, times
  /// `vectors`.
  template <typename U>
  static MatrixView<T> state(T* states, Index t, const SequenceView<U>& like, Index vectors = 1) {
    const Index stride = state_stride<T>(vectors * like.width);
    return {states + t % 2 * like.batch * stride, like.batch, vectors * like.width, stride};
  }

  /// The state of step t as the left factor of the step behind it: [B, D].
  static MatrixView<P> factors(const PersistentForward<T>& loop, Index t) {
    if constexpr (kRounds) {
      return rounded_state(loop.rounded_h, t, loop.y.batch, elements_of_depth<P>(loop.y.width));
    } else {
      return state(loop.h, t, loop.y);
    }
  }
  /// The same of du_t, for the step before it: [B, G·D].
  static MatrixView<P> factors(const PersistentBackward<T>& loop, Index t) {
    if constexpr (kRounds) {
      const Index width = G * elements_of_depth<P>(loop.y.width);
      return rounded_state(loop.rounded_du, t, loop.y.batch, width);
    } else {
      return state(loop.du, t, loop.y, G);
    }
  }
  static MatrixView<P> rounded_state(T* states, Index t, Index batch, Index elements) {
    const Index stride = state_stride<T>(elements);
    return {elements_over<P>(states) + t % 2 * batch * stride, batch, elements, stride};
  }

  /// W_hhᵀ of a block's units: [D, G·columns], gate k of unit j in column k·columns + j.
  static MatrixView<P> packed_forward(const PersistentForward<T>& loop, const UnitBlock& block) {
    const Index D = elements_of_depth<P>(loop.y.width);
    return {elements_over<P>(loop.packed_weights) + block.first * G * D, D, G * block.columns};
  }
  static T* packed_bias(const PersistentForward<T>& loop, const UnitBlock& block) {
    return loop.packed_bias + block.first * G;
  }
  static void pack_forward(const PersistentForward<T>& loop, const UnitBlock& block) {
    pack_gates<T, P>({.gates = G,
                      .from = loop.weight_hh,
                      .bias_from = loop.bias_hh,
                      .to = packed_forward(loop, block),
                      .bias = packed_bias(loop, block)},
                     block);
    if (loop.input.is_empty()) return;
    pack_gates<T, P>({.gates = G,
                      .from = loop.input.weight_ih,
                      .bias_from = loop.input.bias_ih,
                      .to = packed_input(loop.input, block),
                      .bias = loop.input.packed_bias + block.first * G},
                     block);
  }

  /// W_ihᵀ of a block's units, as packed_forward has W_hhᵀ: [C, G·columns].
  static MatrixView<P> packed_input(const LoopInput<T>& input, const UnitBlock& block) {
    const Index depth = elements_of_depth<P>(input.x.width);
    P* const panel = elements_over<P>(input.packed_weights) + block.first * G * depth;
    return {panel, depth, G * block.columns};
  }

  /// Steps whose products with x are in a worker's scratch: those of a block of units after those
  /// of the blocks before, in each the steps of a sequence after those of the sequence before.
  struct InputWindow {
    Index first = 0, steps = 0;

    Index end() const { return first + steps; }
    /// [rows · steps, G·columns]
    MatrixView<T> products(const LoopInput<T>& input, const LoopShare<T>& share,
                           const UnitBlock& block) const {
      const Index scratch = share.worker * input.window_rows * share.units.columns();
      const Index rows = share.rows * steps;
      return {input.products + (scratch + block.first * rows) * G, rows, G * block.columns};
    }
  };

  /// The products of the steps from t on, before `end`, that a window holds.
  static InputWindow multiply_input(const PersistentForward<T>& loop, const LoopShare<T>& share,
                                    Index t, Index end) {
    const LoopInput<T>& input = loop.input;
    const InputWindow window{t, std::min(window_steps(input.window_rows, share.rows), end - t)};
    assert(share.rows * window.steps <= input.window_rows);
    if constexpr (kRounds) {
      for (Index r = 0; r < share.rows; ++r) {
        round_along_rows(input_rows(input, share, window, r),
                         rounded_rows(input, share, window, r));
      }
    }
    for (Index i = 0; i < share.units.blocks(); ++i) {
      const UnitBlock block = share.units.block(i);
      const MatrixView<T> products = window.products(input, share, block);
      for (Index r = 0; r < share.rows; ++r) {
        multiply_panel<P>({.rows = input_factors(input, share, window, r),
                           .panel = packed_input(input, block),
                           .start = assign_plus<T>(input.packed_bias + block.first * G),
                           .tile = products.row_block(r * window.steps, window.steps)});
      }
    }
    return window;
  }

  /// x of a window's steps, of sequence r of a share: [steps, C].
  static MatrixView<const T> input_rows(const LoopInput<T>& input, const LoopShare<T>& share,
                                        const InputWindow& window, Index r) {
    return input.x.sequence(share.first_row + r).row_block(window.first, window.steps);
  }
  static MatrixView<P> rounded_rows(const LoopInput<T>& input, const LoopShare<T>& share,
                                    const InputWindow& window, Index r) {
    const Index depth = elements_of_depth<P>(input.x.width), stride = state_stride<T>(depth);
    P* const rows = elements_over<P>(input.rounded_x) + share.worker * input.window_rows * stride;
    return {rows + r * window.steps * stride, window.steps, depth, stride};
  }
  static MatrixView<const P> input_factors(const LoopInput<T>& input, const LoopShare<T>& share,
                                           const InputWindow& window, Index r) {
    if constexpr (kRounds) {
      return rounded_rows(input, share, window, r);
    } else {
      return input_rows(input, share, window, r);
    }
  }

  /// W_hh's columns of a block's units: [G·D, count].
  static MatrixView<P> packed_backward(const PersistentBackward<T>& loop, const UnitBlock& block) {
    const Index GD = G * elements_of_depth<P>(loop.y.width);
    return {elements_over<P>(loop.packed_weights) + block.first * GD, GD, block.count,
            block.columns};
  }
  static void pack_backward(const PersistentBackward<T>& loop, const UnitBlock& block) {
    const MatrixView<const T> from = loop.weight_hh.column_block(block.first, block.count);
    const MatrixView<P> to = packed_backward(loop, block);
    if constexpr (kRounds) {
      const Index rows = loop.y.width, pairs = elements_of_depth<P>(rows);
      for (Index k = 0; k < G; ++k) {
        round_along_columns(from.row_block(k * rows, rows), to.row_block(k * pairs, pairs));
      }
    } else {
      copy(from, to);
    }
  }

  /// Step t of some sequences and units.
  static void advance(const PersistentForward<T>& loop, const LoopShare<T>& share,
                      const UnitBlock& block, const UnitBlock& next, Index t,
                      const InputWindow& window) {
    const Index B = loop.y.batch, T_ = loop.y.steps, D = loop.y.width, n = block.count;
    const MatrixView<T> h = state(loop.h, t, loop.y).row_block(share.first_row, share.rows);
    const MatrixView<T> h_previous =
        state(loop.h, t + 1, loop.y).row_block(share.first_row, share.rows);
    const MatrixView<T> u(loop.u + (share.index * B + share.first_row) * forward_block_columns<C>(),
                          share.rows, G * block.columns);
    for (Index r = 0; r < share.rows; ++r) prefetch_to_write(h.row(r) + block.first, n);
    const BlockStart<T> bias = assign_plus<T>(packed_bias(loop, block));
    const MatrixView<const P> left = factors(loop, t + 1).row_block(share.first_row, share.rows);
    if (share.fetches_ahead(G * left.cols)) {
      multiply_ahead<P>(t, left, packed_forward(loop, block), packed_forward(loop, next), u, bias);
    } else {
      multiply<P>(t, left, packed_forward(loop, block), u, bias);
    }

    const Index kept_t = std::min(t, loop.kept.steps - 1);
    for (Index r = 0; r < share.rows; ++r) {
      const Index b = share.first_row + r;
      T* const gates =
          loop.gates.data == nullptr ? nullptr : loop.gates.sequence(b).row(t) + block.first;
      T* const y = loop.y.sequence(b).row(t) + block.first;
      T* const kept = K == 0 ? nullptr : loop.kept.sequence(b).row(kept_t) + block.first;
      const T* const kept_previous = K == 0   ? nullptr
                                     : t == 0 ? loop.kept_start.row(b) + block.first
                                              : kept - (kept_t > 0 ? K * D : 0);
      if (t + 1 < T_) {
        if (gates != nullptr) prefetch_gates(gates + G * D, D, n);
        prefetch_to_write_far(y + D, n);
      }
      C::step({.units = n,
               .a = input_products(loop, share, block, window, r, t),
               .u = {u.row(r), block.columns},
               .gates = loop.keeps ? GateRows<T>{gates, D} : GateRows<T>{u.row(r), block.columns},
               .h_previous = h_previous.row(r) + block.first,
               .h = h.row(r) + block.first,
               .kept_previous = kept_previous,
               .kept = kept});
      copy_units(h.row(r) + block.first, n, y);
    }
    if constexpr (kRounds) {
      const MatrixView<P> rounded = factors(loop, t).row_block(share.first_row, share.rows);
      round_along_rows(
          h.column_block(block.first, n),
          rounded.column_block(elements_of_depth<P>(block.first), elements_of_depth<P>(n)));
    }
  }

  /// W_ih·x + b_ih of step t and the units of a block, of sequence r of a share.
  static GateRows<const T> input_products(const PersistentForward<T>& loop,
                                          const LoopShare<T>& share, const UnitBlock& block,
                                          const InputWindow& window, Index r, Index t) {
    const Index b = share.first_row + r, D = loop.y.width;
    if (!loop.input.is_empty()) {
      const Index row = r * window.steps + t - window.first;
      return {window.products(loop.input, share, block).row(row), block.columns};
    }
    if (loop.rows != nullptr) {
      return {loop.shared.row(loop.rows[b * loop.y.steps + t]) + block.first, D};
    }
    return {loop.gates.sequence(b).row(t) + block.first, D};
  }

  /// Step t backward of some sequences and units, of those before `end`.
  static void retreat(const PersistentBackward<T>& loop, const LoopShare<T>& share,
                      const UnitBlock& block, const UnitBlock& next, Index t, Index end) {
    const Index D = loop.y.width, n = block.count;
    const MatrixView<T> dh =
        loop.dh.row_block(share.first_row, share.rows).column_block(block.first, n);
    const MatrixView<T> du = state(loop.du, t, loop.y, G).row_block(share.first_row, share.rows);
    for (Index r = 0; r < share.rows; ++r) {
      for (Index k = 0; k < G; ++k) prefetch_to_write(du.row(r) + k * D + block.first, n);
    }
    if (t + 1 < end) {
      const MatrixView<const P> du_next =
          factors(loop, t + 1).row_block(share.first_row, share.rows);
      if (share.fetches_ahead(du_next.cols)) {
        multiply_ahead<P>(t, du_next, packed_backward(loop, block), packed_backward(loop, next), dh,
                          add_to<T>());
      } else {
        multiply<P>(t, du_next, packed_backward(loop, block), dh, add_to<T>());
      }
    }
    for (Index r = 0; r < share.rows; ++r) {
      const Index b = share.first_row + r;
      const T* const y = loop.y.sequence(b).row(t) + block.first;
      const T* const dy = loop.dy.sequence(b).row(t) + block.first;
      T* const gates = loop.gates.sequence(b).row(t) + block.first;
      T* const kept = K == 0 ? nullptr : loop.kept.sequence(b).row(t) + block.first;
      const T* const h_previous = t > 0 ? y - D : loop.h_start.row(b) + block.first;
      const T* const kept_previous = K == 0  ? nullptr
                                     : t > 0 ? kept - D
                                             : loop.kept_start.row(b) + block.first;
      if (t > 0) {
        prefetch_gates(gates - G * D, D, n);
        prefetch(dy - D, n);
        if (t > 1) prefetch(y - 2 * D, n);
        if (K > 0 && t > 1) prefetch(kept - 2 * D, n);
      }
      C::step_backward({.units = n,
                        .h = y,
                        .h_previous = h_previous,
                        .dy = dy,
                        .gates = {gates, D},
                        .da = {gates, D},
                        .du = {du.row(r) + block.first, D},
                        .kept = kept,
                        .kept_du = kept,
                        .kept_previous = kept_previous,
                        .dh = dh.row(r),
                        .dkept = C::kCarriesKept ? loop.dkept.row(b) + block.first : nullptr});
    }
    if constexpr (kRounds) {
      const MatrixView<P> rounded = factors(loop, t).row_block(share.first_row, share.rows);
      const Index pairs = elements_of_depth<P>(D);
      for (Index k = 0; k < G; ++k) {
        round_along_rows(du.column_block(k * D + block.first, n),
                         rounded.column_block(k * pairs + elements_of_depth<P>(block.first),
                                              elements_of_depth<P>(n)));
      }
    }
  }

  /// Asks for all that other workers have just written; the product would fetch it line by line.
  template <typename F>
  static void prefetch_state(MatrixView<const F> state) {
    for (Index b = 0; b < state.rows; ++b) {
      for (Index j = 0; j < state.cols; j += kLines) __builtin_prefetch(state.row(b) + j);
    }
  }
  /// Takes the lines of a state back from the workers that read it, while the product runs: behind
  /// it every store, and with them the barrier, would wait for that.
  static void prefetch_to_write(const T* row, Index count) {
    for (Index j = 0; j < count; j += kLines) __builtin_prefetch(row + j, 1);
  }
  /// Asks for what the next step writes once: rows of a sequence far from those of another, each of
  /// which would be fetched while its stores, and all behind them, wait.
  static void prefetch_to_write_far(const T* row, Index count) {
    for (Index j = 0; j < count; j += kLines) __builtin_prefetch(row + j, 1, 2);
  }
  /// Few units: a call of memmove would take longer.
  static void copy_units(const T* from, Index n, T* to) {
    for_each_vector<T>(n, [&](auto d, Index j) { hn::StoreU(hn::LoadU(d, from + j), d, to + j); });
  }
  /// Asks for what the next step reads once, as far as L2, since L1 serves the weights: neighbours
  /// in time lie too far apart for the CPU to see the pattern.
  static void prefetch(const T* row, Index count) {
    for (Index j = 0; j < count; j += kLines) __builtin_prefetch(row + j, 0, 2);
  }
  static void prefetch_gates(const T* gates, Index width, Index count) {
    for (Index k = 0; k < G; ++k) prefetch(gates + k * width, count);
  }
};

}  // namespace seqbench

// The time loop of the `newton` kernel, one for all cells: all steps of a window at once.
//
// With s_t the state of step t (h, the LSTM's h and c) a window of n steps asks for the root of
// s_t − F_t(s_{t−1}) = 0, t = 1 … n. Newton's method makes of states s the states s′ by
//
//   s′_t = F_t(s_{t−1}) + J_t·(s′_{t−1} − s_{t−1})
//
// which is linear in s′, hence a scan along time (Lim et al. 2024, "Parallelizing non-linear
// sequential models over the sequence length", eq. 3). J_t is taken from the diagonal of W_hh alone
// (Gonzalez et al. 2024, "Towards scalable and stable parallelization of nonlinear RNNs",
// sec. 4.1), so that no unit waits for another. A sweep is, for every block of units,
//
//   1  u = W_hh·h + b_hh of all steps that are not final yet: one product, whose rows are steps
//   2  the cell's step and its jacobian, a step after the other
//   3  behind it the scan
//
// Sweep k makes state k final, for it follows from a final state: it is not swept again. The first
// guess is the state 0, so that the first sweep's product is b_hh alone but for one row. Newton's
// other way out, that states run away, ends in a sequential run of the window by the kernel
// `persistent` (rnn/persistent_loop.h), and so does one that would take too many sweeps
// (rnn/newton_rules.h).
//
// Backward is linear in the gradients: with e_t the gradient of h_t that comes from step t + 1,
//
//   e_{t−1} = W_hhᵀ·du_t + the direct part,   du_t and the direct part linear in e_t + dy_t
//
// and a sweep multiplies the du of the sweep before, then walks back through the steps with the
// diagonal of W_hh applied to what changed: Newton's step with the same Jacobian, transposed.
//
// Every sum runs in the order of its terms, and windows and tiles follow from the shape alone, so
// that the result is bit-equal for any team.
//
// Cost of a sweep: 2·G·B·n·D² FLOPs for n steps, G·D² elements of weights once for each sequence;
// states, a and (train) gates of the window read and written.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/elementwise.h"
#include "core/gemm.h"
#include "core/parts.h"
#include "core/register_block.h"
#include "core/sequence_layer.h"
#include "core/tensor.h"
#include "core/thread_team.h"
#include "rnn/cell.h"
#include "rnn/loop_plan.h"
#include "rnn/newton_rules.h"
#include "rnn/packed_gates.h"
#include "rnn/panel_product.h"
#include "rnn/persistent_loop.h"

namespace seqbench {

/// Vectors of units in a panel of either direction, whose columns are those of one register block
/// or, of a cell of many gates, one vector of each.
template <typename C>
constexpr Index newton_forward_vectors() {
  return std::max<Index>(1, kBlockVectors / C::kGates);
}
constexpr Index newton_backward_vectors() { return kBlockVectors; }

/// Elements in which the tasks of a sweep leave what changed: two for each.
template <typename C>
constexpr Index newton_marks(Index batch, Index width) {
  return 2 * batch * parts_in(width, unit_lanes<typename C::Scalar>());
}

/// What both directions need of a window besides the persistent loop's. W: rules.window, or the
/// steps that there are where these are fewer.
template <typename T>
struct NewtonScratch {
  NewtonRules rules;
  T* panels;    // [G·D, columns] in blocks; columns = D in whole vectors
  T* diagonal;  // [G·D] element j of gate k: that of W_hh in row k·D + j, column j
  T* gates;     // [B, W, G·D] train, forward: W_ih·x + b_ih of the window; backward: da
  T* marks;     // [newton_marks()]
  T* given_up;  // [windows] 1 where forward ran step by step, else 0
};

template <typename T>
struct NewtonForward {
  PersistentForward<T> sequential;  // the layer, its tensors, and what a window given up needs
  NewtonScratch<T> scratch;
  T* panel_bias;  // [G·columns]
  T* states;      // [2, B, W + 1, state_stride(D)] h before the window, then of its steps
  T* kept;        // [B, W, K·D] inference
};

template <typename T>
struct NewtonBackward {
  PersistentBackward<T> sequential;
  NewtonScratch<T> scratch;
  T* du;       // [2, B, W, state_stride(G·D)]
  T* carries;  // [4, B, D] dh and dkept behind the last step that is final, and before the window
};

template <typename C>
class NewtonLoop {
  using T = typename C::Scalar;
  static constexpr Index G = C::kGates;
  static constexpr Index K = C::kKept;
  static constexpr bool kTwoStates = C::kCarriesKept;

 public:
  /// y, and gates and kept where the pass keeps them, of all steps.
  static SweepCounts forward(const ThreadTeam& team, const NewtonForward<T>& pass) {
    const Forward run(team, pass);
    return run.all_windows();
  }

  /// da in the place of the gates, and du of those not shared in that of `kept`, of all steps.
  static SweepCounts backward(const ThreadTeam& team, const NewtonBackward<T>& pass) {
    const Backward run(team, pass);
    return run.all_windows();
  }

 private:
  /// Some steps of all sequences.
  struct Window {
    Index number, first, count;
  };
  static Window window_of(const NewtonRules& rules, Index number, Index steps) {
    const Index first = number * rules.window;
    return {number, first, std::min(rules.window, steps - first)};
  }

  /// How a sweep is shared out: the blocks of units in shares, each for groups of the sequences.
  struct Tasks {
    UnitShare<T> units;
    EvenParts blocks, sequences;

    Tasks(Index batch, Index width, Index block_vectors, int workers)
        : units(UnitCut<T>{width, 1, block_vectors}.share(0)),
          blocks(EvenParts::into(units.blocks(), std::min(units.blocks(), wanted(workers)))),
          sequences(
              EvenParts::into(batch, std::min(batch, parts_in(wanted(workers), blocks.count())))) {}

    Index count() const { return blocks.count() * sequences.count(); }

    /// Several for each worker, since the machine may take one of them away for a while.
    static Index wanted(int workers) { return workers == 1 ? 1 : 4 * workers; }
  };

  /// Runs body(task) for all tasks; on the calling thread where waking the team (some 10 µs) costs
  /// more than it gains.
  template <typename Body>
  static void for_each_task(const ThreadTeam& team, Index count, double flops, const Body& body) {
    constexpr double kSerialFlops = 1e6;
    if (flops < kSerialFlops) {
      team.for_each_task(1, [&](Index, int) {
        for (Index task = 0; task < count; ++task) body(task);
      });
    } else {
      team.for_each_task(count, [&](Index task, int) { body(task); });
    }
  }

  /// Of a window's sweeps.
  struct Sweeping {
    Index steps;
    double first_rows, flops_of_a_row;  // of all sequences
  };

  /// The largest changes of one task's elements: absolute, and what they are compared with.
  struct Change {
    double largest = 0, scale = 0;
  };
  template <std::size_t kSize>
  static double largest_of(const T (&values)[kSize], Index count) {
    return double(*std::max_element(values, values + count));
  }
  template <std::size_t kSize>
  static bool all_finite(const T (&values)[kSize], Index count) {
    return std::all_of(values, values + count, [](T value) { return std::isfinite(value); });
  }
  static void leave_mark(T* marks, Index task, Change change) {
    marks[2 * task] = T(change.largest);
    marks[2 * task + 1] = T(change.scale);
  }
  /// What the blocks and sequences of one task change: run(b, block, ahead) does one of them and
  /// tells, `ahead` being the block whose panel is read next.
  template <typename Run>
  static Change run_task(const Tasks& tasks, Index task, const Run& run) {
    const auto [first_block, blocks] = tasks.blocks[task / tasks.sequences.count()];
    const auto [first_sequence, sequences] = tasks.sequences[task % tasks.sequences.count()];
    Change change;
    for (Index i = first_block; i < first_block + blocks; ++i) {
      const UnitBlock block = tasks.units.block(i);
      const UnitBlock next = tasks.units.block(i + 1 < first_block + blocks ? i + 1 : i);
      for (Index b = first_sequence; b < first_sequence + sequences; ++b) {
        const bool last = b + 1 == first_sequence + sequences;
        const Change one = run(b, block, last ? next : block);
        if (!(one.largest <= change.largest)) change.largest = one.largest;
        change.scale = std::max(change.scale, one.scale);
      }
    }
    return change;
  }

  /// Sweeps a window until that is decided; run(k, b, block, ahead) is run_task's of sweep k. The
  /// first one multiplies `first_rows` rows of each sequence, sweep k those of steps not final yet.
  template <typename Run>
  static SweepJudge::Verdict run_sweeps(const ThreadTeam& team, const Tasks& tasks, T* marks,
                                        const Sweeping& window, SweepJudge& judge, const Run& run) {
    auto verdict = SweepJudge::Verdict::kGoesOn;
    for (Index k = 1; verdict == SweepJudge::Verdict::kGoesOn; ++k) {
      team.note_steps(1);
      const double rows = k == 1 ? window.first_rows : double(window.steps - k + 1);
      for_each_task(team, tasks.count(), window.flops_of_a_row * rows, [&](Index task) {
        const auto of_sweep = [&](Index b, const UnitBlock& block, const UnitBlock& ahead) {
          return run(k, b, block, ahead);
        };
        leave_mark(marks, task, run_task(tasks, task, of_sweep));
      });
      const Change change = change_of_all(marks, tasks.count());
      verdict = judge.after(change.largest == 0 ? 0 : change.largest / change.scale);
    }
    return verdict;
  }

  static Change change_of_all(const T* marks, Index tasks) {
    Change all;
    for (Index task = 0; task < tasks; ++task) {
      all.largest = std::max(all.largest, double(marks[2 * task]));
      all.scale = std::max(all.scale, double(marks[2 * task + 1]));
    }
    return all;
  }

  /// Of the product with W_hh, or its transpose, for one step of all sequences.
  static double flops_of_a_row(Index batch, Index width) {
    return 2 * double(G) * double(batch) * double(width) * double(width);
  }

  static void assign_diagonal(MatrixView<const T> weight_hh, T* diagonal) {
    const Index D = weight_hh.cols;
    for (Index row = 0; row < G * D; ++row) diagonal[row] = weight_hh(row, row % D);
  }

  /// Runs the windows in the order of `number`, by sweeps(window, judge) where they are tried and
  /// by steps(window) where these were given up or not tried.
  template <typename Order, typename Tries, typename Sweeps, typename Steps>
  static SweepCounts run_windows(const NewtonRules& rules, Index steps, Index terms,
                                 const Order& number, const Tries& tries, const Sweeps& sweeps,
                                 const Steps& run_steps) {
    SweepCounts counts;
    counts.window = rules.window;
    counts.windows = parts_in(steps, rules.window);
    for (Index i = 0; i < counts.windows; ++i) {
      const Window window = window_of(rules, number(i), steps);
      bool is_done = false;
      if (tries(window)) {
        SweepJudge judge(window.count, rules, sweep_bound<T>(terms));
        is_done = sweeps(window, judge);
        counts.count(judge.sweeps(), is_done, judge.change());
      } else {
        counts.count(0, false, 0);
      }
      if (!is_done) run_steps(window);
    }
    return counts;
  }

  class Forward {
   public:
    Forward(const ThreadTeam& team, const NewtonForward<T>& pass)
        : team_(team),
          pass_(pass),
          loop_(pass.sequential),
          rules_(pass.scratch.rules),
          B_(loop_.y.batch),
          D_(loop_.y.width),
          W_(std::min(rules_.window, loop_.y.steps)),
          tasks_(B_, D_, newton_forward_vectors<C>(), team.concurrency()) {}

    SweepCounts all_windows() const {
      assert(rules_.window <= kMostNewtonWindow);
      assign_diagonal(loop_.weight_hh, pass_.scratch.diagonal);
      team_.for_each_task(tasks_.units.blocks(), [&](Index i, int) {
        const UnitBlock block = tasks_.units.block(i);
        pack_gates<T>({.gates = G,
                       .from = loop_.weight_hh,
                       .bias_from = loop_.bias_hh,
                       .to = panel(block),
                       .bias = panel_bias(block)},
                      block);
      });
      SweepTrials trials;
      bool packs = true;  // for the steps of the first window that is given up
      T* const given_up = pass_.scratch.given_up;
      return run_windows(
          rules_, loop_.y.steps, D_, [](Index i) { return i; },
          [&](const Window& window) {
            const bool tries = trials.tries_next();
            given_up[window.number] = T(!tries);
            return tries;
          },
          [&](const Window& window, SweepJudge& judge) {
            const bool is_done = sweep(window, judge);
            given_up[window.number] = T(!is_done);
            trials.count(!is_done);
            return is_done;
          },
          [&](const Window& window) {
            PersistentLoop<C>::forward(team_, loop_,
                                       {.first = window.first,
                                        .count = window.count,
                                        .packs = std::exchange(packs, false)});
          });
    }

   private:
    MatrixView<T> panel(const UnitBlock& block) const {
      return {pass_.scratch.panels + block.first * G * D_, D_, G * block.columns};
    }
    T* panel_bias(const UnitBlock& block) const { return pass_.panel_bias + block.first * G; }

    /// h before the window in row 0, then of its steps, as sweep k leaves them: [W + 1, D].
    MatrixView<T> states(Index k, Index b) const {
      const Index rows = W_ + 1, stride = state_stride<T>(D_);
      return {pass_.states + (k % 2 * B_ + b) * rows * stride, rows, D_, stride};
    }
    T* window_gates(Index b, Index i) const { return pass_.scratch.gates + (b * W_ + i) * G * D_; }
    T* gates(const Window& window, Index b, Index i) const {
      return loop_.gates.sequence(b).row(window.first + i);
    }
    T* kept(const Window& window, Index b, Index i) const {
      if (K == 0) return nullptr;
      return loop_.keeps ? loop_.kept.sequence(b).row(window.first + i)
                         : pass_.kept + (b * W_ + i) * K * D_;
    }
    /// The second state before the window.
    const T* kept_before(const Window& window, Index b) const {
      if (window.first == 0) return loop_.kept_start.row(b);
      return loop_.keeps ? loop_.kept.sequence(b).row(window.first - 1)
                         : loop_.kept.sequence(b).row(0);
    }

    /// True where the window's states are found; else all is as before.
    bool sweep(const Window& window, SweepJudge& judge) const {
      for (Index b = 0; b < B_; ++b) {
        T* const h_before = states(0, b).row(0);
        if (window.first == 0) {
          std::copy_n(loop_.h_start.row(b), D_, h_before);
        } else {
          std::copy_n(loop_.y.sequence(b).row(window.first - 1), D_, h_before);
        }
      }
      const auto verdict = run_sweeps(
          team_, tasks_, pass_.scratch.marks,
          {.steps = window.count, .first_rows = 1, .flops_of_a_row = flops_of_a_row(B_, D_)}, judge,
          [&](Index k, Index b, const UnitBlock& block, const UnitBlock& ahead) {
            return Change{.largest = run_block(window, k, b, block, panel(ahead).data), .scale = 1};
          });
      const bool is_done = verdict == SweepJudge::Verdict::kIsDone;
      finish(window, judge.sweeps(), is_done);
      return is_done;
    }

    /// Takes the states of the last sweep, or puts W_ih·x + b_ih back where the steps expect it.
    void finish(const Window& window, Index sweeps, bool is_done) const {
      for (Index b = 0; b < B_; ++b) {
        for (Index i = 0; i < window.count; ++i) {
          if (is_done) {
            // Step i was last swept by sweep i + 1.
            std::copy_n(states(std::min(i + 1, sweeps), b).row(i + 1), D_,
                        loop_.y.sequence(b).row(window.first + i));
          } else if (loop_.keeps) {
            std::copy_n(window_gates(b, i), G * D_, gates(window, b, i));
          }
        }
        if (is_done && kTwoStates && !loop_.keeps) {
          std::copy_n(kept(window, b, window.count - 1), D_, loop_.kept.sequence(b).row(0));
        }
      }
    }

    static constexpr Index kMostUnits = newton_forward_vectors<C>() * unit_lanes<T>();

    /// Sweep k of one sequence and block of units; returns the largest change of a state.
    double run_block(const Window& window, Index k, Index b, const UnitBlock& block,
                     const T* next_panel) const {
      alignas(64) T buffer[kMostNewtonWindow * G * kMostUnits];
      const MatrixView<T> tile(buffer, window.count - k + 1, G * block.columns);
      if (k == 1) {
        start(window, b, block);
        multiply_blocks<T>(MatrixView<const T>(states(0, b).row_block(0, 1)), panel(block),
                           tile.row_block(0, 1), assign_plus<T>(panel_bias(block)));
        for (Index i = 1; i < tile.rows; ++i) {
          std::copy_n(panel_bias(block), tile.cols, tile.row(i));
        }
      } else {
        multiply_panel<T>({.rows = states(k - 1, b).row_block(k - 1, tile.rows),
                           .panel = panel(block),
                           .start = assign_plus<T>(panel_bias(block)),
                           .next_panel = next_panel,
                           .tile = tile});
      }
      return advance(window, k, b, block, tile);
    }

    /// The first guess; and where a step leaves its gates in the place of W_ih·x + b_ih, a copy of
    /// that.
    void start(const Window& window, Index b, const UnitBlock& block) const {
      for (Index i = 0; i < window.count; ++i) {
        std::fill_n(states(0, b).row(i + 1) + block.first, block.count, T{0});
        if (kTwoStates) std::fill_n(kept(window, b, i) + block.first, block.count, T{0});
        if (!loop_.keeps) continue;
        for (Index gate = 0; gate < G; ++gate) {
          const Index at = gate * D_ + block.first;
          std::copy_n(gates(window, b, i) + at, block.count, window_gates(b, i) + at);
        }
      }
    }

    /// Of the states before: what a step makes of them, then Newton's correction.
    double advance(const Window& window, Index k, Index b, const UnitBlock& block,
                   MatrixView<const T> u) const {
      const Index n = block.count, at = block.first;
      const MatrixView<T> before = states(k - 1, b), after = states(k, b);
      alignas(64) T h[kMostUnits], gates_here[G * kMostUnits];
      alignas(64) T kept_here[kMostUnits], kept_previous[kMostUnits] = {};
      Correction correction = {};
      if (kTwoStates) {
        const T* const from = k == 1 ? kept_before(window, b) : kept(window, b, k - 2);
        std::copy_n(from + at, n, kept_previous);
      }
      for (Index i = k - 1; i < window.count; ++i) {
        const T* const a = loop_.keeps ? window_gates(b, i) : gates(window, b, i);
        if (i + kStepsAhead < window.count) prefetch_gates(a + kStepsAhead * G * D_ + at, n);
        const GateRows<T> activated = loop_.keeps ? GateRows<T>{gates(window, b, i) + at, D_}
                                                  : GateRows<T>{gates_here, block.columns};
        T* const kept_row = K == 0 ? nullptr : kept(window, b, i) + at;
        T* const found = kTwoStates ? kept_here : kept_row;
        const T* const h_previous = before.row(i) + at;
        C::step({.units = n,
                 .a = {a + at, D_},
                 .u = {u.row(i - k + 1), block.columns},
                 .gates = activated,
                 .h_previous = h_previous,
                 .h = h,
                 .kept_previous = kept_previous,
                 .kept = found});
        const JacobianRow<T> row{.weights = {pass_.scratch.diagonal + at, D_},
                                 .gates = {activated.data, activated.stride},
                                 .h = h,
                                 .h_previous = h_previous,
                                 .kept = found,
                                 .kept_previous = kept_previous};
        correct(row, n,
                {.h_before = before.row(i + 1) + at,
                 .h = after.row(i + 1) + at,
                 .kept = kept_row,
                 .kept_previous = kept_previous},
                correction);
      }
      // What is not finite stays so to the last step, whatever it is multiplied by.
      if (!all_finite(correction.h, n) || !all_finite(correction.kept, n)) {
        return std::numeric_limits<double>::infinity();
      }
      return largest_of(correction.largest, n);
    }

    static constexpr Index kStepsAhead = 2;

    void prefetch_gates(const T* a, Index count) const {
      for (Index gate = 0; gate < G; ++gate) {
        for (Index j = 0; j < count; j += 64 / Index(sizeof(T))) {
          __builtin_prefetch(a + gate * D_ + j);
        }
      }
    }

    /// What the scan carries from step to step of some units.
    struct Correction {
      alignas(64) T h[kMostUnits];     // s′ − s of the step before
      alignas(64) T kept[kMostUnits];  // where there are two states
      alignas(64) T largest[kMostUnits];
    };
    struct Corrected {
      const T* h_before;  // as the sweep before left them
      T* h;               // assigned
      T* kept;            // in: as the sweep before left it; out: corrected. Used of two states
      T* kept_previous;   // out: what `kept` was
    };

    /// h′_t = h_t + J·(h′_{t−1} − h_{t−1}) with the h_t that the step has just found, and the same
    /// of c, whose changes count as shares of what is more than 1.
    static void correct(const JacobianRow<T>& row, Index n, const Corrected& state,
                        Correction& carry) {
      for_each_vector<T>(n, [&](auto d, Index j) {
        const auto jacobian = C::jacobian(d, row, j);
        const auto h_carried = hn::Load(d, carry.h + j);
        auto h = hn::MulAdd(jacobian.hh, h_carried, hn::Load(d, row.h + j));
        auto largest = hn::Load(d, carry.largest + j);
        if constexpr (kTwoStates) {
          const auto c_carried = hn::Load(d, carry.kept + j);
          const auto c_before = hn::LoadU(d, state.kept + j);
          h = hn::MulAdd(jacobian.hc, c_carried, h);
          const auto c = hn::MulAdd(jacobian.cc, c_carried,
                                    hn::MulAdd(jacobian.ch, h_carried, hn::Load(d, row.kept + j)));
          const auto c_change = c - c_before;
          const auto scale = hn::Max(hn::Abs(c), hn::Set(d, T{1}));
          largest = hn::Max(largest, hn::Abs(c_change) / scale);
          hn::Store(c_change, d, carry.kept + j);
          hn::Store(c_before, d, state.kept_previous + j);
          hn::StoreU(c, d, state.kept + j);
        }
        const auto h_change = h - hn::LoadU(d, state.h_before + j);
        hn::Store(h_change, d, carry.h + j);
        hn::StoreU(h, d, state.h + j);
        hn::Store(hn::Max(largest, hn::Abs(h_change)), d, carry.largest + j);
      });
    }

    const ThreadTeam& team_;
    const NewtonForward<T>& pass_;
    const PersistentForward<T>& loop_;
    const NewtonRules& rules_;
    Index B_, D_, W_;
    Tasks tasks_;
  };

  class Backward {
   public:
    Backward(const ThreadTeam& team, const NewtonBackward<T>& pass)
        : team_(team),
          pass_(pass),
          loop_(pass.sequential),
          rules_(pass.scratch.rules),
          B_(loop_.y.batch),
          D_(loop_.y.width),
          W_(std::min(rules_.window, loop_.y.steps)),
          tasks_(B_, D_, newton_backward_vectors(), team.concurrency()) {}

    SweepCounts all_windows() const {
      assign_diagonal(loop_.weight_hh, pass_.scratch.diagonal);
      team_.for_each_task(tasks_.units.blocks(), [&](Index i, int) {
        const UnitBlock block = tasks_.units.block(i);
        copy(loop_.weight_hh.column_block(block.first, block.count), panel(block));
      });
      bool packs = true;
      const Index windows = parts_in(loop_.y.steps, rules_.window);
      return run_windows(
          rules_, loop_.y.steps, G * D_, [&](Index i) { return windows - 1 - i; },
          // Where the states ran away, so would their gradients.
          [&](const Window& window) { return pass_.scratch.given_up[window.number] == 0; },
          [&](const Window& window, SweepJudge& judge) { return sweep(window, judge); },
          [&](const Window& window) {
            PersistentLoop<C>::backward(team_, loop_,
                                        {.first = window.first,
                                         .count = window.count,
                                         .packs = std::exchange(packs, false)});
            add_product(window, PersistentLoop<C>::du_of(loop_, window.first));
          });
    }

   private:
    MatrixView<T> panel(const UnitBlock& block) const {
      return {pass_.scratch.panels + block.first * G * D_, G * D_, block.count, block.columns};
    }
    /// du of the window's steps as sweep k leaves them: [W, G·D].
    MatrixView<T> du(Index k, Index b) const {
      const Index stride = state_stride<T>(G * D_);
      return {pass_.du + (k % 2 * B_ + b) * W_ * stride, W_, G * D_, stride};
    }
    T* da(Index b, Index i) const { return pass_.scratch.gates + (b * W_ + i) * G * D_; }
    enum Carry : Index { kFinalH, kFinalKept, kFirstH, kFirstKept };
    T* carry(Carry which, Index b) const { return pass_.carries + (which * B_ + b) * D_; }

    /// dh, which the window's first step has reached directly, as the whole gradient of the state
    /// before the window: what comes through du [B, G·D] is added.
    void add_product(const Window& window, MatrixView<const T> du_first) const {
      if (window.first == 0) return;
      gemm(team_, du_first, loop_.weight_hh, loop_.dh, {.accumulate = true});
    }

    bool sweep(const Window& window, SweepJudge& judge) const {
      const auto verdict = run_sweeps(
          team_, tasks_, pass_.scratch.marks,
          {.steps = window.count, .first_rows = 0, .flops_of_a_row = flops_of_a_row(B_, D_)}, judge,
          [&](Index k, Index b, const UnitBlock& block, const UnitBlock& ahead) {
            return run_block(window, k, b, block, panel(ahead).data);
          });
      if (verdict != SweepJudge::Verdict::kIsDone) return false;
      finish(window, judge.sweeps());
      return true;
    }

    void finish(const Window& window, Index sweeps) const {
      const Index shared = C::kSharedGates * D_;
      for (Index b = 0; b < B_; ++b) {
        for (Index i = 0; i < window.count; ++i) {
          const Index t = window.first + i;
          std::copy_n(da(b, i), G * D_, loop_.gates.sequence(b).row(t));
          if (C::kSharedGates == G) continue;
          // Step i was last swept by sweep n − i.
          std::copy_n(du(std::min(window.count - i, sweeps), b).row(i) + shared, K * D_,
                      loop_.kept.sequence(b).row(t));
        }
        std::copy_n(carry(kFirstH, b), D_, loop_.dh.row(b));
        if (kTwoStates) std::copy_n(carry(kFirstKept, b), D_, loop_.dkept.row(b));
      }
      const MatrixView<T> first = du(sweeps, 0);
      add_product(window, {first.data, B_, first.cols, W_ * first.stride});
    }

    static constexpr Index kMostUnits = newton_backward_vectors() * unit_lanes<T>();

    /// Sweep k of one sequence and block of units.
    Change run_block(const Window& window, Index k, Index b, const UnitBlock& block,
                     const T* next_panel) const {
      alignas(64) T buffer[kMostNewtonWindow * kMostUnits];
      const Index last = window.count - k;  // the step that becomes final
      const MatrixView<T> product(buffer, k == 1 ? 0 : last + 1, block.count, block.columns);
      if (k == 1) {
        for (Index i = 0; i < window.count; ++i) {
          for (Index gate = 0; gate < G; ++gate) {
            std::fill_n(du(0, b).row(i) + gate * D_ + block.first, block.count, T{0});
          }
        }
      } else {  // row i: of step i + 1, for e of step i
        multiply_panel<T>({.rows = du(k - 1, b).row_block(1, last + 1),
                           .panel = panel(block),
                           .next_panel = next_panel,
                           .tile = product});
      }
      return retreat(window, k, b, block, product);
    }

    /// From the last step that is not final yet to the first.
    Change retreat(const Window& window, Index k, Index b, const UnitBlock& block,
                   MatrixView<const T> product) const {
      const Index n = block.count, at = block.first, last = window.count - k;
      const MatrixView<T> before = du(k - 1, b), after = du(k, b);
      alignas(64) T dh[kMostUnits], dkept[kMostUnits] = {}, unused[kMostUnits];
      Sums sums = {};
      std::copy_n((k == 1 ? loop_.dh.row(b) : carry(kFinalH, b)) + at, n, dh);
      if (kTwoStates) {
        std::copy_n((k == 1 ? loop_.dkept.row(b) : carry(kFinalKept, b)) + at, n, dkept);
      }
      for (Index i = last; i >= 0; --i) {
        const Index t = window.first + i;
        if (k > 1) add_row(product.row(i), n, dh);
        const T* const y = loop_.y.sequence(b).row(t) + at;
        const T* const kept = K == 0 ? nullptr : loop_.kept.sequence(b).row(t) + at;
        C::step_backward({.units = n,
                          .h = y,
                          .h_previous = t > 0 ? y - D_ : loop_.h_start.row(b) + at,
                          .dy = loop_.dy.sequence(b).row(t) + at,
                          .gates = {loop_.gates.sequence(b).row(t) + at, D_},
                          .da = {da(b, i) + at, D_},
                          .du = {after.row(i) + at, D_},
                          .kept = kept,
                          .kept_du = unused,
                          .kept_previous = K == 0  ? nullptr
                                           : t > 0 ? kept - D_
                                                   : loop_.kept_start.row(b) + at,
                          .dh = dh,
                          .dkept = dkept});
        if (i == last) keep(dh, dkept, n, carry(kFinalH, b) + at, carry(kFinalKept, b) + at);
        if (i == 0) keep(dh, dkept, n, carry(kFirstH, b) + at, carry(kFirstKept, b) + at);
        add_diagonal({before.row(i) + at, D_}, {after.row(i) + at, D_}, at, n, dh, sums);
      }
      // What is not finite stays so to the first step, whatever it is multiplied by.
      if (!all_finite(dh, n) || !all_finite(dkept, n)) {
        return {.largest = std::numeric_limits<double>::infinity(), .scale = 1};
      }
      return {.largest = largest_of(sums.change, n), .scale = largest_of(sums.scale, n)};
    }

    static void keep(const T* dh, const T* dkept, Index n, T* to_h, T* to_kept) {
      std::copy_n(dh, n, to_h);
      if (kTwoStates) std::copy_n(dkept, n, to_kept);
    }
    static void add_row(const T* row, Index n, T* dh) {
      for_each_vector<T>(n, [&](auto d, Index j) {
        hn::Store(hn::Load(d, dh + j) + hn::Load(d, row + j), d, dh + j);
      });
    }

    struct Sums {
      alignas(64) T change[kMostUnits];
      alignas(64) T scale[kMostUnits];
    };

    /// dh += Σ over gates of the diagonal ∘ what a sweep changed of du.
    void add_diagonal(GateRows<const T> before, GateRows<const T> after, Index at, Index n, T* dh,
                      Sums& sums) const {
      const T* const diagonal = pass_.scratch.diagonal + at;
      for_each_vector<T>(n, [&](auto d, Index j) {
        auto sum = hn::Load(d, dh + j);
        auto change = hn::Load(d, sums.change + j), scale = hn::Load(d, sums.scale + j);
        for (Index gate = 0; gate < G; ++gate) {
          const auto du_now = hn::LoadU(d, after.gate(gate) + j);
          const auto moved = du_now - hn::LoadU(d, before.gate(gate) + j);
          sum = hn::MulAdd(hn::LoadU(d, diagonal + gate * D_ + j), moved, sum);
          change = hn::Max(change, hn::Abs(moved));
          scale = hn::Max(scale, hn::Abs(du_now));
        }
        hn::Store(sum, d, dh + j);
        hn::Store(change, d, sums.change + j);
        hn::Store(scale, d, sums.scale + j);
      });
    }

    const ThreadTeam& team_;
    const NewtonBackward<T>& pass_;
    const PersistentBackward<T>& loop_;
    const NewtonRules& rules_;
    Index B_, D_, W_;
    Tasks tasks_;
  };
};

}  // namespace seqbench

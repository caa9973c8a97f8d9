#include "rnn/mingru_scan.h"

#include "rnn/packed_gates.h"
#include "rnn/panel_product.h"

namespace seqbench {
namespace {

constexpr Index G = kMinGruGates;

template <typename T>
constexpr Index kLine = 64 / Index(sizeof(T));  // elements of a cache line

/// Some sequences and a share of the units.
template <typename T>
struct ScanTask {
  Part sequences;
  UnitShare<T> units;
};

/// Calls body(task, worker) for every task of the plan.
template <typename T, typename Body>
void for_each_scan_task(const ThreadTeam& team, const ScanPlan& plan, Index batch,
                        const UnitCut<T>& cut, const Body& body) {
  const EvenParts groups = EvenParts::into(batch, plan.sequence_groups);
  team.for_each_task(plan.sequence_groups * plan.unit_shares, [&](Index task, int worker) {
    body(ScanTask<T>{.sequences = groups[task / plan.unit_shares],
                     .units = cut.share(task % plan.unit_shares)},
         worker);
  });
}

/// Of factors P, as all that has them below.
template <typename P, typename T>
MatrixView<P> packed_panel(const ScanForward<T>& pass, const UnitBlock& block) {
  const Index C = elements_of_depth<P>(pass.x.width);
  return {elements_over<P>(pass.packed_weights) + block.first * G * C, C, G * block.columns};
}
template <typename T>
T* packed_bias(const ScanForward<T>& pass, const UnitBlock& block) {
  return pass.packed_bias + block.first * G;
}

template <typename P, typename T>
void pack(const ThreadTeam& team, const ScanForward<T>& pass, const UnitCut<T>& cut) {
  const Index most = cut.share(0).blocks();  // the first shares are the largest
  team.for_each_task(cut.shares * most, [&](Index task, int) {
    const UnitShare<T> share = cut.share(task / most);
    if (task % most >= share.blocks()) return;
    const UnitBlock block = share.block(task % most);
    pack_gates<T, P>({.gates = G,
                      .from = pass.weight,
                      .bias_from = pass.bias,
                      .to = packed_panel<P>(pass, block),
                      .bias = packed_bias(pass, block)},
                     block);
  });
}

/// Units from `first_unit` on of what a sequence starts from, or its end; null: 0.
template <typename T>
const T* start_of(MatrixView<const T> starts, Index sequence, Index first_unit) {
  return starts.data == nullptr ? nullptr : starts.row(sequence) + first_unit;
}

/// The steps of a tile: those of each sequence that it reaches into.
template <Candidate kCandidate, typename T>
void advance_tile(const ScanForward<T>& pass, Part tokens, const UnitBlock& block,
                  MatrixView<const T> tile) {
  const Index T_ = pass.y.steps, D = pass.y.width, n = block.count;
  const Index end = tokens.first + tokens.count;
  const auto gate = [&](Index k, Index row, Index rows) -> MatrixView<T> {
    if (pass.gates.data == nullptr) return {};
    return pass.gates.tokens().row_block(row, rows).column_block(k * D + block.first, n);
  };
  for (Index row = tokens.first; row < end;) {
    const Index rows = std::min(end, (row / T_ + 1) * T_) - row;
    const MatrixView<T> h = pass.y.tokens().row_block(row, rows).column_block(block.first, n);
    const MatrixView<const T> a = tile.row_block(row - tokens.first, rows);
    mingru_advance<kCandidate, T>(
        {.a_z = a.column_block(kMinGruZ * block.columns, n),
         .a_h = a.column_block(kMinGruH * block.columns, n),
         .h_previous = row % T_ == 0 ? start_of(pass.h_start, row / T_, block.first) : h.data - D,
         .h = h,
         .z = gate(kMinGruZ, row, rows),
         .candidate = gate(kMinGruH, row, rows)});
    row += rows;
  }
}

/// The same for a summary.
template <Candidate kCandidate, typename T>
void summarise_tile(const ScanSummary<T>& summary, Part tokens, const UnitBlock& block,
                    MatrixView<const T> tile) {
  const ScanForward<T>& pass = summary.pass;
  const Index T_ = pass.y.steps, D = pass.y.width, n = block.count;
  const Index token_end = tokens.first + tokens.count;
  for (Index row = tokens.first; row < token_end;) {
    const Index rows = std::min(token_end, (row / T_ + 1) * T_) - row;
    T* const end = summary.end.row(row / T_) + block.first;
    T* const rest = summary.rest.row(row / T_) + block.first;
    if (row % T_ == 0) {
      std::fill_n(end, n, T{0});
      std::fill_n(rest, n, T{1});
    }
    const MatrixView<const T> a = tile.row_block(row - tokens.first, rows);
    const MatrixView<T> gates = pass.gates.tokens().row_block(row, rows);
    mingru_summarise<kCandidate, T>(
        {.a_z = a.column_block(kMinGruZ * block.columns, n),
         .a_h = a.column_block(kMinGruH * block.columns, n),
         .end = end,
         .rest = rest,
         .z = gates.column_block(kMinGruZ * D + block.first, n),
         .candidate = gates.column_block(kMinGruH * D + block.first, n)});
    row += rows;
  }
}

/// The rows of x that a tile multiplies.
template <typename P, typename T>
MatrixView<const P> left_rows(const ScanForward<T>& pass, Part tokens, int worker) {
  const MatrixView<const T> x = pass.x.tokens().row_block(tokens.first, tokens.count);
  if constexpr (std::is_same_v<P, T>) {
    (void)worker;
    return x;
  } else {
    const Index pairs = elements_of_depth<P>(x.cols);
    T* const memory = pass.rounded_x + worker * rounded_tile_elements<T>(x.cols);
    const MatrixView<P> rounded(elements_over<P>(memory), x.rows, pairs, state_stride<T>(pairs));
    round_along_rows(x, rounded);
    return rounded;
  }
}

/// Calls then(tokens, units, tile) for each tile of the product.
template <typename P, typename T, typename Then>
void run_forward(const ScanForward<T>& pass, const ScanTask<T>& task, int worker,
                 const Then& then) {
  alignas(64) T buffer[kScanTileRows * block_columns<T>()];
  const Index T_ = pass.y.steps, first_token = task.sequences.first * T_;
  const EvenParts tiles = EvenParts::of_at_most(task.sequences.count * T_, kScanTileRows);
  for (Index i = 0; i < tiles.count(); ++i) {
    const Part tokens{first_token + tiles[i].first, tiles[i].count};
    const MatrixView<const P> rows = left_rows<P>(pass, tokens, worker);
    for (Index k = 0; k < task.units.blocks(); ++k) {
      const UnitBlock block = task.units.block(k);
      const UnitBlock next = task.units.block(k + 1 < task.units.blocks() ? k + 1 : 0);
      const MatrixView<T> tile(buffer, tokens.count, G * block.columns);
      multiply_panel<P>({.rows = rows,
                         .panel = packed_panel<P>(pass, block),
                         .start = assign_plus<T>(packed_bias(pass, block)),
                         .next_panel = packed_panel<P>(pass, next).data,
                         .tile = tile});
      then(tokens, block, tile);
    }
  }
}

/// Asks for what a later step reads once: its neighbours in time lie too far apart for the CPU to
/// see the pattern where the units are shared.
template <typename T>
void prefetch(const T* row, Index count) {
  for (Index j = 0; j < count; j += kLine<T>) __builtin_prefetch(row + j, 0, 2);
}

template <Candidate kCandidate, typename T>
void run_backward(const ScanBackward<T>& pass, const ScanTask<T>& task) {
  constexpr Index kStepsAhead = 4;
  const Index T_ = pass.y.steps, D = pass.y.width;
  const UnitBlock units = task.units.all();
  const Index first = units.first, n = units.count;
  for (Index s = 0; s < task.sequences.count; ++s) {
    const Index b = task.sequences.first + s;
    T *const dh = pass.dh.row(b) + first, *const sums = pass.sums.row(b) + first;
    if (const T* const dh_end = start_of(pass.dh_end, b, first); dh_end != nullptr) {
      std::copy_n(dh_end, n, dh);
    } else {
      std::fill_n(dh, n, T{0});
    }
    for (Index k = 0; k < G; ++k) std::fill_n(sums + k * D, n, T{0});
    for (Index token = (b + 1) * T_ - 1; token >= b * T_; --token) {
      const T* const gates =
          pass.gates.row(pass.rows == nullptr ? token : Index(pass.rows[token])) + first;
      const T* const y = pass.y.tokens().row(token) + first;
      const T* const dy = pass.dy.tokens().row(token) + first;
      T* const da = pass.da.tokens().row(token) + first;
      if (token - kStepsAhead > b * T_) {
        prefetch(dy - kStepsAhead * D, n);
        prefetch(y - (kStepsAhead + 1) * D, n);
        if (pass.rows == nullptr) {
          for (Index k = 0; k < G; ++k) prefetch(gates + (k - kStepsAhead * G) * D, n);
        }
      }
      mingru_retreat<kCandidate, T>(
          {.units = n,
           .dy = dy,
           .h_previous = token == b * T_ ? start_of(pass.h_start, b, first) : y - D,
           .z = gates + kMinGruZ * D,
           .candidate = gates + kMinGruH * D,
           .da_z = da + kMinGruZ * D,
           .da_h = da + kMinGruH * D,
           .dh = dh,
           .sum_z = sums + kMinGruZ * D,
           .sum_h = sums + kMinGruH * D});
    }
  }
}

/// Below this many units' steps (some 10 µs) waking the team costs more than it gains: as the FLOPs
/// of plan_scan().
constexpr double kFlopsOfAStep = 64;

template <typename T>
UnitCut<T> whole_shares(Index width, const ScanPlan& plan) {
  return {.width = width, .shares = plan.unit_shares};
}

template <typename T>
ScanPlan plan_steps(const SequenceView<T>& y, int workers) {
  const double elements = double(y.batch) * double(y.steps) * double(y.width);
  return plan_scan<std::remove_const_t<T>>({y.batch, y.steps}, y.width, kFlopsOfAStep * elements,
                                           workers);
}

/// Calls then(candidate)(tokens, units, tile) for each tile of all tasks.
template <typename P, typename T, typename Then>
void scan_with(const ThreadTeam& team, const ScanForward<T>& pass, const Then& then) {
  const Index B = pass.y.batch, T_ = pass.y.steps, D = pass.y.width;
  const double flops = 2.0 * double(G * D) * double(pass.x.width) * double(B) * double(T_);
  const ScanPlan plan = plan_scan<T>({B, T_}, D, flops, team.concurrency());
  const UnitCut<T> cut{D, plan.unit_shares, kScanBlockVectors};
  team.note_steps(T_);
  pack<P>(team, pass, cut);
  with_candidate(pass.candidate, [&](auto candidate) {
    for_each_scan_task(team, plan, B, cut, [&](const ScanTask<T>& task, int worker) {
      run_forward<P>(pass, task, worker, then(candidate));
    });
  });
}

}  // namespace

template <typename T>
void scan_forward(const ThreadTeam& team, const ScanForward<T>& pass) {
  const auto advance = [&](auto candidate) {
    return [&](Part tokens, const UnitBlock& units, MatrixView<const T> tile) {
      advance_tile<decltype(candidate)::value, T>(pass, tokens, units, tile);
    };
  };
  if constexpr (std::is_same_v<T, float>) {
    if (pass.factors == Factors::kBfloat16) return scan_with<Bfloat16Pair>(team, pass, advance);
  }
  assert(pass.factors == Factors::kAsTheyAre);
  scan_with<T>(team, pass, advance);
}

template <typename T>
void scan_summary(const ThreadTeam& team, const ScanSummary<T>& summary) {
  assert(summary.pass.factors == Factors::kAsTheyAre && summary.pass.gates.data != nullptr);
  scan_with<T>(team, summary.pass, [&](auto candidate) {
    return [&](Part tokens, const UnitBlock& units, MatrixView<const T> tile) {
      summarise_tile<decltype(candidate)::value, T>(summary, tokens, units, tile);
    };
  });
}

template <typename T>
void scan_forward(const ThreadTeam& team, const ScanSharedForward<T>& pass) {
  const Index T_ = pass.y.steps, D = pass.y.width;
  const ScanPlan plan = plan_steps(pass.y, team.concurrency());
  const UnitCut<T> cut = whole_shares<T>(D, plan);
  team.note_steps(T_);
  for_each_scan_task(team, plan, pass.y.batch, cut, [&](const ScanTask<T>& task, int) {
    const UnitBlock units = task.units.all();
    const Index first = task.sequences.first * T_;
    for (Index token = first; token < first + task.sequences.count * T_; ++token) {
      const T* const gates =
          pass.shared.row(pass.rows == nullptr ? token : Index(pass.rows[token])) + units.first;
      T* const h = pass.y.tokens().row(token) + units.first;
      mingru_blend<T>(
          {.units = units.count,
           .z = gates + kMinGruZ * D,
           .candidate = gates + kMinGruH * D,
           .h_previous = token % T_ == 0 ? start_of(pass.h_start, token / T_, units.first) : h - D,
           .h = h});
    }
  });
}

template <typename T>
void scan_backward(const ThreadTeam& team, const ScanBackward<T>& pass) {
  const ScanPlan plan = plan_steps(pass.y, team.concurrency());
  const UnitCut<T> cut = whole_shares<T>(pass.y.width, plan);
  team.note_steps(pass.y.steps);
  with_candidate(pass.candidate, [&](auto candidate) {
    for_each_scan_task(team, plan, pass.y.batch, cut, [&](const ScanTask<T>& task, int) {
      run_backward<decltype(candidate)::value>(pass, task);
    });
  });
}

template <typename T>
void scan_backward_summary(const ThreadTeam& team, const ScanBackwardSummary<T>& pass) {
  const Index T_ = pass.dy.steps, D = pass.dy.width;
  const ScanPlan plan = plan_steps(pass.dy, team.concurrency());
  const UnitCut<T> cut = whole_shares<T>(D, plan);
  team.note_steps(T_);
  for_each_scan_task(team, plan, pass.dy.batch, cut, [&](const ScanTask<T>& task, int) {
    const UnitBlock units = task.units.all();
    for (Index s = 0; s < task.sequences.count; ++s) {
      const Index b = task.sequences.first + s;
      T* const dh = pass.dh.row(b) + units.first;
      std::fill_n(dh, units.count, T{0});
      for (Index token = (b + 1) * T_ - 1; token >= b * T_; --token) {
        mingru_carry_back<T>({.units = units.count,
                              .dy = pass.dy.tokens().row(token) + units.first,
                              .z = pass.gates.row(token) + kMinGruZ * D + units.first,
                              .dh = dh});
      }
    }
  });
}

#define SEQBENCH_INSTANTIATE(T)                                                  \
  template void scan_forward<T>(const ThreadTeam&, const ScanForward<T>&);       \
  template void scan_summary<T>(const ThreadTeam&, const ScanSummary<T>&);       \
  template void scan_forward<T>(const ThreadTeam&, const ScanSharedForward<T>&); \
  template void scan_backward<T>(const ThreadTeam&, const ScanBackward<T>&);     \
  template void scan_backward_summary<T>(const ThreadTeam&, const ScanBackwardSummary<T>&);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench

#include "core/packed_gemm.h"

#include <algorithm>

#include "core/bfloat16.h"
#include "core/eigen_view.h"
#include "core/parts.h"
#include "core/register_block.h"
#include "core/transpose.h"

namespace seqbench {
namespace {

// A group of panels: 2 MiB of floats, or pairs, at most with AVX-512, half of a large L2 cache, and
// read from there.
constexpr Index kGroupDepth = 512;
constexpr Index kGroupPanels = 16;

// Rows of C in a task: a multiple of the register block's 6 and 12 rows, at most 96, and fewer
// where there would be too few tasks to balance, down to 24.
constexpr Index kTaskRows = 96;
constexpr Index kLeastTaskRows = 24;
constexpr Index kEnoughTasks = 8;

// Below this many rows packing op(B) costs more than a library's product without it.
constexpr Index kLeastRows = 32;
constexpr Index kLeastColumns = 16;
constexpr Index kLeastDepth = 8;

/// How C's columns, and with them op(B)'s, are cut into panels.
template <typename T>
struct Panels {
  Index block_cols, blocks;

  Index of_block() const { return parts_in(block_cols, block_columns<T>()); }
  Index count() const { return blocks * of_block(); }
  /// Where a panel lies in its block.
  Part within_block(Index panel) const {
    const Index first = panel % of_block() * block_columns<T>();
    return {first, std::min(block_columns<T>(), block_cols - first)};
  }
  /// Where it lies among all columns.
  Part columns(Index panel) const {
    const auto [first, cols] = within_block(panel);
    return {panel / of_block() * block_cols + first, cols};
  }
  MatrixView<T> of(BlockedMatrixView<T> c, Index panel) const {
    const auto [first, cols] = within_block(panel);
    return c.block(panel / of_block()).column_block(first, cols);
  }
};

/// Some packed panels of op(B), of some of its depth, in elements of P.
template <typename P>
struct PanelGroup {
  using T = SumOf<P>;

  Panels<T> cut;
  Part panels;
  Part depth;
  P* data;

  MatrixView<P> packed(Index panel) const {
    const Index offset = (panel - panels.first) * block_columns<T>() * depth.count;
    return {data + offset, depth.count, cut.within_block(panel).count};
  }
};

/// The factors in elements [part.first, part.first + part.count) of P of a depth of so many.
template <typename P>
Part factors_in(Part part, Index depth) {
  constexpr Index n = FactorTraits<P>::kDepth;
  return {n * part.first, std::min(n * part.count, depth - n * part.first)};
}

/// Rows of a task: whole register blocks, and all tasks but the last of the same size.
Index task_rows_for(Index rows) {
  const Index block = block_rows(kBlockVectors);
  const Index tasks =
      std::max(parts_in(rows, kTaskRows), std::min(kEnoughTasks, parts_in(rows, kLeastTaskRows)));
  return parts_in(parts_in(rows, tasks), block) * block;
}

/// The calling thread's panel buffer, shared with the team that it leads: one group of panels.
template <typename T>
T* panel_buffer() {
  thread_local Tensor<T> buffer({kGroupDepth, kGroupPanels, block_columns<T>()});
  return buffer.data();
}

/// The part of `b` (op(B) or its transpose) for these depths and columns, into a panel.
template <typename T>
void pack_panel(MatrixView<const T> b, bool transpose_b, MatrixView<T> panel) {
  if (transpose_b) {
    transpose<T>(b, panel);
  } else {
    as_eigen(panel) = as_eigen(b);
  }
}
void pack_panel(MatrixView<const float> b, bool transpose_b, MatrixView<Bfloat16Pair> panel) {
  if (!transpose_b) return round_along_columns(b, panel);
  transpose(b, panel);
}

/// Some rows of C against all panels of a group.
template <typename P>
struct RowTask {
  using T = SumOf<P>;

  MatrixView<const T> a;  // rows of A [rows, depth], or columns [depth, rows] of Aᵀ
  bool transpose_a;
  const PanelGroup<P>& b;
  BlockedMatrixView<T> c;  // the rows
  BlockStart<T> start;     // of the first pass
};

/// The part of op(A) for one pass, as the register block wants it.
template <typename T>
LeftFactor<T> left_factor(MatrixView<const T> a, bool transpose_a, T* copy) {
  if (!transpose_a) return a;
  // A step of the product reads a few neighbours of a row of Aᵀ; rows that lie far apart would each
  // be fetched again for every few of their elements.
  const MatrixView<T> columns(copy, a.rows, a.cols);
  as_eigen(columns) = as_eigen(a);
  return transposed(MatrixView<const T>(columns));
}
LeftFactor<Bfloat16Pair> left_factor(MatrixView<const float> a, bool transpose_a,
                                     Bfloat16Pair* copy) {
  using P = Bfloat16Pair;
  const MatrixView<P> pairs = transpose_a
                                  ? MatrixView<P>(copy, elements_of_depth<P>(a.rows), a.cols)
                                  : MatrixView<P>(copy, a.rows, elements_of_depth<P>(a.cols));
  if (transpose_a) {
    round_along_columns(a, pairs);
    return transposed(MatrixView<const P>(pairs));
  }
  round_along_rows(a, pairs);
  return MatrixView<const P>(pairs);
}

template <typename P>
void multiply_rows(const RowTask<P>& task) {
  using T = SumOf<P>;
  alignas(64) P copy[kTaskRows * kPassDepth];
  const PanelGroup<P>& b = task.b;
  const EvenParts passes = EvenParts::of_at_most(b.depth.count, kPassDepth);
  for (Index pass = 0; pass < passes.count(); ++pass) {
    const Part ks = passes[pass];
    const auto [k, steps] = factors_in<P>(ks, task.transpose_a ? task.a.rows : task.a.cols);
    const LeftFactor<P> a =
        left_factor(task.transpose_a ? task.a.row_block(k, steps) : task.a.column_block(k, steps),
                    task.transpose_a, copy);
    for (Index panel = b.panels.first; panel < b.panels.first + b.panels.count; ++panel) {
      const BlockStart<T> start =
          pass == 0 ? task.start.columns_from(b.cut.columns(panel).first) : add_to<T>();
      multiply_blocks<P>(a, b.packed(panel).row_block(ks.first, ks.count), b.cut.of(task.c, panel),
                         start);
    }
  }
}

/// packed_gemm() with factors that lie in elements of P.
template <typename P, typename T = SumOf<P>>
void multiply_packed(const ThreadTeam& team, MatrixView<const T> a, MatrixView<const T> b,
                     BlockedMatrixView<T> c, GemmOptions options, const T* bias) {
  const Index depth = options.transpose_a ? a.rows : a.cols;
  const Panels<T> cut{c.block_cols, c.blocks};
  const EvenParts depth_groups = EvenParts::of_at_most(elements_of_depth<P>(depth), kGroupDepth);
  const EvenParts panel_groups = EvenParts::of_at_most(cut.count(), kGroupPanels);
  const Index task_rows = task_rows_for(c.rows);
  P* const buffer = elements_over<P>(panel_buffer<T>());

  for (Index group = 0; group < panel_groups.count() * depth_groups.count(); ++group) {
    const Index depth_group = group % depth_groups.count();
    const PanelGroup<P> panels{.cut = cut,
                               .panels = panel_groups[group / depth_groups.count()],
                               .depth = depth_groups[depth_group],
                               .data = buffer};
    const Part ks = factors_in<P>(panels.depth, depth);
    team.for_each_task(panels.panels.count, [&](Index i, int) {
      const Index panel = panels.panels.first + i;
      const auto [first, count] = cut.columns(panel);
      pack_panel(options.transpose_b ? b.row_block(first, count).column_block(ks.first, ks.count)
                                     : b.row_block(ks.first, ks.count).column_block(first, count),
                 options.transpose_b, panels.packed(panel));
    });
    const bool adds = depth_group > 0 || options.accumulate;
    const BlockStart<T> start = adds              ? add_to<T>()
                                : bias == nullptr ? assign<T>()
                                                  : assign_plus(bias);
    team.for_each_task(parts_in(c.rows, task_rows), [&](Index task, int) {
      const Index row = task * task_rows, rows = std::min(task_rows, c.rows - row);
      multiply_rows<P>({.a = options.transpose_a
                                 ? a.row_block(ks.first, ks.count).column_block(row, rows)
                                 : a.row_block(row, rows).column_block(ks.first, ks.count),
                        .transpose_a = options.transpose_a,
                        .b = panels,
                        .c = c.row_range(row, rows),
                        .start = start});
    });
  }
}

}  // namespace

bool worth_packing(Index m, Index n, Index k) {
  return m >= kLeastRows && n >= kLeastColumns && k >= kLeastDepth;
}

template <typename T>
void reserve_panels() {
  panel_buffer<T>();
}

template <typename T>
void packed_gemm(const ThreadTeam& team, MatrixView<const std::type_identity_t<T>> a,
                 MatrixView<const std::type_identity_t<T>> b, BlockedMatrixView<T> c,
                 GemmOptions options, const std::type_identity_t<T>* bias) {
  assert(bias == nullptr || !options.accumulate);
  if constexpr (std::is_same_v<T, float>) {
    if (options.factors == Factors::kBfloat16) {
      return multiply_packed<Bfloat16Pair>(team, a, b, c, options, bias);
    }
  }
  assert(options.factors == Factors::kAsTheyAre);
  multiply_packed<T>(team, a, b, c, options, bias);
}

#define SEQBENCH_INSTANTIATE(T)                                                             \
  template void reserve_panels<T>();                                                        \
  template void packed_gemm<T>(const ThreadTeam&, MatrixView<const T>, MatrixView<const T>, \
                               BlockedMatrixView<T>, GemmOptions, const T*);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench

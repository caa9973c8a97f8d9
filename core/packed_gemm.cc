#include "core/packed_gemm.h"

#include <algorithm>

#include "core/eigen_view.h"
#include "core/parts.h"
#include "core/register_block.h"
#include "core/transpose.h"

namespace seqbench {
namespace {

// A group of panels: 2 MiB of floats at most with AVX-512, half of a large L2 cache, and read from
// there.
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

/// Some packed panels of op(B), of some of its depth.
template <typename T>
struct PanelGroup {
  Panels<T> cut;
  Part panels;
  Part depth;
  T* data;

  MatrixView<T> packed(Index panel) const {
    const Index offset = (panel - panels.first) * block_columns<T>() * depth.count;
    return {data + offset, depth.count, cut.within_block(panel).count};
  }
};

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
void pack_panel(MatrixView<const T> b, bool transpose_b, Part depth, Part columns,
                MatrixView<T> panel) {
  if (transpose_b) {
    transpose<T>(b.row_block(columns.first, columns.count).column_block(depth.first, depth.count),
                 panel);
  } else {
    as_eigen(panel) =
        as_eigen(b.row_block(depth.first, depth.count).column_block(columns.first, columns.count));
  }
}

/// Some rows of C against all panels of a group.
template <typename T>
struct RowTask {
  MatrixView<const T> a;  // rows of A [rows, depth], or columns [depth, rows] of Aᵀ
  bool transpose_a;
  const PanelGroup<T>& b;
  BlockedMatrixView<T> c;  // the rows
  BlockStart<T> start;     // of the first pass
};

/// The part of op(A) for one pass, as the register block wants it.
template <typename T>
LeftFactor<T> left_factor(const RowTask<T>& task, Part depth, T* copy) {
  if (!task.transpose_a) return task.a.column_block(depth.first, depth.count);
  // A step of the product reads a few neighbours of a row of Aᵀ; rows that lie far apart would each
  // be fetched again for every few of their elements.
  const MatrixView<T> columns(copy, depth.count, task.a.cols);
  as_eigen(columns) = as_eigen(task.a.row_block(depth.first, depth.count));
  return transposed(MatrixView<const T>(columns));
}

template <typename T>
void multiply_rows(const RowTask<T>& task) {
  alignas(64) T copy[kTaskRows * kPassDepth];
  const PanelGroup<T>& b = task.b;
  const EvenParts passes = EvenParts::of_at_most(b.depth.count, kPassDepth);
  for (Index pass = 0; pass < passes.count(); ++pass) {
    const Part ks = passes[pass];
    const LeftFactor<T> a = left_factor(task, ks, copy);
    for (Index panel = b.panels.first; panel < b.panels.first + b.panels.count; ++panel) {
      const BlockStart<T> start =
          pass == 0 ? task.start.columns_from(b.cut.columns(panel).first) : add_to<T>();
      multiply_blocks<T>(a, b.packed(panel).row_block(ks.first, ks.count), b.cut.of(task.c, panel),
                         start);
    }
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
  const Index depth = options.transpose_a ? a.rows : a.cols;
  const Panels<T> cut{c.block_cols, c.blocks};
  const EvenParts depth_groups = EvenParts::of_at_most(depth, kGroupDepth);
  const EvenParts panel_groups = EvenParts::of_at_most(cut.count(), kGroupPanels);
  const Index task_rows = task_rows_for(c.rows);
  T* const buffer = panel_buffer<T>();

  for (Index group = 0; group < panel_groups.count() * depth_groups.count(); ++group) {
    const Index depth_group = group % depth_groups.count();
    const PanelGroup<T> panels{.cut = cut,
                               .panels = panel_groups[group / depth_groups.count()],
                               .depth = depth_groups[depth_group],
                               .data = buffer};
    team.for_each_task(panels.panels.count, [&](Index i, int) {
      const Index panel = panels.panels.first + i;
      pack_panel<T>(b, options.transpose_b, panels.depth, cut.columns(panel), panels.packed(panel));
    });
    const bool adds = depth_group > 0 || options.accumulate;
    const BlockStart<T> start = adds              ? add_to<T>()
                                : bias == nullptr ? assign<T>()
                                                  : assign_plus(bias);
    team.for_each_task(parts_in(c.rows, task_rows), [&](Index task, int) {
      const Index row = task * task_rows, rows = std::min(task_rows, c.rows - row);
      const auto [k, steps] = panels.depth;
      multiply_rows<T>({.a = options.transpose_a ? a.row_block(k, steps).column_block(row, rows)
                                                 : a.row_block(row, rows).column_block(k, steps),
                        .transpose_a = options.transpose_a,
                        .b = panels,
                        .c = c.row_range(row, rows),
                        .start = start});
    });
  }
}

#define SEQBENCH_INSTANTIATE(T)                                                             \
  template void reserve_panels<T>();                                                        \
  template void packed_gemm<T>(const ThreadTeam&, MatrixView<const T>, MatrixView<const T>, \
                               BlockedMatrixView<T>, GemmOptions, const T*);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench

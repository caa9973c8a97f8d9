#include "core/rounded_linear.h"

#include <algorithm>

#include "core/bfloat16.h"
#include "core/parts.h"
#include "core/register_block.h"
#include "core/transpose.h"

namespace seqbench {
namespace {

using Pair = Bfloat16Pair;

// Pairs of a task at least: 128 KiB, some µs, beside which handing it out is little.
constexpr Index kTaskPairs = 1 << 15;

/// How W's outputs are cut.
struct Panels {
  Index outputs, depth;  // N, and K in pairs

  static constexpr Index columns() {
    return widest_block(1) * static_cast<Index>(hn::MaxLanes(hn::ScalableTag<float>()));
  }
  Index count() const { return parts_in(outputs, columns()); }
  Part outputs_of(Index panel) const {
    const Index first = panel * columns();
    return {first, std::min(columns(), outputs - first)};
  }
  /// [depth, outputs of the panel].
  MatrixView<Pair> of(float* panels, Index panel) const {
    const Part part = outputs_of(panel);
    return {elements_over<Pair>(panels) + part.first * depth, depth, part.count};
  }
  /// Calls body(panel) for every panel.
  template <typename Body>
  void for_each(const ThreadTeam& team, const Body& body) const {
    const Index of_task = std::max<Index>(1, kTaskPairs / std::max<Index>(1, columns() * depth));
    team.for_each_task(parts_in(count(), of_task), [&](Index task, int) {
      const Index end = std::min(count(), (task + 1) * of_task);
      for (Index panel = task * of_task; panel < end; ++panel) body(panel);
    });
  }
};

}  // namespace

BufferShape rounded_weight_shape(Index outputs, Index inputs) {
  return {elements_of_depth<Pair>(inputs), outputs};
}

BufferShape rounded_rows_shape(Index rows, Index inputs) {
  return {rows, elements_of_depth<Pair>(inputs)};
}

void pack_rounded_weight(const ThreadTeam& team, MatrixView<const float> weight, float* panels) {
  const Panels cut{weight.rows, elements_of_depth<Pair>(weight.cols)};
  cut.for_each(team, [&](Index panel) {
    const Part outputs = cut.outputs_of(panel);
    transpose(weight.row_block(outputs.first, outputs.count), cut.of(panels, panel));
  });
}

void rounded_linear(const ThreadTeam& team, const RoundedLinear& arguments) {
  const MatrixView<const float> x = arguments.x;
  const MatrixView<float> y = arguments.y;
  const std::span<const float> bias = arguments.bias;
  assert(x.cols <= arguments.inputs && x.rows == y.rows);
  assert(bias.empty() || Index(bias.size()) == y.cols);
  const Panels cut{y.cols, elements_of_depth<Pair>(arguments.inputs)};
  const MatrixView<Pair> rows(elements_over<Pair>(arguments.rounded_x), x.rows,
                              elements_of_depth<Pair>(x.cols));
  round_along_rows(x, rows);
  cut.for_each(team, [&](Index panel) {
    const Part outputs = cut.outputs_of(panel);
    multiply_blocks<Pair>(
        MatrixView<const Pair>(rows), cut.of(arguments.panels, panel).row_block(0, rows.cols),
        y.column_block(outputs.first, outputs.count),
        bias.empty() ? assign<float>() : assign_plus(&bias[std::size_t(outputs.first)]));
  });
}

}  // namespace seqbench

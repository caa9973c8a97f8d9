// A tile of rows times one packed panel of weights (rnn/packed_gates.h): the product behind which a
// pointwise step follows while the tile is in L1.
#pragma once

#include "core/parts.h"
#include "core/register_block.h"
#include "core/tensor.h"

namespace seqbench {

/// With factors of type P; K in elements of it.
template <typename P>
struct PanelProduct {
  MatrixView<const P> rows;   // A [M, K]
  MatrixView<const P> panel;  // B [K, N], rows without gaps
  BlockStart<SumOf<P>> start = {};
  const P* next_panel = nullptr;  // what the next product reads, of the same depth and columns
  MatrixView<SumOf<P>> tile;      // [M, N] assigned; overlaps none of the others
};

/// tile = start + A·B on the calling thread, in passes of kPassDepth steps. What follows a pass's
/// part of the panel is fetched meanwhile: panels of wide layers lie beyond L2.
template <typename P>
void multiply_panel(const PanelProduct<P>& product) {
  const MatrixView<const P> panel = product.panel;
  const EvenParts passes = EvenParts::of_at_most(panel.rows, kPassDepth);
  for (Index i = 0; i < passes.count(); ++i) {
    const auto [first, depth] = passes[i];
    const bool last = i + 1 == passes.count();
    const P* const next = last ? product.next_panel : panel.row(first + depth);
    const Ahead<P> ahead{next, next == nullptr ? 0 : passes[last ? 0 : i + 1].count * panel.cols};
    multiply_blocks<P>(product.rows.column_block(first, depth), panel.row_block(first, depth),
                       product.tile, i == 0 ? product.start : add_to<SumOf<P>>(), ahead);
  }
}

}  // namespace seqbench

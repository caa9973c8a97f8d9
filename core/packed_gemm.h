// The large products of core/gemm.h: op(B) packed into panels, op(A) as it lies in memory.
//
//   C [M, N] = op(A)·op(B) + start
//
// op(B) is cut into panels as wide as the register block, none of which reaches into two blocks of
// C's columns. A group of at most kGroupPanels panels of kGroupDepth steps is copied, or for Bᵀ
// transposed, into the order in which core/register_block.h reads it, and shared by the team. A
// block of C's rows is then one task: all panels, one after the other. Packing costs one read and
// one write of op(B) for 2·M FLOPs an element.
//
// Factors that are rounded to bfloat16 are rounded on this way: those of op(B) while they are
// packed, those of op(A) for each task and pass. Depths count pairs of them then.
//
// Blocks follow from the shape alone and every element of C is summed in the order of k, so that
// the result is bit-equal for any team.
#pragma once

#include <type_traits>

#include "core/gemm_options.h"
#include "core/tensor.h"
#include "core/thread_team.h"

namespace seqbench {

/// True where the product is large enough to gain from packing: M, N, K of C [M, N] and depth K.
bool worth_packing(Index m, Index n, Index k);

/// Allocates the calling thread's buffer for packed panels, 2 MiB (float, AVX-512), unless it has
/// one: packed_gemm() would do so at the thread's first product.
template <typename T>
void reserve_panels();

/// C = op(A)·op(B), plus `bias` [N] on every row unless it is null, plus C where
/// options.accumulate; not both. Factors in bfloat16 need float.
template <typename T>
void packed_gemm(const ThreadTeam& team, MatrixView<const std::type_identity_t<T>> a,
                 MatrixView<const std::type_identity_t<T>> b, BlockedMatrixView<T> c,
                 GemmOptions options, const std::type_identity_t<T>* bias);

}  // namespace seqbench

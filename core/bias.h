// A bias vector on the rows of a matrix: forward puts it into every row, backward sums up all rows.
// Both are a pass over memory of one element a cycle or better, spread over the team where that is
// worth waking it.
#pragma once

#include <type_traits>

#include "core/tensor.h"
#include "core/thread_team.h"

namespace seqbench {

/// Every row of y [N, O] becomes bias [O].
template <typename T>
void assign_bias(const ThreadTeam& team, const std::type_identity_t<T>* bias, MatrixView<T> y);

/// dbias [O] += Σ_rows dy [N, O], rows in order whatever the team.
template <typename T>
void add_column_sums(const ThreadTeam& team, MatrixView<const std::type_identity_t<T>> dy,
                     T* dbias);

}  // namespace seqbench

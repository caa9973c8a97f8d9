// The one matrix product of both contenders.
//
//   C = op(A)·op(B) [+ C],   op(X) = X or Xᵀ
//
// Large products are packed (core/packed_gemm.h); small ones go through Eigen over a serial BLAS
// (or Eigen alone, -DSEQBENCH_BLAS=none), split over the thread team here. Choice and split follow
// from the shape and never from the number of threads, and no sum is split, so that the result is
// bit-equal for any team. Products of factors that are rounded to bfloat16 are packed, whatever
// their size; in double, for references, their copies are. Cost: 2·M·N·K FLOPs for C [M, N] and
// depth K.
#pragma once

#include <string>
#include <type_traits>

#include "core/gemm_options.h"
#include "core/tensor.h"
#include "core/thread_team.h"

namespace seqbench {

/// C [M, N] = op(A) [M, K] · op(B) [K, N] on the calling thread, of factors as they are. C must not
/// overlap A or B.
template <typename T>
void gemm_serial(MatrixView<const std::type_identity_t<T>> a,
                 MatrixView<const std::type_identity_t<T>> b, MatrixView<T> c,
                 GemmOptions options = {});

/// The same on the whole team; `bias` [N], unless it is null, is added to every row of C and does
/// not go with options.accumulate.
template <typename T>
void gemm(const ThreadTeam& team, MatrixView<const std::type_identity_t<T>> a,
          MatrixView<const std::type_identity_t<T>> b, MatrixView<T> c, GemmOptions options = {},
          const std::type_identity_t<T>* bias = nullptr);

/// The same with C [M, N] in blocks of columns that may lie apart.
template <typename T>
void gemm(const ThreadTeam& team, MatrixView<const std::type_identity_t<T>> a,
          MatrixView<const std::type_identity_t<T>> b, BlockedMatrixView<T> c,
          GemmOptions options = {}, const std::type_identity_t<T>* bias = nullptr);

/// Library, version and CPU variant behind Eigen's products, for the record of a run.
std::string blas_description();

/// Sets a BLAS that would thread by itself to one thread; call it once, before the first product.
/// Returns true when the BLAS is of such a flavour.
bool make_blas_serial();

}  // namespace seqbench

#include "core/gemm.h"

#include <algorithm>

#include "core/bfloat16.h"
#include "core/bias.h"
#include "core/eigen_view.h"
#include "core/matrix_vector.h"
#include "core/packed_gemm.h"
#include "core/parts.h"

#if defined(SEQBENCH_OPENBLAS)
extern "C" {
char* openblas_get_config();
int openblas_get_parallel();
void openblas_set_num_threads(int);
}
#endif

namespace seqbench {
namespace {

// A block of C is one task. Smaller blocks spread better over threads, larger ones repeat less of
// the BLAS's packing; at depth 256 a block of 128×256 runs within 8 % of an undivided product. The
// gradient of a weight has few elements and a long sum each: its blocks shrink until there are
// enough of them, as long as each keeps some 40 µs of work.
struct Blocks {
  Index rows = 128;
  Index cols = 256;
};
constexpr Index kEnoughTasks = 16;
constexpr Index kSmallestBlock = 64;
constexpr double kTaskFlops = 4e6;

Blocks blocks_for(Index m, Index n, double flops) {
  Blocks block;
  while (block.cols > kSmallestBlock) {
    const Index tasks = parts_in(m, block.rows) * parts_in(n, block.cols);
    if (tasks >= kEnoughTasks || flops < 2 * kTaskFlops * double(tasks)) break;
    (block.cols > block.rows ? block.cols : block.rows) /= 2;
  }
  return block;
}

// Below this many FLOPs (some 10 µs) waking the team costs more than it gains.
constexpr double kSerialFlops = 1e6;

// A single row of C is bound by memory: 128 KiB of B (float, some µs) are a task.
constexpr Index kVectorTask = 1 << 15;

/// c [1, N] = a [1, K]·Bᵀ, B [N, K].
template <typename T>
void row_gemm(const ThreadTeam& team, MatrixView<const T> a, MatrixView<const T> b, MatrixView<T> c,
              const T* bias) {
  const Index rows = std::max<Index>(1, kVectorTask / std::max<Index>(1, b.cols));
  team.for_each_task(parts_in(b.rows, rows), [&](Index task, int) {
    const Index first = task * rows, count = std::min(rows, b.rows - first);
    T* const y = c.data + first;
    matrix_vector<T>(b.row_block(first, count), a.data, y);
    for (Index j = 0; bias != nullptr && j < count; ++j) y[j] += bias[first + j];
  });
}

void check_shapes(Index m, Index n, Index k, Index a_rows, Index a_cols, Index b_rows,
                  Index b_cols) {
  assert(a_rows == m && a_cols == k && b_rows == k && b_cols == n);
  (void)m, (void)n, (void)k, (void)a_rows, (void)a_cols, (void)b_rows, (void)b_cols;
}

/// What the factors of a product in double become when they are rounded to bfloat16.
Tensor<double> rounded(MatrixView<const double> factors) {
  Tensor<double> copy({factors.rows, factors.cols});
  for (Index i = 0; i < factors.rows; ++i) {
    std::transform(factors.row(i), factors.row(i) + factors.cols, copy.matrix().row(i),
                   [](double x) { return double(nearest_bfloat16(float(x))); });
  }
  return copy;
}

/// gemm() with rounded factors, whatever the shape. In double it serves references alone: it
/// allocates.
template <typename T>
void rounded_gemm(const ThreadTeam& team, MatrixView<const T> a, MatrixView<const T> b,
                  BlockedMatrixView<T> c, GemmOptions options, const T* bias) {
  if constexpr (std::is_same_v<T, float>) {
    packed_gemm<T>(team, a, b, c, options, bias);
  } else {
    const Tensor<T> rounded_a = rounded(a), rounded_b = rounded(b);
    options.factors = Factors::kAsTheyAre;
    gemm<T>(team, rounded_a.matrix(), rounded_b.matrix(), c, options, bias);
  }
}

template <typename Destination, typename Product>
void store(Destination&& c, const Product& product, bool accumulate) {
  if (accumulate) {
    c.noalias() += product;
  } else {
    c.noalias() = product;
  }
}

}  // namespace

template <typename T>
void gemm_serial(MatrixView<const std::type_identity_t<T>> a,
                 MatrixView<const std::type_identity_t<T>> b, MatrixView<T> c,
                 GemmOptions options) {
  assert(options.factors == Factors::kAsTheyAre);
  const auto A = as_eigen(a);
  const auto B = as_eigen(b);
  auto C = as_eigen(c);
  const Index depth = options.transpose_a ? a.rows : a.cols;
  check_shapes(c.rows, c.cols, depth, options.transpose_a ? a.cols : a.rows, depth,
               options.transpose_b ? b.cols : b.rows, options.transpose_b ? b.rows : b.cols);
  if (options.transpose_a && options.transpose_b) {
    store(C, A.transpose() * B.transpose(), options.accumulate);
  } else if (options.transpose_a) {
    store(C, A.transpose() * B, options.accumulate);
  } else if (options.transpose_b) {
    store(C, A * B.transpose(), options.accumulate);
  } else {
    store(C, A * B, options.accumulate);
  }
}

template <typename T>
void gemm(const ThreadTeam& team, MatrixView<const std::type_identity_t<T>> a,
          MatrixView<const std::type_identity_t<T>> b, MatrixView<T> c, GemmOptions options,
          const std::type_identity_t<T>* bias) {
  if (options.factors == Factors::kBfloat16) {
    return rounded_gemm<T>(team, a, b, as_one_block(c), options, bias);
  }
  const Index depth = options.transpose_a ? a.rows : a.cols;
  if (worth_packing(c.rows, c.cols, depth)) {
    return packed_gemm<T>(team, a, b, as_one_block(c), options, bias);
  }
  if (c.rows == 1 && options.transpose_b && !options.transpose_a && !options.accumulate) {
    return row_gemm<T>(team, a, b, c, bias);
  }
  if (bias != nullptr) {
    assign_bias(team, bias, c);
    options.accumulate = true;
  }
  const double flops = 2.0 * double(c.rows) * double(c.cols) * double(depth);
  if (flops < kSerialFlops) return gemm_serial(a, b, c, options);

  const Blocks block = blocks_for(c.rows, c.cols, flops);
  const Index col_blocks = parts_in(c.cols, block.cols);
  team.for_each_task(parts_in(c.rows, block.rows) * col_blocks, [&](Index task, int) {
    const Index row = task / col_blocks * block.rows;
    const Index col = task % col_blocks * block.cols;
    const Index rows = std::min(block.rows, c.rows - row);
    const Index cols = std::min(block.cols, c.cols - col);
    gemm_serial(options.transpose_a ? a.column_block(row, rows) : a.row_block(row, rows),
                options.transpose_b ? b.row_block(col, cols) : b.column_block(col, cols),
                c.row_block(row, rows).column_block(col, cols), options);
  });
}

template <typename T>
void gemm(const ThreadTeam& team, MatrixView<const std::type_identity_t<T>> a,
          MatrixView<const std::type_identity_t<T>> b, BlockedMatrixView<T> c, GemmOptions options,
          const std::type_identity_t<T>* bias) {
  if (options.factors == Factors::kBfloat16) {
    return rounded_gemm<T>(team, a, b, c, options, bias);
  }
  const Index depth = options.transpose_a ? a.rows : a.cols;
  if (worth_packing(c.rows, c.cols(), depth)) {
    return packed_gemm<T>(team, a, b, c, options, bias);
  }
  if (c.rows == 1 && c.block_stride == c.block_cols) {  // blocks of a single row are one matrix
    return gemm(team, a, b, MatrixView<T>(c.data, 1, c.cols()), options, bias);
  }
  for (Index block = 0; block < c.blocks; ++block) {
    const Index col = block * c.block_cols;
    gemm(team, a,
         options.transpose_b ? b.row_block(col, c.block_cols) : b.column_block(col, c.block_cols),
         c.block(block), options, bias == nullptr ? nullptr : bias + col);
  }
}

std::string blas_description() {
  const std::string eigen = "Eigen " + std::to_string(EIGEN_WORLD_VERSION) + "." +
                            std::to_string(EIGEN_MAJOR_VERSION) + "." +
                            std::to_string(EIGEN_MINOR_VERSION);
#if defined(SEQBENCH_OPENBLAS)
  return std::string(openblas_get_config()) + " behind " + eigen;
#elif defined(EIGEN_USE_BLAS)
  return "unknown BLAS behind " + eigen;
#else
  return eigen;
#endif
}

bool make_blas_serial() {
#if defined(SEQBENCH_OPENBLAS)
  if (openblas_get_parallel() != 0) {
    openblas_set_num_threads(1);
    return true;
  }
#endif
  return false;
}

#define SEQBENCH_INSTANTIATE(T)                                                         \
  template void gemm_serial<T>(MatrixView<const T>, MatrixView<const T>, MatrixView<T>, \
                               GemmOptions);                                            \
  template void gemm<T>(const ThreadTeam&, MatrixView<const T>, MatrixView<const T>,    \
                        MatrixView<T>, GemmOptions, const T*);                          \
  template void gemm<T>(const ThreadTeam&, MatrixView<const T>, MatrixView<const T>,    \
                        BlockedMatrixView<T>, GemmOptions, const T*);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench

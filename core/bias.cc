#include "core/bias.h"

#include <algorithm>

#include "core/parts.h"
#include "core/simd.h"

namespace seqbench {
namespace {

// Below this many elements (some µs) waking the team costs more than it gains.
constexpr Index kSerialElements = 1 << 14;

constexpr Index kRowsOfTask = 64;

// Columns that one task sums up: a few cache lines of each row.
constexpr Index kColumnsOfTask = 128;

}  // namespace

template <typename T>
void assign_bias(const ThreadTeam& team, const std::type_identity_t<T>* bias, MatrixView<T> y) {
  const Index block = y.rows * y.cols < kSerialElements ? std::max<Index>(y.rows, 1) : kRowsOfTask;
  team.for_each_task(parts_in(y.rows, block), [&](Index task, int) {
    const Index end = std::min(y.rows, (task + 1) * block);
    for (Index i = task * block; i < end; ++i) std::copy_n(bias, y.cols, y.row(i));
  });
}

template <typename T>
void add_column_sums(const ThreadTeam& team, MatrixView<const std::type_identity_t<T>> dy,
                     T* dbias) {
  const bool serial = dy.rows * dy.cols < kSerialElements;
  const Index block = serial ? std::max<Index>(dy.cols, 1) : kColumnsOfTask;
  team.for_each_task(parts_in(dy.cols, block), [&](Index task, int) {
    const Index first = task * block, count = std::min(block, dy.cols - first);
    T* const sums = dbias + first;
    for (Index i = 0; i < dy.rows; ++i) {
      const T* const row = dy.row(i) + first;
      for_each_vector<T>(count, [&](auto d, Index j) {
        hn::StoreU(hn::Add(hn::LoadU(d, sums + j), hn::LoadU(d, row + j)), d, sums + j);
      });
    }
  });
}

#define SEQBENCH_INSTANTIATE(T)                                             \
  template void assign_bias<T>(const ThreadTeam&, const T*, MatrixView<T>); \
  template void add_column_sums<T>(const ThreadTeam&, MatrixView<const T>, T*);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench

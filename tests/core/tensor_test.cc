#include "core/tensor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <new>

#include "core/eigen_view.h"

namespace seqbench {
namespace {

/// 0, 1, 2, … so that an element tells its place.
Tensor<double> numbered(std::vector<Index> shape) {
  Tensor<double> tensor(std::move(shape));
  std::iota(tensor.values().begin(), tensor.values().end(), 0);
  return tensor;
}

std::size_t address(const void* memory) { return reinterpret_cast<std::uintptr_t>(memory); }

TEST(PaddedBytes, AreWholeLinesAndFromOneMebibyteOnWholeHugePages) {
  constexpr double kMebi = 1 << 20;
  EXPECT_EQ(padded_bytes(0), 64);
  EXPECT_EQ(padded_bytes(1), 64);
  EXPECT_EQ(padded_bytes(64), 64);
  EXPECT_EQ(padded_bytes(65), 128);
  EXPECT_EQ(padded_bytes(kMebi - 1), kMebi);
  EXPECT_EQ(padded_bytes(kMebi), 2 * kMebi);
  EXPECT_EQ(padded_bytes(2 * kMebi + 1), 4 * kMebi);
  EXPECT_EQ(padded_bytes(1e30), 1e30);  // its neighbours are further apart than a page
}

TEST(AllocateZeroed, ClearsMemoryThatWasUsedBefore) {
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{1000}, std::size_t{3} << 20}) {
    for (int use = 0; use < 8; ++use) {
      auto* const memory = static_cast<unsigned char*>(allocate_zeroed(bytes));
      EXPECT_EQ(address(memory) % (bytes < (1 << 20) ? 64 : 2 << 20), 0u);
      EXPECT_EQ(std::count(memory, memory + bytes, 0), std::ptrdiff_t(bytes));
      // Volatile: the compiler drops what is written just before free().
      volatile unsigned char* const used = memory;
      for (std::size_t i = 0; i < bytes; ++i) used[i] = 0xff;
      std::free(memory);
    }
  }
}

TEST(AllocateZeroed, RefusesMoreThanAnyMachineHas) {
  EXPECT_THROW(allocate_zeroed(std::numeric_limits<std::size_t>::max()), std::bad_alloc);
}

TEST(Tensor, CountsItsElementsAndBytes) {
  const Tensor<float> tensor({2, 3, 5});
  EXPECT_EQ(tensor.shape(), (std::vector<Index>{2, 3, 5}));
  EXPECT_EQ(tensor.size(), 30);
  EXPECT_EQ(tensor.bytes(), 120);
  EXPECT_EQ(tensor.values().size(), 30u);
  EXPECT_EQ(Tensor<float>().size(), 0);
  EXPECT_EQ(Tensor<float>().data(), nullptr);
}

TEST(Tensor, KeepsItsMemoryWhenMoved) {
  Tensor<double> from = numbered({4});
  const double* const data = from.data();
  const Tensor<double> to = std::move(from);
  EXPECT_EQ(to.data(), data);
  EXPECT_EQ(to[3], 3);
}

TEST(Tensor, IsAMatrixOfItsLastDimension) {
  Tensor<double> tensor = numbered({2, 3, 5});
  const MatrixView<double> matrix = tensor.matrix();
  EXPECT_EQ(matrix.rows, 6);
  EXPECT_EQ(matrix.cols, 5);
  EXPECT_EQ(matrix(4, 2), 22);
  EXPECT_EQ(numbered({7}).matrix().rows, 1);
  EXPECT_EQ(Tensor<double>({3, 0}).matrix().rows, 0);
}

TEST(MatrixView, BlocksAreWindowsOfTheSameMemory) {
  Tensor<double> tensor = numbered({4, 5});
  const MatrixView<double> window = tensor.matrix().row_block(1, 2).column_block(2, 3);
  EXPECT_EQ(window.rows, 2);
  EXPECT_EQ(window.cols, 3);
  EXPECT_EQ(window(0, 0), 7);
  EXPECT_EQ(window(1, 2), 14);
  EXPECT_EQ(window.row(1)[0], 12);
  window(1, 0) = -1;
  EXPECT_EQ(tensor[12], -1);
  const MatrixView<const double> readable = window;
  EXPECT_EQ(readable(1, 1), 13);
}

TEST(MatrixView, UpsideDownHasTheLastRowFirst) {
  Tensor<double> tensor = numbered({3, 2});
  const MatrixView<double> turned = tensor.matrix().upside_down();
  EXPECT_EQ(turned(0, 1), 5);
  EXPECT_EQ(turned(2, 0), 0);
  EXPECT_EQ(turned.upside_down()(0, 1), 1);
  EXPECT_EQ(turned.row_block(1, 2)(0, 0), 2);
}

TEST(MatrixView, IsTheSameWindowInEigen) {
  Tensor<double> tensor = numbered({4, 5});
  const auto window = as_eigen(tensor.matrix().row_block(1, 2).column_block(2, 2));
  EXPECT_EQ(window.rows(), 2);
  EXPECT_EQ(window.cols(), 2);
  EXPECT_EQ(window(1, 0), 12);
  EXPECT_EQ(window.sum(), 7 + 8 + 12 + 13);
}

TEST(BlockedMatrixView, TakesNeighbouringColumnsAsBlocks) {
  Tensor<double> tensor = numbered({3, 8});
  const BlockedMatrixView<double> blocks = in_blocks(tensor.matrix().column_block(2, 6), 2);
  EXPECT_EQ(blocks.blocks, 3);
  EXPECT_EQ(blocks.cols(), 6);
  EXPECT_EQ(blocks.block(0)(0, 0), 2);
  EXPECT_EQ(blocks.block(2)(1, 1), 15);
  EXPECT_EQ(blocks.row_range(1, 2).rows, 2);
  EXPECT_EQ(blocks.row_range(1, 2).block(1)(1, 0), 20);
  EXPECT_EQ(blocks.block_range(1, 2).blocks, 2);
  EXPECT_EQ(blocks.block_range(1, 2).block(1)(0, 0), 6);
  EXPECT_EQ(as_one_block(tensor.matrix()).block(0)(2, 7), 23);
  EXPECT_EQ(BlockedMatrixView<const double>(blocks).block(1)(1, 0), 12);
}

TEST(BlockedMatrixView, TakesOneMatrixBehindTheOther) {
  Tensor<double> tensor = numbered({3, 4, 2});
  const BlockedMatrixView<double> blocks = blocks_over(tensor.data(), 4, 2, 3);
  EXPECT_EQ(blocks.cols(), 6);
  EXPECT_EQ(blocks.block(0)(3, 1), 7);
  EXPECT_EQ(blocks.block(2)(0, 0), 16);
  EXPECT_EQ(blocks.row_range(3, 1).block(1)(0, 1), 15);
}

TEST(SequenceView, HandsOutTokensSequencesAndSteps) {
  Tensor<double> tensor = numbered({2, 3, 4});  // b·12 + t·4 + d
  const SequenceView<double> view = tensor.sequence();
  EXPECT_EQ(view.batch, 2);
  EXPECT_EQ(view.steps, 3);
  EXPECT_EQ(view.width, 4);
  EXPECT_EQ(view.tokens().rows, 6);
  EXPECT_EQ(view.tokens()(5, 3), 23);
  EXPECT_EQ(view.sequence(1).rows, 3);
  EXPECT_EQ(view.sequence(1)(2, 0), 20);
  EXPECT_EQ(view.step(1).rows, 2);
  EXPECT_EQ(view.step(1)(0, 2), 6);
  EXPECT_EQ(view.step(1)(1, 2), 18);
  EXPECT_EQ(SequenceView<const double>(view).step(2)(1, 3), 23);
}

}  // namespace
}  // namespace seqbench

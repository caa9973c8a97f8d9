#include "core/buffers.h"

#include <gtest/gtest.h>

#include <array>

// Both contenders' buffers side by side, as a program that links both layers has them.
#include "attention/scaled_dot_product.h"
#include "rnn/elman.h"
#include "rnn/recurrent_buffers.h"

namespace seqbench {
namespace {

template <typename Buffer>
struct SampleBuffers {
  Buffer matrix, unused;
  std::array<Buffer*, 2> buffers() { return {&matrix, &unused}; }
};

TEST(Buffers, AreAllocatedAsTheyAreCounted) {
  SampleBuffers<Tensor<double>> tensors;
  tensors.unused = Tensor<double>({7});  // from an earlier pass
  allocate_buffers({.matrix = {2, 3}, .unused = {}}, tensors);
  EXPECT_EQ(tensors.matrix.shape(), (BufferShape{2, 3}));
  EXPECT_EQ(tensors.unused.data(), nullptr);
  EXPECT_EQ((allocated_bytes<double, SampleBuffers>({.matrix = {2, 3}, .unused = {}})), 64);
  EXPECT_EQ((allocated_bytes<double, SampleBuffers>({.matrix = {1024, 256}, .unused = {8}})),
            (2 << 20) + 64);
}

TEST(Buffers, OfAShapeBeyondAnyMachineAreCounted) {
  const Index largest = 2147483647;
  EXPECT_EQ(element_count({largest, largest, largest}),
            double(largest) * double(largest) * double(largest));
  EXPECT_EQ(element_count({}), 0);
}

TEST(Buffers, OfBothContendersGoTogether) {
  const auto recurrent =
      recurrent_workspace<Elman<float>>({.width = 4, .kernel = RecurrentKernel::kHoisted},
                                        {.batch = 2, .steps = 3}, Pass::kForward, 1);
  EXPECT_EQ(recurrent.h, (BufferShape{2, 4}));
  const auto naive = naive_workspace({.batch = 2, .steps = 3, .heads = 1}, Pass::kForward, 1);
  EXPECT_EQ(naive.probabilities, (BufferShape{2, 3, 3}));
}

}  // namespace
}  // namespace seqbench

#include "rnn/recurrent_buffers.h"

#include <gtest/gtest.h>

#include "tests/counted_allocations.h"
#include "tests/rnn/recurrent_cases.h"

namespace seqbench {
namespace {

class RecurrentBuffersTest : public RecurrentTest {};

constexpr Pass kPasses[] = {Pass::kForward, Pass::kTrain, Pass::kDecode};

TEST_P(RecurrentBuffersTest, ReserveAllocatesTheDeclaredBytes) {
  // With D = 16 every buffer is a multiple of the 64 bytes to which tensors are padded.
  const SequenceShape shape{.batch = 3, .steps = 5};
  const auto layer = make<float>(16);
  for (const Pass pass : kPasses) {
    const long before = allocations().tensor_bytes;
    layer->reserve(shape, pass, 1);
    EXPECT_EQ(double(allocations().tensor_bytes - before),
              layer->cost(shape, pass, 1).workspace_bytes);
  }
}

TEST_P(RecurrentBuffersTest, PassesAllocateNothing) {
  const ThreadTeam team;
  const SequenceShape shape{.batch = 3, .steps = 5};
  const auto layer = make<float>(16);
  Tensor<float> x({3, 5, 16}), y({3, 5, 16}), dx({3, 5, 16});
  for (const Pass pass : kPasses) {
    layer->reserve(shape, pass, 1);
    const long before = allocations().calls;
    if (pass == Pass::kForward) {
      layer->forward(team, x.sequence(), y.sequence(), Keep::kNothing);
    } else if (pass == Pass::kTrain) {
      layer->forward(team, x.sequence(), y.sequence(), Keep::kForBackward);
      layer->backward(team, x.sequence(), y.sequence(), x.sequence(), dx.sequence());
    } else {
      layer->prefill(team, x.sequence(), y.sequence());
      layer->decode(team, x.sequence().step(0), y.sequence().step(0));
    }
    EXPECT_EQ(allocations().calls - before, 0);
  }
}

TEST_P(RecurrentBuffersTest, CostFollowsTheConventionOfTheDesign) {
  const SequenceShape shape{.batch = 2, .steps = 7};
  const double matrices = double(GetParam().matrices), D = 12, tokens = 2 * 7;
  const auto layer = make<float>(12);
  const LayerCost forward = layer->cost(shape, Pass::kForward, 1);
  EXPECT_EQ(forward.flops, 2 * matrices * tokens * D * D);
  EXPECT_EQ(layer->cost(shape, Pass::kTrain, 1).flops, 3 * forward.flops);
  EXPECT_EQ(layer->cost(shape, Pass::kDecode, 1).flops, 2 * matrices * 2 * D * D);
  EXPECT_EQ(forward.parameters, matrices * (D * D + D));
  EXPECT_EQ(forward.state_bytes, double(GetParam().states) * 2 * D * sizeof(float));
}

TEST_P(RecurrentBuffersTest, CostIsKnownWithoutALayerHoweverLarge) {
  const SequenceShape shape{.batch = 2147483647, .steps = 2147483647};
  const Index D = 2147483647;
  const double B = double(shape.batch), T = double(shape.steps);
  const LayerCost cost = GetParam().cost(D, shape, Pass::kTrain, 2);
  EXPECT_EQ(cost.flops, 3 * 2 * double(GetParam().matrices) * B * T * double(D) * double(D));
  EXPECT_GE(cost.workspace_bytes, B * T * double(GetParam().gates) * double(D) * sizeof(float));
  EXPECT_TRUE(std::isfinite(cost.workspace_bytes));
}

TEST_P(RecurrentBuffersTest, DecodeMemoryDoesNotGrowWithTheContext) {
  const auto layer = make<float>(8);
  EXPECT_EQ(layer->cost({1, 100000}, Pass::kDecode, 1).workspace_bytes,
            layer->cost({1, 1}, Pass::kDecode, 1).workspace_bytes);
}

INSTANTIATE_TEST_SUITE_P(Recurrent, RecurrentBuffersTest, every_model_and_kernel(), case_name);

}  // namespace
}  // namespace seqbench

#include "harness/models/sequence_model.h"

#include <gtest/gtest.h>

#include <iterator>
#include <map>

#include "core/bfloat16.h"
#include "core/eigen_view.h"
#include "core/optimiser.h"
#include "harness/models/registry.h"
#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"
#include "tests/counted_allocations.h"
#include "tests/slopes.h"
#include "tests/test_data.h"

namespace seqbench {
namespace {

SequenceModelSpec small_spec(const std::string& model, Index longest) {
  const std::string variant = model == "attention" ? "learned" : "default";
  return {.model = model,
          .variant = *find_variant(model, variant),
          .vocabulary = 6,
          .answers = 3,
          .longest = longest,
          .form = {.width = 4,
                   .layers = 2,
                   .heads = 2,
                   .residual = model == "attention",
                   .mlp_expansion = model == "attention" ? 2 : 0}};
}

TEST(CarriedState, IsThatOfAllRecurrentLayers) {
  const auto width_of = [](const std::string& model, const std::string& variant) {
    SequenceModelSpec spec = small_spec(model, 8);
    spec.variant = *find_variant(model, variant);
    return SequenceModel<float>(spec).carried_width();
  };
  EXPECT_EQ(width_of("elman", "default"), 2 * 4);
  EXPECT_EQ(width_of("lstm", "default"), 2 * 2 * 4);
  EXPECT_EQ(width_of("mingru", "default"), 2 * 4);
  EXPECT_EQ(width_of("attention", "learned"), 0);
  EXPECT_EQ(width_of("gru", "default+conv3"), 0) << "a convolution would need its inputs too";
  SequenceModel<float> attention(small_spec("attention", 8));
  Tensor<float> before({1, 8}), after({1, 8});
  attention.carry({});
  EXPECT_THROW(attention.carry({before.matrix(), after.matrix()}), std::logic_error);
}

/// The same with two numbers a step as its input and one as its answer.
SequenceModelSpec regression_spec(const std::string& model, Index longest) {
  SequenceModelSpec spec = small_spec(model, longest);
  spec.vocabulary = 0, spec.channels = 2, spec.answers = 1;
  spec.loss = LossKind::kSquaredError, spec.tolerance = 0.5;
  return spec;
}

/// Random tokens; an answer at the end of every sequence and, where there is room, one before.
TaskBatch small_batch(Random& random, SequenceShape shape) {
  TaskBatch batch;
  batch.shape = shape;
  for (Index b = 0; b < shape.batch; ++b) {
    for (Index t = 0; t < shape.steps; ++t) {
      batch.tokens.push_back(static_cast<Token>(random.below(6)));
      if (t < shape.steps - 2) continue;
      batch.answer_rows.push_back(b * shape.steps + t);
      batch.targets.push_back(static_cast<Token>(random.below(3)));
    }
  }
  return batch;
}

TaskBatch regression_batch(Random& random, SequenceShape shape) {
  TaskBatch batch = small_batch(random, shape);
  for (std::size_t i = 0; i < 2 * batch.tokens.size(); ++i)
    batch.numbers.push_back(random.normal());
  for (std::size_t a = 0; a < batch.targets.size(); ++a) batch.values.push_back(random.normal());
  batch.tokens.clear(), batch.targets.clear();
  return batch;
}

class EveryModel : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Models, EveryModel, ::testing::ValuesIn(model_names()),
                         [](const auto& instance) { return instance.param; });

TEST(SequenceModel, AddsSinusoidalPositionsAndLearnsNone) {
  const ThreadTeam team;
  SequenceModelSpec spec = small_spec("attention", 5);
  std::map<std::string, double> losses;
  for (const std::string name : {"nopos", "sinusoidal"}) {
    spec.variant = *find_variant("attention", name);
    SequenceModel<double> model(spec);
    Random random(8);
    model.initialise(random);
    for (const Parameter<double>* parameter : model.parameters()) {
      EXPECT_NE(parameter->name, "positions.weight");
    }
    // One and the same token everywhere: what differs from a shorter sequence are positions.
    TaskBatch batch;
    batch.targets = {0};
    std::vector<double> by_length;
    for (const Index T : {2, 5}) {
      batch.shape = {1, T};
      batch.tokens.assign(std::size_t(T), 3);
      batch.answer_rows = {T - 1};
      model.reserve(batch.shape, 1, 1);
      by_length.push_back(model.forward(team, batch, Keep::kNothing));
    }
    losses[name] = std::abs(by_length[1] - by_length[0]);
  }
  EXPECT_LT(losses["nopos"], 1e-12);  // rounding of sums over 5 tokens
  EXPECT_GT(losses["sinusoidal"], 1e-3);
}

void check_slopes(const SequenceModelSpec& spec, SequenceShape shape,
                  TaskBatch (*draw)(Random&, SequenceShape)) {
  const ThreadTeam team;
  Random random(1);
  SequenceModel<double> model(spec);
  model.initialise(random);
  // Away from the symmetric start, so that no term of an equation is hidden by a 0 or a 1.
  for (Parameter<double>* parameter : model.parameters()) {
    for (double& value : parameter->value.values()) value += 0.3 * random.normal();
  }
  const TaskBatch batch = draw(random, shape);
  model.reserve(shape, batch.answers(), 1);
  Random dropped(2);
  model.drop_with(&dropped);
  const auto loss = [&] {
    dropped = Random(2);  // the same elements each time
    return model.forward(team, batch, Keep::kForBackward);
  };
  const double start = loss();
  for (Parameter<double>* parameter : model.parameters()) {
    std::ranges::fill(parameter->gradient.values(), std::numeric_limits<double>::quiet_NaN());
  }
  model.backward(team, batch);
  // The loss (or, if that is small, a logit of about 1) after two layers of sums over at most
  // width·expansion = 8 products and, in attention or through time, 17 steps, each of some four
  // nested functions.
  const double error = std::numeric_limits<double>::epsilon() * (1 + start) * (2 * 4 * (8 + 17));
  std::vector<Tensor<double>> gradients;  // the slopes below need more forwards
  for (const Parameter<double>* parameter : model.parameters()) {
    gradients.emplace_back(parameter->gradient.shape());
    std::ranges::copy(parameter->gradient.values(), gradients.back().data());
  }
  for (std::size_t k = 0; k < gradients.size(); ++k) {
    Parameter<double>& parameter = *model.parameters()[k];
    expect_slopes({.name = parameter.name,
                   .values = parameter.value.values(),
                   .gradient = std::as_const(gradients[k]).values(),
                   .loss_error = error},
                  loss);
  }
}

TEST_P(EveryModel, GradientsMatchSlopes) {
  for (const SequenceShape shape : {SequenceShape{1, 1}, {3, 2}, {2, 17}}) {
    SequenceModelSpec spec = small_spec(GetParam(), shape.steps);
    check_slopes(spec, shape, small_batch);
    spec.form.residual = true;
    check_slopes(spec, shape, small_batch);
  }
}

TEST_P(EveryModel, GradientsOfARegressionMatchSlopes) {
  for (const SequenceShape shape : {SequenceShape{1, 1}, {2, 9}}) {
    check_slopes(regression_spec(GetParam(), shape.steps), shape, regression_batch);
  }
}

TEST_P(EveryModel, GradientsOfEveryVariantMatchSlopes) {
  for (const std::string& name : variant_names({GetParam()})) {
    SCOPED_TRACE(name);
    SequenceModelSpec spec = small_spec(GetParam(), 5);
    spec.variant = *find_variant(GetParam(), name);
    check_slopes(spec, {2, 5}, small_batch);
  }
}

TEST_P(EveryModel, GradientsInResidualBlocksWithoutMlpMatchSlopes) {
  SequenceModelSpec spec = small_spec(GetParam(), 9);
  spec.form.residual = true, spec.form.mlp_expansion = 0;
  check_slopes(spec, {2, 9}, small_batch);
}

TEST_P(EveryModel, GradientsOfATiedReadoutMatchSlopes) {
  SequenceModelSpec spec = small_spec(GetParam(), 9);
  spec.answers = spec.vocabulary, spec.form.as_gpt2 = true;
  check_slopes(spec, {2, 9}, small_batch);
}

TEST_P(EveryModel, GradientsWithoutBiasesMatchSlopes) {
  SequenceModelSpec spec = small_spec(GetParam(), 17);
  spec.form.residual = true;
  spec.form.mlp_expansion = 2;
  spec.form.mlp = MlpKind::kGelu;
  spec.form.biases = false;
  SequenceModel<double> model(spec);
  for (const std::string& name : model.parameter_names()) {
    const bool is_recurrent = name.find("bias_") != std::string::npos;
    EXPECT_TRUE(is_recurrent || !name.ends_with("bias") || name == "readout.bias") << name;
  }
  check_slopes(spec, {2, 17}, small_batch);
}

TEST_P(EveryModel, GradientsWithGeluOrNormsInPlaceOfMlpsMatchSlopes) {
  SequenceModelSpec spec = small_spec(GetParam(), 9);
  spec.form.residual = true, spec.form.mlp_expansion = 2, spec.form.mlp = MlpKind::kGelu;
  check_slopes(spec, {2, 9}, small_batch);
  spec.form.mlp_expansion = 0, spec.form.mlp = MlpKind::kIdentity;
  check_slopes(spec, {2, 9}, small_batch);
}

TEST(SequenceModel, ADirectInputNeedsNoEmbedding) {
  constexpr Index D = 4, kSteps = 9;
  for (const std::string model_name : {"elman", "lstm", "gru", "mingru"}) {
    SequenceModelSpec tokens = small_spec(model_name, kSteps);
    SequenceModelSpec numbers = regression_spec(model_name, kSteps);
    tokens.form.direct_input = numbers.form.direct_input = true;
    check_slopes(tokens, {2, kSteps}, small_batch);
    check_slopes(numbers, {2, kSteps}, regression_batch);
    const Index gates = gates_of(model_name), recurrent = model_name == "mingru" ? 0 : D * D + D;
    const auto first = [&](Index channels) { return gates * (D * channels + D + recurrent); };
    const Index second = first(D);
    EXPECT_EQ(SequenceModel<float>(tokens).parameter_count(), first(1) + second + 3 * (D + 1));
    EXPECT_EQ(SequenceModel<float>(numbers).parameter_count(), first(2) + second + D + 1);
  }
  SequenceModelSpec spec = small_spec("attention", kSteps);
  spec.form.direct_input = true;
  EXPECT_THROW(SequenceModel<float>{spec}, std::invalid_argument);
  spec = small_spec("lstm", kSteps);
  spec.form.direct_input = true, spec.causal = false;
  EXPECT_THROW(SequenceModel<float>{spec}, std::invalid_argument);
}

// As an embedding would give whose rows are the tokens' numbers and zeros.
TEST(SequenceModel, ADirectInputIsTheTokensNumber) {
  const ThreadTeam team;
  SequenceModelSpec spec = small_spec("gru", 9);
  SequenceModel<double> embedded(spec);
  spec.form.direct_input = true;
  SequenceModel<double> direct(spec);
  Random random(1), parameters(2);
  const TaskBatch batch = small_batch(random, {2, 9});
  direct.initialise(parameters);
  Parameter<double>& table = *embedded.parameters()[0];
  for (Index v = 0; v < spec.vocabulary; ++v) table.value.matrix()(v, 0) = double(v);
  for (std::size_t k = 0; k < direct.parameters().size(); ++k) {
    std::ranges::copy(direct.parameters()[k]->value.values(),
                      embedded.parameters()[k + 1]->value.data());
  }
  for (SequenceModel<double>* model : {&direct, &embedded}) {
    model->reserve(batch.shape, batch.answers(), 1);
  }
  EXPECT_EQ(direct.forward(team, batch, Keep::kNothing),
            embedded.forward(team, batch, Keep::kNothing));
}

TEST_P(EveryModel, GradientsOfWhatDropoutLeavesMatchSlopes) {
  SequenceModelSpec spec = small_spec(GetParam(), 9);
  spec.form.dropout = 0.3;
  for (const bool causal : {true, false}) {
    spec.causal = causal;
    check_slopes(spec, {3, 9}, small_batch);
  }
}

TEST_P(EveryModel, DropoutDrawsAnewInTrainingAndOtherwiseDoesNothing) {
  const ThreadTeam team;
  SequenceModelSpec spec = small_spec(GetParam(), 9);
  SequenceModel<double> plain(spec);
  spec.form.dropout = 0.3;
  SequenceModel<double> model(spec);
  Random random(7);
  const TaskBatch batch = small_batch(random, {3, 9});
  for (SequenceModel<double>* each : {&plain, &model}) {
    Random parameters(8);
    each->initialise(parameters);
    each->reserve(batch.shape, batch.answers(), 1);
  }
  const auto loss = [&](SequenceModel<double>& each) {
    return each.forward(team, batch, Keep::kForBackward);
  };
  // Other orders of sums over nine steps and four products, through two layers.
  const double tolerance = std::numeric_limits<double>::epsilon() * 2 * 4 * (9 + 4);
  EXPECT_NEAR(loss(model), loss(plain), tolerance);
  Random dropped(9);
  model.drop_with(&dropped);
  const double first = loss(model), second = loss(model);
  EXPECT_NE(first, second);
  EXPECT_GT(std::abs(first - loss(plain)), 1e3 * tolerance);
  dropped = Random(9);
  EXPECT_EQ(loss(model), first);
  model.drop_with(nullptr);
  EXPECT_NEAR(loss(model), loss(plain), tolerance);
}

// A table with one row a position makes the table's gradient the embedding output's.
TEST_P(EveryModel, EmbeddingGradientIsThatOfTheEmbeddingsOutput) {
  const ThreadTeam team;
  Random random(2);
  SequenceModelSpec spec = small_spec(GetParam(), 6);
  spec.embedding_gradient = true;
  SequenceModel<double> model(spec);
  model.initialise(random);
  TaskBatch batch;
  batch.shape = {1, 6};
  batch.tokens = {3, 1, 4, 0, 5, 2};
  batch.answer_rows = {5};
  batch.targets = {1};
  model.reserve(batch.shape, 1, 1);
  model.forward(team, batch, Keep::kForBackward);
  model.backward(team, batch);
  const auto table_gradient = as_eigen(model.parameters()[0]->gradient.matrix());
  const auto gradient = as_eigen(model.embedding_gradient().tokens());
  for (Index t = 0; t < 6; ++t) {
    EXPECT_EQ(gradient.row(t), table_gradient.row(batch.tokens[std::size_t(t)]));
  }
}

// A model that need not tell the embedding's gradient at every step computes what is done before
// the first product with other tokens once for each word.
TEST_P(EveryModel, TokensThatShareRowsGiveWhatTheyGiveAlone) {
  const ThreadTeam team;
  const SequenceShape shape{3, 17};
  Random random(9);
  TaskBatch batch = small_batch(random, shape);
  std::ranges::replace(batch.tokens, Token{5}, Token{0});  // a word that does not occur
  SequenceModelSpec spec = small_spec(GetParam(), shape.steps);
  for (const auto& [residual, mlp_expansion] :
       {std::pair<bool, Index>{false, 0}, {true, 0}, {true, 2}}) {
    spec.form.residual = residual;
    spec.form.mlp_expansion = mlp_expansion;
    spec.embedding_gradient = true;
    SequenceModel<double> alone(spec);
    spec.embedding_gradient = false;
    SequenceModel<double> shared(spec);
    for (SequenceModel<double>* model : {&alone, &shared}) {
      Random parameters(10);
      model->initialise(parameters);
      model->reserve(shape, batch.answers(), 1);
    }
    // Sums over 51 tokens in another order, through two layers.
    const double tolerance = std::numeric_limits<double>::epsilon() * 2 * 51 * 4;
    EXPECT_NEAR(shared.forward(team, batch, Keep::kForBackward),
                alone.forward(team, batch, Keep::kForBackward), tolerance);
    alone.backward(team, batch);
    shared.backward(team, batch);
    for (std::size_t k = 0; k < alone.parameters().size(); ++k) {
      const auto expected = as_eigen(alone.parameters()[k]->gradient.matrix());
      const auto actual = as_eigen(shared.parameters()[k]->gradient.matrix());
      EXPECT_LT((actual - expected).cwiseAbs().maxCoeff(), tolerance) << alone.parameter_names()[k];
      EXPECT_GT(expected.cwiseAbs().maxCoeff(), 1e3 * tolerance) << alone.parameter_names()[k];
    }
  }
}

TEST_P(EveryModel, ASmallerBatchAfterALargerOneGivesWhatItGivesAlone) {
  const ThreadTeam team;
  const SequenceShape large{5, 7}, small{2, 7};
  Random random(3);
  SequenceModel<float> model(small_spec(GetParam(), 7));
  model.initialise(random);
  const TaskBatch first = small_batch(random, large), second = small_batch(random, small);

  const auto gradients = [&] {
    std::vector<float> all;
    for (Parameter<float>* parameter : model.parameters()) {
      all.insert(all.end(), parameter->gradient.values().begin(),
                 parameter->gradient.values().end());
    }
    return all;
  };
  model.reserve(small, Index(second.targets.size()), 1);
  const double alone = model.forward(team, second, Keep::kForBackward);
  model.backward(team, second);
  const std::vector<float> gradients_alone = gradients();
  const std::vector<bool> right = model.right();

  model.reserve(large, Index(first.targets.size()), 1);
  model.forward(team, first, Keep::kForBackward);
  model.backward(team, first);
  EXPECT_EQ(model.forward(team, second, Keep::kNothing), alone);
  EXPECT_EQ(model.right(), right);
  model.forward(team, second, Keep::kForBackward);
  model.backward(team, second);
  EXPECT_EQ(gradients(), gradients_alone);
}

// What meets a weight as a factor sees it rounded, in every product of layers, MLPs, input and
// readout, forward and backward.
TEST_P(EveryModel, InBfloat16RoundedWeightsGiveTheSameBits) {
  const ThreadTeam team;
  const SequenceShape shape{2, 7};
  for (const bool reads_numbers : {false, true}) {
    SequenceModelSpec spec = (reads_numbers ? regression_spec : small_spec)(GetParam(), 7);
    spec.form.residual = true, spec.form.mlp_expansion = 2;
    Random random(3);
    const TaskBatch batch = (reads_numbers ? regression_batch : small_batch)(random, shape);
    const auto loss_and_gradients = [&](Factors factors, bool rounds_weights) {
      spec.factors = factors;
      SequenceModel<float> model(spec);
      Random same(4);
      model.initialise(same);
      for (std::size_t k = 0; k < model.parameters().size(); ++k) {
        const std::string& name = model.parameter_names()[k];
        Tensor<float>& value = model.parameters()[k]->value;
        const bool is_looked_up = name.starts_with("embedding") || name.starts_with("positions");
        if (!rounds_weights || value.shape().size() != 2 || is_looked_up) continue;
        for (float& element : value.values()) element = nearest_bfloat16(element);
      }
      model.reserve(shape, batch.answers(), 1);
      std::vector<double> all{model.forward(team, batch, Keep::kForBackward)};
      model.backward(team, batch);
      for (Parameter<float>* parameter : model.parameters()) {
        std::ranges::copy(parameter->gradient.values(), std::back_inserter(all));
      }
      return all;
    };
    const auto rounded = loss_and_gradients(Factors::kBfloat16, false);
    EXPECT_EQ(loss_and_gradients(Factors::kBfloat16, true), rounded);
    const auto exact = loss_and_gradients(Factors::kAsTheyAre, false);
    EXPECT_NE(exact, rounded);
    EXPECT_NEAR(exact[0], rounded[0], 0x1p-5 * exact[0]);  // some roundings by 2⁻⁸ and less
  }
}

TEST_P(EveryModel, ParametersAreCountedAndStartAsPyTorchs) {
  SequenceModelSpec spec = small_spec(GetParam(), 10);
  spec.vocabulary = 33, spec.answers = 16, spec.form.width = 64, spec.form.layers = 1;
  if (spec.form.residual) spec.form.mlp_expansion = 4;
  SequenceModel<float> model(spec);
  Random random(4);
  model.initialise(random);
  const Index D = 64, gates = gates_of(GetParam());
  const Index products = GetParam() == "mingru" ? 1 : 2;  // with the input, and with the state
  const Index layer = gates > 0 ? gates * products * (D * D + D)
                                : 4 * D * D + 4 * D + (8 * D * D + 5 * D) + 3 * 2 * D;
  const Index positions = gates > 0 ? 0 : 10 * D;
  EXPECT_EQ(model.parameter_count(), 33 * D + positions + layer + 16 * D + 16);

  for (const Parameter<float>* parameter : model.parameters()) {
    const auto values = as_eigen(parameter->value.matrix()).cast<double>().array();
    const double n = double(values.size());
    const std::string& name = parameter->name;
    // The variance a tensor should have, and that its elements vary by in a uniform (4/45 − …) or
    // normal (2) draw; five standard errors.
    if (name == "embedding.weight") {
      EXPECT_NEAR(values.square().mean(), 1, 5 * std::sqrt(2 / n));
    } else if (name == "positions.weight") {
      EXPECT_NEAR(values.square().mean(), 4e-4, 5 * 4e-4 * std::sqrt(2 / n));
    } else if (name.ends_with("norm.weight") || name == "norm1.weight" || name == "norm2.weight") {
      EXPECT_TRUE((values == 1).all()) << name;
    } else if (name.find("norm") != std::string::npos) {
      EXPECT_TRUE((values == 0).all()) << name;
    } else if (name.starts_with("readout") || name.starts_with("linear")) {
      const double bound = 1 / std::sqrt(name.starts_with("linear2") ? 256. : 64.);
      EXPECT_LE(values.abs().maxCoeff(), bound) << name;
      EXPECT_GE(values.abs().maxCoeff(), 0.5 * bound) << name;
    }
  }
}

TEST(SequenceModel, StartsAsGpt2OnRequest) {
  SequenceModelSpec spec = small_spec("attention", 10);
  spec.vocabulary = spec.answers = 33, spec.form.width = 64, spec.form.as_gpt2 = true;
  SequenceModel<float> model(spec);
  Random random(4);
  model.initialise(random);
  const Index D = 64, block = 4 * D * D + 4 * D + (4 * D * D + 3 * D) + 2 * 2 * D;
  EXPECT_EQ(model.parameter_count(), 33 * D + 10 * D + 2 * block + 2 * D) << "one table, no bias";

  for (const Parameter<float>* parameter : model.parameters()) {
    const auto values = as_eigen(parameter->value.matrix()).cast<double>().array();
    const std::string& name = parameter->name;
    if (name.find("bias") != std::string::npos) {
      EXPECT_TRUE((values == 0).all()) << name;
    } else if (name.find("norm") != std::string::npos) {
      EXPECT_TRUE((values == 1).all()) << name;
    } else {
      // Two blocks add two terms each.
      const bool is_added = name == "out_proj.weight" || name == "linear2.weight";
      const double variance = is_added ? 4e-4 / 4 : 4e-4;
      EXPECT_NEAR(values.square().mean(), variance,
                  5 * variance * std::sqrt(2 / double(values.size())))
          << name;
    }
  }
}

TEST(SequenceModel, RefusesATiedReadoutOfOtherAnswersThanTokens) {
  SequenceModelSpec spec = small_spec("attention", 10);
  spec.form.as_gpt2 = true;
  EXPECT_THROW(SequenceModel<float>{spec}, std::invalid_argument);
}

TEST(SequenceModel, CountsTheLargestLogitAsTheAnswer) {
  const ThreadTeam team;
  SequenceModel<float> model(small_spec("lstm", 4));
  Random random(5);
  model.initialise(random);
  TaskBatch batch;
  batch.shape = {3, 4};
  batch.tokens.assign(12, 0);
  batch.answer_rows = {3, 7, 11};
  batch.targets = {2, 1, 2};
  model.reserve(batch.shape, 3, 1);
  // With a readout of biases alone the answer is always the same.
  const auto answer_by = [&](const std::vector<float>& biases) {
    for (Parameter<float>* parameter : model.parameters()) {
      if (parameter->name == "readout.weight") std::ranges::fill(parameter->value.values(), 0.f);
      if (parameter->name == "readout.bias") std::ranges::copy(biases, parameter->value.data());
    }
    model.forward(team, batch, Keep::kNothing);
    return model.answers();
  };
  EXPECT_EQ(answer_by({0, -1, 1}), (std::vector<Token>{2, 2, 2}));
  EXPECT_EQ(model.right(), (std::vector{true, false, true}));
  EXPECT_EQ(answer_by({0, 1, 1}), (std::vector<Token>{1, 1, 1})) << "the first of equal ones";
  // Of no numbers none is the largest, yet the answer is one of the vocabulary.
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(answer_by({nan, nan, nan}), (std::vector<Token>{0, 0, 0}));
}

TEST(SequenceModel, CountsANumberWithinTheToleranceAsRight) {
  const ThreadTeam team;
  SequenceModel<float> model(regression_spec("lstm", 4));
  Random random(5);
  model.initialise(random);
  // With a readout of its bias alone the answer is always 1.
  for (Parameter<float>* parameter : model.parameters()) {
    if (parameter->name == "readout.weight") std::ranges::fill(parameter->value.values(), 0.f);
    if (parameter->name == "readout.bias") parameter->value[0] = 1;
  }
  TaskBatch batch;
  batch.shape = {3, 4};
  batch.numbers.assign(24, 0.5);
  batch.answer_rows = {3, 7, 11};
  batch.values = {1.4, 1.75, 0.6};
  model.reserve(batch.shape, 3, 1);
  // Errors of ⅖, ¾ and ⅖; the sum of three squares in double, from values rounded to float.
  EXPECT_NEAR(model.forward(team, batch, Keep::kNothing), (0.16 + 0.5625 + 0.16) / 3,
              4 * std::numeric_limits<float>::epsilon());
  EXPECT_EQ(model.right(), (std::vector{true, false, true}));
}

TEST(SequenceModel, CausalAttentionSeesNothingBehindTheAnswer) {
  const ThreadTeam team;
  for (const bool causal : {true, false}) {
    SequenceModelSpec spec = small_spec("attention", 6);
    spec.causal = causal;
    spec.embedding_gradient = true;
    SequenceModel<double> model(spec);
    Random random(6);
    model.initialise(random);
    TaskBatch batch;
    batch.shape = {1, 6};
    batch.tokens = {3, 1, 4, 0, 5, 2};
    batch.answer_rows = {3};
    batch.targets = {1};
    model.reserve(batch.shape, 1, 1);
    model.forward(team, batch, Keep::kForBackward);
    model.backward(team, batch);
    const auto gradient = as_eigen(model.embedding_gradient().tokens());
    EXPECT_EQ(gradient.bottomRows(2).cwiseAbs().maxCoeff() == 0, causal);
    EXPECT_GT(gradient.topRows(4).rowwise().norm().minCoeff(), 0);
  }
}

/// Every way in which a model can start: bare layers, a Transformer's blocks, and as GPT-2.
std::vector<ModelForm> forms_of_every_start() {
  const ModelForm bare{.width = 8, .layers = 2, .heads = 2};
  ModelForm blocks = bare, gpt2 = bare;
  blocks.residual = gpt2.residual = gpt2.as_gpt2 = true;
  blocks.mlp_expansion = 2;
  return {bare, blocks, gpt2};
}

/// A model of 12 words and answers that has taken some steps with weight decay.
std::unique_ptr<SequenceModel<double>> trained_model(const std::string& variant,
                                                     const ModelForm& form, bool causal,
                                                     const TaskBatch& batch) {
  auto model = std::make_unique<SequenceModel<double>>(
      SequenceModelSpec{.model = "attention",
                        .variant = *find_variant("attention", variant),
                        .vocabulary = 12,
                        .answers = 12,
                        .longest = batch.shape.steps,
                        .form = form,
                        .causal = causal});
  const ThreadTeam team;
  Random random(3);
  model->initialise(random);
  model->reserve(batch.shape, batch.answers(), 1);
  AdamW<double> optimiser(model->parameters(), {.weight_decay = 0.1});
  for (int step = 0; step < 5; ++step) {
    model->forward(team, batch, Keep::kForBackward);
    model->backward(team, batch);
    optimiser.step(1e-2);
  }
  return model;
}

/// One answer in the middle of a sequence of random words.
TaskBatch asked_in_the_middle(Index steps) {
  Random random(4);
  TaskBatch batch;
  batch.start({1, steps});
  for (Index t = 0; t < steps; ++t) batch.tokens.push_back(static_cast<Token>(random.below(12)));
  batch.answer_rows = {steps / 2};
  batch.targets = {5};
  return batch;
}

TEST(SequenceModel, QueriesAndKeysDoNotMoveMeanPoolingUnderAnyStartNorInTraining) {
  const ThreadTeam team;
  const TaskBatch batch = asked_in_the_middle(9);
  for (const ModelForm& form : forms_of_every_start()) {
    for (const std::string variant : {"meanpool", "meanpool+conv3", "learned", "learned+conv3"}) {
      const bool is_control = variant.starts_with("meanpool");
      const auto model = trained_model(variant, form, true, batch);
      const double loss = model->forward(team, batch, Keep::kForBackward);
      model->backward(team, batch);
      double gradient = 0;
      Random random(5);
      for (Parameter<double>* parameter : model->parameters()) {
        if (!parameter->name.starts_with("in_proj")) continue;
        const std::size_t rows = parameter->value.values().size() / 3 * 2;  // of Q and K
        gradient = std::max(
            gradient, max_abs(std::span<const double>(parameter->gradient.values().first(rows))));
        fill_normal(random, parameter->value.values().first(rows));
      }
      EXPECT_EQ(gradient == 0, is_control) << variant;
      EXPECT_EQ(model->forward(team, batch, Keep::kNothing) == loss, is_control) << variant;
    }
  }
}

TEST(SequenceModel, WordsBeyondTheWindowDoNotReachTheAnswerUnderAnyStartNorInTraining) {
  const ThreadTeam team;
  constexpr Index kLayers = 2, kSteps = 61, kAnswer = kSteps / 2;
  const TaskBatch batch = asked_in_the_middle(kSteps);
  for (const ModelForm& form : forms_of_every_start()) {
    for (const bool causal : {true, false}) {
      for (const std::string variant : {"window8", "window8+conv3", "learned"}) {
        // Seven words a layer to either side, and two of a convolution before it to the left.
        const bool is_control = variant.starts_with("window8");
        const Index taps = variant.ends_with("conv3") ? 2 : 0;
        const Index before = is_control ? kLayers * (7 + taps) : kSteps;
        const Index behind = causal ? 0 : is_control ? kLayers * 7 : kSteps;
        const auto model = trained_model(variant, form, causal, batch);
        const double loss = model->forward(team, batch, Keep::kNothing);
        for (Index t = 0; t < kSteps; ++t) {
          TaskBatch changed = batch;
          changed.tokens[std::size_t(t)] = (changed.tokens[std::size_t(t)] + 1) % 12;
          const bool reaches = t >= kAnswer - before && t <= kAnswer + behind;
          EXPECT_EQ(model->forward(team, changed, Keep::kNothing) != loss, reaches)
              << variant << (causal ? " causal" : "") << " word " << t;
        }
      }
    }
  }
}

// The start of a model as GPT-2, drawn behind its layers', leaves what a variant is named for.
TEST(SequenceModel, TheStartsOfRecurrentLayersHoldInEveryForm) {
  for (const ModelForm& form : forms_of_every_start()) {
    for (const auto& [name, variant] : {std::pair<std::string, std::string>{"lstm", "forget1"},
                                        {"gru", "forget1"},
                                        {"lstm", "chrono"},
                                        {"gru", "chrono"},
                                        {"elman", "orthogonal"}}) {
      SequenceModel<double> model({.model = name,
                                   .variant = *find_variant(name, variant),
                                   .vocabulary = 12,
                                   .answers = 12,
                                   .longest = 40,
                                   .form = form});
      Random random(6);
      model.initialise(random);
      const Index D = form.width;
      for (Parameter<double>* parameter : model.parameters()) {
        const auto keeping = [&] {
          return parameter->value.values().subspan(std::size_t(D), std::size_t(D));
        };
        if (variant == "forget1" && parameter->name.starts_with("bias_ih")) {
          EXPECT_TRUE(std::ranges::all_of(keeping(), [](double b) { return b == 1; })) << name;
        } else if (variant == "chrono" && parameter->name.starts_with("bias_ih")) {
          EXPECT_TRUE(std::ranges::all_of(keeping(), [](double b) { return b > 0; })) << name;
          EXPECT_GT(std::ranges::max(keeping()), std::log(10.));
        } else if (variant == "orthogonal" && parameter->name.starts_with("weight_hh")) {
          const auto W = as_eigen(parameter->value.matrix());
          const RowMajorMatrix<double> gram = W.transpose() * W;
          EXPECT_LE((gram - RowMajorMatrix<double>::Identity(D, D)).cwiseAbs().maxCoeff(),
                    4 * double(D) * std::numeric_limits<double>::epsilon());
        }
      }
    }
  }
}

TEST(SequenceModel, RefusesHeadsThatDoNotDivideTheWidth) {
  SequenceModelSpec spec = small_spec("attention", 4);
  spec.form.heads = 3;
  EXPECT_THROW(SequenceModel<float>{spec}, std::invalid_argument);
}

/// What reserve() allocates.
template <typename T>
double reserved_bytes(const SequenceModelSpec& spec, SequenceShape shape, Index answers) {
  SequenceModel<T> model(spec);
  const long before = allocations().tensor_bytes;
  model.reserve(shape, answers, 1);
  return double(allocations().tensor_bytes - before);
}

TEST_P(EveryModel, DeclaresWhatItAllocates) {
  const SequenceShape shape{.batch = 3, .steps = 9};
  const SequenceModelSpec tokens = small_spec(GetParam(), 9);
  std::vector<SequenceModelSpec> specs = {tokens, regression_spec(GetParam(), 9)};
  specs.push_back(tokens);
  specs.back().causal = false;
  for (const std::string& name : variant_names({GetParam()})) {
    specs.push_back(tokens);
    specs.back().variant = *find_variant(GetParam(), name);
  }
  specs.push_back(tokens);
  specs.back().answers = tokens.vocabulary;
  specs.back().form = {.width = 8,
                       .layers = 2,
                       .heads = 2,
                       .residual = true,
                       .mlp_expansion = 3,
                       .mlp = MlpKind::kGelu,
                       .as_gpt2 = true,
                       .dropout = 0.1};
  for (std::size_t k = 0; k < specs.size(); ++k) {
    EXPECT_EQ(declared_workspace_bytes<float>(specs[k], shape, 5),
              reserved_bytes<float>(specs[k], shape, 5))
        << k;
    SequenceModel<float> model(specs[k]);
    double parameters = 0;
    for (const Parameter<float>* each : model.parameters())
      parameters += double(each->value.size());
    EXPECT_EQ(declared_parameters(specs[k]), parameters) << k;
  }
}

}  // namespace
}  // namespace seqbench

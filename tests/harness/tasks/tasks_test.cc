#include "harness/tasks/tasks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <stdexcept>

#include "harness/models/registry.h"
#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"

namespace seqbench {
namespace {

class EveryTask : public ::testing::TestWithParam<Task> {};
INSTANTIATE_TEST_SUITE_P(Tasks, EveryTask, ::testing::ValuesIn(all_tasks()),
                         [](const auto& instance) {
                           return instance.param.name + "_" + instance.param.setup;
                         });

TEST_P(EveryTask, DrawsWhatItDeclares) {
  const Task& task = GetParam();
  Random random(1);
  TaskBatch batch;
  const Index least = task.min_distance(0);
  for (const Index distance : {least, least + 1, Index{67}}) {
    for (const Index count : {1, 7}) {
      task.draw(random, {count, {.distance = distance}, Evidence::kGiven}, batch);
      EXPECT_EQ(batch.shape.batch, count);
      EXPECT_EQ(batch.shape.steps, task.sequence_length({.distance = distance}));
      ASSERT_EQ((task.vocabulary > 0), task.channels == 0);
      const Index tokens = task.vocabulary > 0 ? count * batch.shape.steps : 0;
      ASSERT_EQ(Index(batch.tokens.size()), tokens);
      ASSERT_EQ(Index(batch.numbers.size()), count * batch.shape.steps * task.channels);
      for (const Token token : batch.tokens) {
        EXPECT_GE(token, 0);
        EXPECT_LT(token, task.vocabulary);
      }
      ASSERT_EQ(batch.answers(), count * task.questions({.distance = distance}));
      const bool regression = task.loss == LossKind::kSquaredError;
      ASSERT_EQ(Index(batch.targets.size()), regression ? 0 : batch.answers());
      ASSERT_EQ(Index(batch.values.size()), regression ? batch.answers() : 0);
      EXPECT_TRUE(batch.gaps.empty() || Index(batch.gaps.size()) == batch.answers());
      for (const Token target : batch.targets) {
        EXPECT_GE(target, 0);
        EXPECT_LT(target, task.answers);
      }
      for (std::size_t a = 0; a < batch.answer_rows.size(); ++a) {
        EXPECT_LT(batch.answer_rows[a], count * batch.shape.steps);
        EXPECT_GT(batch.answer_rows[a], a == 0 ? Index{-1} : batch.answer_rows[a - 1]);
      }
    }
  }
}

TEST_P(EveryTask, AsManyAnswersAreEverRightAsItSays) {
  const Task& task = GetParam();
  if (!task.chance_uninformed()) return;
  const auto declared = static_cast<std::size_t>(std::lround(1 / *task.chance_uninformed()));
  Random random(1);
  TaskBatch batch;
  std::set<Token> seen;
  for (int draw = 0; draw < 20; ++draw) {
    task.draw(random, {200, {.distance = 67}, Evidence::kGiven}, batch);
    seen.insert(batch.targets.begin(), batch.targets.end());
  }
  // 4000 answers or more leave out one of 128 once in e³⁰ draws; of thousands some are left out.
  if (declared <= 128) {
    EXPECT_EQ(seen.size(), declared);
  } else {
    EXPECT_GT(seen.size(), declared / 2);
    EXPECT_LE(seen.size(), declared);
  }
}

TEST_P(EveryTask, DrawsFreshSequencesFromOneSeedAndTheSameFromTheSame) {
  const Task& task = GetParam();
  Random random(1), same(1);
  TaskBatch first, second, repeated;
  task.draw(random, {4, {.distance = 40}, Evidence::kGiven}, first);
  task.draw(random, {4, {.distance = 40}, Evidence::kGiven}, second);
  task.draw(same, {4, {.distance = 40}, Evidence::kGiven}, repeated);
  EXPECT_TRUE(first.tokens != second.tokens || first.numbers != second.numbers);
  EXPECT_EQ(first.tokens, repeated.tokens);
  EXPECT_EQ(first.numbers, repeated.numbers);
  EXPECT_EQ(first.targets, repeated.targets);
  EXPECT_EQ(first.values, repeated.values);
}

TEST_P(EveryTask, DefaultsAreInOrder) {
  const TaskDefaults& defaults = GetParam().defaults;
  EXPECT_FALSE(defaults.models.empty());
  for (const auto& [model, settings] : defaults.models) {
    EXPECT_GE(settings.form.layers, 1);
    EXPECT_GT(settings.learning_rate, 0);
    const Index width = settings.form.width > 0 ? settings.form.width : defaults.width;
    EXPECT_EQ(width % settings.form.heads, 0);
    EXPECT_TRUE(settings.form.residual || settings.form.mlp_expansion == 0);
  }
  for (const Index distance : defaults.distances) EXPECT_GE(distance, GetParam().min_distance(0));
}

// Those that others have posed have the models of their published settings alone.
TEST(Tasks, OurOwnCoverEveryModel) {
  for (const std::string name : {"first_token", "adding", "copy", "selective_copy", "parity",
                                 "mqar", "word_problem", "word_problem_z60", "word_problem_a5"}) {
    EXPECT_EQ(task_by_name(name).defaults.models.size(), model_names().size()) << name;
  }
}

TEST(TaskByName, RefusesAnUnknownName) {
  EXPECT_THROW(task_by_name("second_token"), std::invalid_argument);
}

/// What is wrong with parity under another name and changed so; "" for nothing.
std::string fault_with(void (*change)(Task&)) {
  Task task = task_by_name("parity");
  task.name = "other";
  change(task);
  try {
    register_task(task);
  } catch (const std::invalid_argument& error) {
    return error.what();
  } catch (const std::logic_error& error) {
    EXPECT_STREQ(error.what(), "task 'other' comes late: tasks are in use");
    return "";
  }
  ADD_FAILURE() << "registered";
  return "";
}

// docs/examples/extension registers one in time (tests/cli/test_install.py).
TEST(RegisterTask, RefusesWhatCannotWork) {
  const auto names = [](const std::string& fault, const std::string& part) {
    return fault.find(part) != std::string::npos;
  };
  EXPECT_EQ(fault_with([](Task&) {}), "");  // but for the time
  EXPECT_TRUE(names(fault_with([](Task& t) { t.name = "parity"; }), "of that name"));
  EXPECT_TRUE(names(fault_with([](Task& t) { t.name = "a b"; }), "a-z"));
  EXPECT_TRUE(names(fault_with([](Task& t) { t.setup = "other"; }), "set-up 'other'"));
  EXPECT_TRUE(names(fault_with([](Task& t) { t.channels = 1; }), "input"));
  EXPECT_TRUE(names(fault_with([](Task& t) { t.vocabulary = 0; }), "input"));
  EXPECT_TRUE(names(fault_with([](Task& t) { t.answers = 0; }), "no answers"));
  EXPECT_TRUE(names(fault_with([](Task& t) { t.pairs = t.questions; }), "pairs"));
  EXPECT_TRUE(names(fault_with([](Task& t) { t.chance = nullptr; }), "is missing"));
  EXPECT_TRUE(names(fault_with([](Task& t) { t.defaults.models.clear(); }), "models"));
  EXPECT_TRUE(names(fault_with([](Task& t) { t.defaults.distances.clear(); }), "distances"));
}

}  // namespace
}  // namespace seqbench

#include "harness/training/test_outcome.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "harness/tasks/task.h"
#include "harness/tasks/tasks.h"

namespace seqbench {
namespace {

struct OutcomeCase {
  std::string what;
  TestFigures figures;
  std::string outcome;
};

// Of 1000 answers guessed at ½, 99 % of tests have 459 to 541 right; of 4000 at ¼, 930 to 1071.
TEST(OutcomeOf, FollowsItsRules) {
  const double ln2 = std::log(2.0), ln48 = std::log(48.0), ln128 = std::log(128.0);
  const auto coreference = [&](double accuracy, double loss) {
    return TestFigures{.answers = 1000,
                       .accuracy = accuracy,
                       .loss = loss,
                       .solved_accuracy = 0.95,
                       .chance = 0.5,
                       .uninformed_loss = ln48};
  };
  const auto mqar = [&](double accuracy, double loss) {
    return TestFigures{.answers = 4000,
                       .accuracy = accuracy,
                       .loss = loss,
                       .solved_accuracy = 0.95,
                       .chance = 0.25,
                       .uninformed_loss = ln128};
  };
  const OutcomeCase cases[] = {
      {"at the mark", coreference(0.95, 0.1), "solved"},
      {"just short of it", coreference(0.949, 0.1), "partial"},
      {"solved, however large the loss", coreference(0.96, ln48), "solved"},
      {"knows both nouns", coreference(0.5, ln2), "guessing"},
      {"at the interval's upper end", coreference(0.541, ln2), "guessing"},
      {"above it", coreference(0.542, ln2), "partial"},
      {"at its lower end", coreference(0.459, ln2), "guessing"},
      {"below it", coreference(0.458, ln2), "untrained"},
      {"knows the adjective's class alone", coreference(1.0 / 12, std::log(12.0)), "untrained"},
      {"knows nothing", coreference(0.02, ln48), "untrained"},
      {"a loss within 2 % of knowing nothing", coreference(0.5, 1.019 * ln48), "untrained"},
      {"and from below", coreference(0.5, 0.981 * ln48), "untrained"},
      {"a loss beyond 2 %", coreference(0.5, 1.021 * ln48), "guessing"},
      {"and below", coreference(0.5, 0.979 * ln48), "guessing"},
      {"an LSTM that learned nothing", mqar(0.0073, 4.853), "untrained"},
      {"one that knows the four values", mqar(0.2532, 1.39), "guessing"},
      {"or two of them", mqar(0.5, ln2), "partial"},
  };
  for (const OutcomeCase& each : cases) {
    EXPECT_EQ(name_of(outcome_of(each.figures)), each.outcome) << each.what;
  }
}

TEST(OutcomeOf, KnowsWhatEachTaskCallsKnowingNothing) {
  struct Known {
    std::string task;
    std::optional<double> chance;
    double loss;
  };
  const Known known[] = {
      {"first_token", 1.0 / 16, std::log(16.0)}, {"adding", std::nullopt, 1.0 / 6},
      {"copy", 1.0 / 8, std::log(8.0)},          {"parity", 1.0 / 2, std::log(2.0)},
      {"mqar", 1.0 / 128, std::log(128.0)},      {"coreference", 1.0 / 48, std::log(48.0)},
      {"hidden_verb", 1.0 / 10, std::log(10.0)}, {"first_symbol", 1.0 / 16, std::log(16.0)},
      {"copy_all", 1.0 / 9, std::log(9.0)},      {"mqar_8k", 1.0 / 4096, std::log(4096.0)},
  };
  for (const Known& each : known) {
    const Task& task = task_by_name(each.task);
    const auto chance = task.chance_uninformed();
    ASSERT_EQ(chance.has_value(), each.chance.has_value()) << each.task;
    if (chance) {
      EXPECT_DOUBLE_EQ(*chance, *each.chance) << each.task;
    }
    EXPECT_DOUBLE_EQ(task.uninformed_loss({.distance = task.defaults.distances.front()}), each.loss)
        << each.task;
  }
}

TEST(OutcomeOf, TakesATrainingsOwnMarkAndChance) {
  const Task& task = task_by_name("mqar");
  TrainingSettings settings = default_training(task, nullptr, "lstm");
  settings.distance = 64;
  const auto outcome = [&](double accuracy, double loss) {
    TestScore test;
    test.distance = 64, test.answers = 4000, test.accuracy = accuracy, test.loss = loss;
    return std::string(name_of(outcome_of(settings, test)));
  };
  EXPECT_EQ(outcome(0.25, std::log(4.0)), "guessing");
  EXPECT_EQ(outcome(0.5, std::log(2.0)), "partial");
  settings.pairs = 2;
  EXPECT_EQ(outcome(0.25, std::log(4.0)), "untrained");
  EXPECT_EQ(outcome(0.5, std::log(2.0)), "guessing");
  EXPECT_EQ(outcome(0.95, 0.1), "solved");
}

}  // namespace
}  // namespace seqbench

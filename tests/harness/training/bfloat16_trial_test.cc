// What bfloat16 costs a training in accuracy (docs/method.md): the same trainings in both
// precisions. They take a minute or two, so that they run where SEQBENCH_LONG_TESTS is set.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "harness/timing/case.h"
#include "harness/training/training.h"
#include "tests/harness/training/training_of.h"

namespace seqbench {
namespace {

struct Trained {
  double accuracy;
  Index steps_to_solve;  // 0: it did not
};

Trained trained(TrainingSettings settings, Factors factors) {
  settings.factors = factors;
  settings.measure_gradients = false;
  const auto result = train(settings, [](const TrainingResult&) { return true; });
  const TestScore& test = result->tests[0];
  const Trained found{test.accuracy, result->steps_to_solve.value_or(0)};
  std::printf("%s %s: accuracy %.3f, solved after %td steps, of %td\n", label(settings).c_str(),
              dtype_name(factors), found.accuracy, found.steps_to_solve, result->steps_taken);
  std::fflush(stdout);
  return found;
}

TEST(Bfloat16Trial, SolvesFirstTokenWhereFloat32Does) {
  if (std::getenv("SEQBENCH_LONG_TESTS") == nullptr) GTEST_SKIP() << "set SEQBENCH_LONG_TESTS";
  const std::pair<const char*, const char*> models[] = {
      {"lstm", "chrono"}, {"gru", "chrono"}, {"mingru", "chrono"}, {"attention", "learned"}};
  for (const auto& [model, variant] : models) {
    for (const Index seed : {1, 2, 3}) {
      TrainingSettings settings = settings_of("first_token", model, variant, 32);
      settings.seed = seed;
      settings.training_steps = settings.defaults().training_steps;
      const Trained exact = trained(settings, Factors::kAsTheyAre);
      const Trained rounded = trained(settings, Factors::kBfloat16);
      if (exact.steps_to_solve == 0) continue;
      EXPECT_GE(rounded.accuracy, exact.accuracy - 0.05) << model << ' ' << seed;
    }
  }
}

}  // namespace
}  // namespace seqbench

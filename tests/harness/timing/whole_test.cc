#include "harness/timing/whole.h"

#include <gtest/gtest.h>

#include "harness/machine/placement.h"
#include "harness/timing/reference.h"
#include "harness/timing/workload.h"
#include "tests/harness/timing/scoped_case.h"

namespace seqbench {
namespace {

std::string difference_after_a_run(const Reference& reference, Workload& workload) {
  workload.run(make_team(workload.the_case().threads));
  return reference.difference(workload);
}

TEST(Whole, IsAcceptedByItsReference) {
  for (const std::string& model : model_names()) {
    for (const Scope scope : {Scope::kBlock, Scope::kModel}) {
      for (const Pass pass : {Pass::kForward, Pass::kTrain, Pass::kDecode}) {
        for (const SequenceShape shape : {SequenceShape{1, 1}, SequenceShape{3, 70}}) {
          for (const bool causal : {false, true}) {
            Case one = case_of(model, scope, pass, shape);
            one.layer.causal = causal && one.model().has_heads();
            Workload workload(one, 5);
            const Reference reference(workload);
            EXPECT_EQ(difference_after_a_run(reference, workload), "") << one.id();
          }
        }
      }
    }
  }
}

TEST(Whole, IsRefusedWithAWrongParameter) {
  for (const std::string model : {"lstm", "attention"}) {
    for (const Scope scope : {Scope::kBlock, Scope::kModel}) {
      Workload workload(case_of(model, scope, Pass::kTrain, {2, 20}), 5);
      const Reference reference(workload);
      for (Parameter<float>* parameter : workload.whole().parameters()) {
        float& element = parameter->value[parameter->value.size() - 1];
        const float right = element;
        element += 0.05f;
        EXPECT_NE(difference_after_a_run(reference, workload), "") << model << parameter->name;
        element = right;
      }
      EXPECT_EQ(difference_after_a_run(reference, workload), "");
    }
  }
}

TEST(Whole, GivesTheSameInEveryRunAndOnAnyNumberOfThreads) {
  for (const std::string& model : model_names()) {
    for (const Scope scope : {Scope::kBlock, Scope::kModel}) {
      Case one = case_of(model, scope, Pass::kTrain, {6, 70});
      std::vector<double> expected;
      for (const int threads : {1, 2, 3}) {
        one.threads = threads;
        Workload workload(one, 7);
        for (int run = 0; run < 2; ++run) {
          workload.run(make_team(threads));
          std::vector<double> found;
          for (const auto& [name, values] : workload.whole().results()) {
            found.insert(found.end(), values.begin(), values.end());
          }
          for (const Parameter<float>* parameter : workload.whole().parameters()) {
            const auto values = parameter->gradient.values();
            found.insert(found.end(), values.begin(), values.end());
          }
          if (expected.empty()) expected = found;
          EXPECT_EQ(found, expected) << one.id() << run;
        }
      }
    }
  }
}

}  // namespace
}  // namespace seqbench

#include "harness/models/registry.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace seqbench {
namespace {

TEST(Registry, MakesEveryModelAndKernel) {
  for (const ModelInfo& model : all_models()) {
    for (const std::string& kernel : model.kernels) {
      const LayerSpec spec{.model = model.name, .kernel = kernel, .width = 12, .heads = 3};
      const auto layer = make_layer<float>(spec);
      EXPECT_EQ(layer->width(), 12);
      double parameters = 0;
      for (const auto& parameter : layer->parameters())
        parameters += double(parameter.value.size());
      const SequenceShape shape{.batch = 2, .steps = 5};
      EXPECT_EQ(declared_cost(spec, shape, Pass::kTrain, 1).parameters, parameters);
      EXPECT_EQ(declared_cost(spec, shape, Pass::kTrain, 3).workspace_bytes,
                layer->cost(shape, Pass::kTrain, 3).workspace_bytes);
    }
  }
}

TEST(Registry, NamesTheFormOfTheLoop) {
  const LayerSpec lstm{.model = "lstm", .kernel = "persistent", .width = 64};
  EXPECT_EQ(kernel_form(lstm, {1, 5}, Pass::kForward, 1), "matrix-vector sequences/1");
  EXPECT_EQ(kernel_form(lstm, {1, 5}, Pass::kTrain, 2), "matrix-vector units/2");
  EXPECT_EQ(kernel_form(lstm, {16, 5}, Pass::kTrain, 2), "register-block sequences/2");
  EXPECT_EQ(kernel_form(lstm, {1, 5}, Pass::kDecode, 2), "");
  EXPECT_EQ(kernel_form({.model = "gru", .kernel = "hoisted"}, {1, 5}, Pass::kTrain, 2), "");
  const LayerSpec mingru{.model = "mingru", .kernel = "scan", .width = 256};
  EXPECT_EQ(kernel_form(mingru, {1, 512}, Pass::kForward, 2), "units/2");
  EXPECT_EQ(kernel_form(mingru, {16, 512}, Pass::kTrain, 2), "sequences/16");
  EXPECT_EQ(kernel_form({.model = "attention", .kernel = "fused"}, {1, 5}, Pass::kTrain, 2), "");
}

TEST(Registry, TheRooflineOfNewtonHasNoStepsAndTheSameWork) {
  LayerSpec spec{.model = "gru", .kernel = "newton", .width = 32};
  const SequenceShape shape{.batch = 3, .steps = 7};
  for (const Pass pass : {Pass::kForward, Pass::kTrain}) {
    EXPECT_EQ(roofline_terms(spec, shape, pass).steps, 0);
    EXPECT_EQ(roofline_terms(spec, shape, pass).bulk_flops,
              declared_cost(spec, shape, pass, 1).flops);
  }
  const RooflineTerms decode = roofline_terms(spec, shape, Pass::kDecode);
  spec.kernel = "persistent";
  EXPECT_EQ(decode.bulk_flops, roofline_terms(spec, shape, Pass::kDecode).bulk_flops);
  EXPECT_EQ(model_info("gru").default_kernel, "persistent");
}

TEST(Registry, TheRooflineOfMinGruHasNoSteps) {
  const LayerSpec spec{.model = "mingru", .kernel = "scan", .width = 32};
  const SequenceShape shape{.batch = 3, .steps = 7};
  const RooflineTerms train = roofline_terms(spec, shape, Pass::kTrain);
  EXPECT_EQ(train.steps, 0);
  EXPECT_EQ(train.bulk_flops, 3 * 4 * 3 * 7 * 32 * 32);
  const RooflineTerms decode = roofline_terms(spec, shape, Pass::kDecode);
  EXPECT_EQ(decode.bulk_flops, 4 * 3 * 32 * 32);
  EXPECT_EQ(decode.bulk_bytes, sizeof(float) * 2 * (32 * 32 + 32));
}

TEST(Registry, RefusesUnknownNamesAndShapes) {
  EXPECT_THROW(make_layer<float>({.model = "mamba", .kernel = "fused"}), std::invalid_argument);
  EXPECT_THROW(make_layer<float>({.model = "lstm", .kernel = "fused"}), std::invalid_argument);
  EXPECT_THROW(
      make_layer<float>({.model = "attention", .kernel = "fused", .width = 10, .heads = 3}),
      std::invalid_argument);
}

/// What is wrong with the minGRU's row under another name and changed so; "" for nothing.
std::string fault_with(void (*change)(ModelEntry&)) {
  ModelEntry entry{.info = model_info("mingru"),
                   .make_float = [](const LayerSpec& s) { return make_layer<float>(s); },
                   .make_double = [](const LayerSpec& s) { return make_layer<double>(s); },
                   .cost = declared_cost,
                   .roofline = roofline_terms};
  entry.info.name = "other";
  change(entry);
  try {
    register_model(entry, {});
  } catch (const std::invalid_argument& error) {
    return error.what();
  } catch (const std::logic_error& error) {
    EXPECT_STREQ(error.what(), "model 'other' comes late: models are in use");
    return "";
  }
  ADD_FAILURE() << "registered";
  return "";
}

// docs/examples/extension registers one in time (tests/cli/test_install.py).
TEST(RegisterModel, RefusesWhatCannotWork) {
  const auto names = [](const std::string& fault, const std::string& part) {
    return fault.find(part) != std::string::npos;
  };
  EXPECT_EQ(fault_with([](ModelEntry&) {}), "");  // but for the time
  EXPECT_TRUE(names(fault_with([](ModelEntry& e) { e.info.name = "lstm"; }), "of that name"));
  EXPECT_TRUE(names(fault_with([](ModelEntry& e) { e.info.name = "a,b"; }), "a-z"));
  EXPECT_TRUE(names(fault_with([](ModelEntry& e) { e.info.name = ""; }), "a-z"));
  EXPECT_TRUE(names(fault_with([](ModelEntry& e) { e.info.kind = ModelKind::kAttention; }),
                    "not recurrent"));
  EXPECT_TRUE(
      names(fault_with([](ModelEntry& e) { e.info.default_kernel = "fast"; }), "default kernel"));
  EXPECT_TRUE(
      names(fault_with([](ModelEntry& e) { e.info.rounded_kernel = "fast"; }), "rounded kernel"));
  EXPECT_TRUE(
      names(fault_with([](ModelEntry& e) { e.info.watched_kernel = "scan"; }), "shows weights"));
  EXPECT_TRUE(names(fault_with([](ModelEntry& e) { e.info.reference_kernels = {"scan"}; }),
                    "fewer than two"));
  EXPECT_TRUE(names(fault_with([](ModelEntry& e) {
                      e.info.reference_kernels = {"scan", "fast"};
                    }),
                    "'fast' is none"));
  EXPECT_TRUE(names(fault_with([](ModelEntry& e) { e.info.variants = {}; }), "no variant"));
  EXPECT_TRUE(names(fault_with([](ModelEntry& e) {
                      e.info.layer_variants = {"chrono", "other"};
                    }),
                    "'other' is none"));
  EXPECT_TRUE(names(fault_with([](ModelEntry& e) { e.make_double = nullptr; }), "makes"));
  EXPECT_TRUE(names(fault_with([](ModelEntry& e) { e.roofline = nullptr; }), "cost"));
}

}  // namespace
}  // namespace seqbench

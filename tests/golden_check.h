// Kernels against PyTorch's results in double, which scripts/fixtures keeps in tests/golden.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "harness/commands/conform.h"
#include "harness/files/safetensors.h"
#include "harness/models/registry.h"
#include "tests/test_data.h"

namespace seqbench {

/// The golden files of one model, in order of their names.
inline std::vector<std::filesystem::path> golden_files(const std::string& model) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(SEQBENCH_GOLDEN_DIR)) {
    if (entry.path().filename().string().starts_with(model + "_")) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

/// Roundings on the longest path from the inputs to a result.
struct RoundingDepth {
  Index forward = 0;   // to y
  Index backward = 0;  // from dy to dx or to one token's share of a parameter's gradient
};

/// Expects y, dx and every parameter's gradient of all kernels of `model`, on 1 and 2 threads, to
/// be those of each golden file. Tolerance: u·depth·max_abs, u half of float's epsilon, max_abs the
/// largest of the inputs and of the result; depth(shape of x, heads) counts the roundings of a
/// layer, to which a parameter's gradient adds a sum over B·T tokens, and the file one of its own.
template <typename Depth>
void expect_kernels_match_golden_files(const std::string& model, const Depth& depth) {
  const auto files = golden_files(model);
  ASSERT_GE(files.size(), 6u) << "golden files of " << model << " are missing";
  for (const auto& path : files) {
    TensorFile golden = read_safetensors(path);
    const Tensor<float>& x = golden.tensor("x", {kAnySize, kAnySize, kAnySize});
    const Tensor<float>& dy = golden.tensor("dy", x.shape());
    const Index heads = golden.metadata.contains("heads") ? std::stol(golden.metadata["heads"]) : 1;
    const RoundingDepth roundings = depth(x.shape()[1], x.shape()[2], heads);
    const Index tokens = x.shape()[0] * x.shape()[1];

    for (const std::string& kernel : model_info(model).kernels) {
      for (const char* threads : {"1", "2"}) {
        golden.metadata["kernel"] = kernel;
        golden.metadata["threads"] = threads;
        const ConformResult result = run_conform(golden);
        EXPECT_EQ(result.metadata.at("kernel"), kernel);
        EXPECT_GE(result.tensors.size(), 4u);  // y, dx and at least a weight and a bias
        for (const auto& [name, actual] : result.tensors) {
          const Tensor<float>& expected = golden.tensor(name, actual.shape());
          double largest = std::max(max_abs(expected.values()), max_abs(x.values()));
          Index count = roundings.forward + 1;
          if (name != "y") {
            largest = std::max(largest, max_abs(dy.values()));
            count += roundings.backward + tokens;
          }
          const double unit = double(std::numeric_limits<float>::epsilon()) / 2;
          EXPECT_LE(max_difference(actual, expected), unit * double(count) * largest)
              << name << " of " << path.filename() << " by " << kernel << " on " << threads
              << " thread(s)";
        }
      }
    }
  }
}

}  // namespace seqbench
